/** A real server in a process of its own, and a network between it and a client that can be cut. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer, type Server, type Socket, connect as tcp } from "node:net";
import { resolve } from "node:path";

// From the package's folder, where every tool is run: what a module is called says nothing where a page is played.
const BIN = resolve("../../.venv/bin");

/** A server in a process of its own. */
export class RealServer {
  private constructor(
    private readonly process: ChildProcess,
    readonly port: number,
    private readonly options: readonly string[],
  ) {}

  /** `rtcore serve` with every plugin but those for people. Options are as on the command line. */
  static async start(port = 0, ...options: string[]): Promise<RealServer> {
    const quiet = ["disabled=otel,playground", "rate_limit_per_second=0", "drain_time=0.2"];
    const sets = [...quiet, ...options].flatMap((option) => ["--set", option]);
    return RealServer.run("rtcore", ["serve", "--port", String(port), ...sets], options);
  }

  /** A program of `tests/support`. */
  static program(name: string, ...args: unknown[]): Promise<RealServer> {
    return RealServer.run("python", [resolve("tests/support", name), ...args.map(String)]);
  }

  private static async run(name: string, args: string[], options: string[] = []): Promise<RealServer> {
    if (!existsSync(`${BIN}/${name}`)) throw new Error(`no ${name} in .venv: \`make install\` comes first`);
    const child = spawn(`${BIN}/${name}`, args);
    let said = "";
    const port = await new Promise<number>((done, failed) => {
      const hear = (data: Buffer) => {
        said += data;
        const ready = /ready at http:\/\/[\d.]+:(\d+)/.exec(said);
        if (ready) done(Number(ready[1]));
      };
      child.stdout.on("data", hear);
      child.stderr.on("data", hear);
      child.on("exit", () => failed(new Error(said)));
    });
    return new RealServer(child, port, options);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/rt`;
  }

  /** End it at once, as a crash would. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode) return;
    const gone = once(this.process, "exit");
    this.process.kill(signal);
    await gone;
  }

  /** Start another one in the same place. */
  again(): Promise<RealServer> {
    return RealServer.start(this.port, ...this.options);
  }
}

/** A TCP proxy that is as bad as a network. */
export class Network {
  /** Paths that are answered with 403. */
  readonly blocked = new Set<string>();
  /** Paths whose requests are taken and never answered. */
  readonly hanging = new Set<string>();
  /** Bytes of a new connection, both ways together, after which it is cut. */
  cutAfter: (() => number) | undefined;
  /** What the server sends is taken, and arrives nowhere. */
  deaf = false;
  cuts = 0;
  /** Paths that were asked for, each first on its connection. */
  readonly seen: string[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(private readonly target: number) {
    this.server = createServer((near) => this.carry(near));
  }

  static async start(target: number): Promise<Network> {
    const proxy = new Network(target);
    await new Promise<void>((done) => proxy.server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/rt`;
  }

  /** Cut everything that is open, in the middle of whatever it carries. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  stop(): void {
    this.cut();
    this.server.close();
  }

  private carry(near: Socket): void {
    near.once("data", (first) => {
      const path = /^\w+ ([^ ?]+)/.exec(first.toString("latin1"))?.[1] ?? "";
      this.seen.push(path);
      if (this.blocked.has(path))
        return near.end("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
      if (this.hanging.has(path)) return undefined;
      const far = tcp(this.target, "127.0.0.1");
      let left = this.cutAfter?.() ?? Number.POSITIVE_INFINITY;
      const pass = (data: Buffer, to: Socket) => {
        if (this.deaf && to === near) return;
        if (data.length < left) to.write(data);
        else if (left > 0) {
          // What was passed on before the cut arrives; the bytes after it never will.
          this.cuts++;
          to.end(data.subarray(0, left));
          (to === near ? far : near).destroy();
        }
        left -= data.length;
      };
      pass(first, far);
      near.on("data", (data) => pass(data, far));
      far.on("data", (data) => pass(data, near));
      this.keep(far, near);
      return undefined;
    });
    this.keep(near);
  }

  private keep(socket: Socket, other?: Socket): void {
    this.sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.sockets.delete(socket);
      other?.end();
    });
    other?.on("close", () => socket.end());
  }
}

/** Wait until something is so. */
export async function until(condition: () => unknown, within = 15_000, what = condition.toString()): Promise<void> {
  const end = Date.now() + within;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not within ${within} ms: ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
