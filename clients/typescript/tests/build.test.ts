/** The client as it was built, in each form: nothing was renamed that others see, and it works. `npm run build` first. */

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { INTERNAL, letters } from "../scripts/names.mjs";
import { LIMIT, sizes } from "../scripts/sizes.mjs";
import * as sourceCbor from "../src/cbor.js";
import * as source from "../src/index.js";
import { Network, RealServer, until } from "./support/server.js";

type Client = typeof source;
type Cbor = typeof sourceCbor;

const root = fileURLToPath(new URL("..", import.meta.url));
const pkg = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const require = createRequire(import.meta.url);

if (!existsSync(`${root}dist/rtcore-client.js`)) throw new Error("there is no dist: `make client-ts` builds it");

const FORMS: [string, () => Promise<Client>, (() => Promise<Cbor>)?][] = [
  ["ESM", () => import(`${root}dist/esm/index.js`), () => import(`${root}dist/esm/cbor.js`)],
  ["CommonJS", async () => require(`${root}dist/cjs/index.js`), async () => require(`${root}dist/cjs/cbor.js`)],
  ["one file", () => import(`${root}dist/rtcore-client.js`)],
];

describe("the package", () => {
  const files = Object.values(pkg.exports).flatMap((entry) => JSON.stringify(entry).match(/\.\/dist[^"]*/g) ?? []);

  it.each([...new Set(files)])("has %s", (file) => {
    expect(existsSync(root + file)).toBe(true);
  });

  it("has the version of the server, and pins what it is built with", () => {
    const [, version] = /__version__ = "(.*)"/.exec(readFileSync(`${root}../../rtcore/__init__.py`, "utf8")) ?? [];
    expect(pkg.version).toBe(version);
    for (const pinned of Object.values(pkg.devDependencies)) expect(pinned).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it("needs nothing at run time", () => {
    expect(pkg).not.toHaveProperty("dependencies");
    expect(pkg.sideEffects).toBe(false);
    expect(Object.keys(pkg.peerDependenciesMeta)).toEqual(Object.keys(pkg.peerDependencies));
  });

  it("has a core that is small enough", async () => {
    const [[, core] = ["", Number.NaN]] = await sizes();
    expect(core).toBeLessThanOrEqual(LIMIT);
  });
});

describe("short names", () => {
  it("are not given to what the wire names", () => {
    const wire = readFileSync(`${root}../../docs/wire.md`, "utf8");
    const code = [...wire.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].join("\n");
    const named = new Set([...code.matchAll(/[`"{ ](\w+)[`"?:,}]/g)].map(([, name]) => name));
    expect(named.has("received") && named.has("rate_per_second")).toBe(true);
    expect(INTERNAL.filter((name) => named.has(name))).toEqual([]);
  });

  it("are different within a class", () => {
    const short: Record<string, string> = letters(`${root}src`);
    expect(Object.keys(short).length).toBeGreaterThan(100);
    const names = Object.keys(source.RealtimeClient.prototype);
    expect(new Set(names.map((name) => short[name] ?? name)).size).toBe(names.length);
  });

  /** What others see of a value: its members, and those of its class. */
  const seen = (value: object): string[] => {
    const names = new Set<string>();
    for (let one = value; one && one !== Object.prototype && one !== Error.prototype; one = Object.getPrototypeOf(one))
      for (const name of Object.getOwnPropertyNames(one)) names.add(name);
    return [...names].filter((name) => !name.startsWith("_") && !["stack", "constructor"].includes(name)).sort();
  };
  const examples = (client: Client, cbor: Cbor): Record<string, object> => {
    const made = new client.RealtimeClient({ url: "http://server.test/rt" });
    return {
      module: Object.fromEntries(Object.entries(client)),
      client: made,
      info: made.getConnectionInfo(),
      counters: made.getConnectionInfo().counters,
      stream: made.messages("*"),
      builder: new client.RealtimeBuilder("http://server.test/rt"),
      queue: new client.PriorityMessageQueue(),
      detector: new client.ConnectionQualityDetector(),
      message: new client.Message("x", 1, {
        id: "i",
        re: "r",
        room: "o",
        sender: "s",
        offset: 1,
        epoch: "e",
        trace: "t",
      }),
      error: new client.RealtimeError("code"),
      refused: new client.Refused("code"),
      unknown: new client.UnknownOutcome([]),
      codec: cbor.cbor(),
      presets: client.REALTIME_PRESETS,
    };
  };

  it.each(FORMS)("are not given to what a program sees: %s", async (_, load, loadCbor) => {
    const expected = examples(source, sourceCbor);
    const built = examples(await load(), (await loadCbor?.()) ?? sourceCbor);
    for (const [name, value] of Object.entries(expected)) {
      // The built one has short names besides, which nobody may rely on.
      expect(seen(built[name] as object), name).toEqual(expect.arrayContaining(seen(value)));
    }
  });
});

describe.each(FORMS)("a conversation of %s", (_, load, loadCbor) => {
  let server: RealServer;
  let network: Network;
  let client: Client;

  beforeAll(async () => {
    client = await load();
    server = await RealServer.start();
    network = await Network.start(server.port);
  });
  afterAll(async () => {
    network.stop();
    await server.kill();
  });

  const connected = async (options: Partial<source.ClientOptions> = {}) => {
    const made = new client.RealtimeClient({ url: network.url, webSocket: WebSocket, reconnectDelay: 20, ...options });
    await made.connect();
    return made;
  };

  it.each(["websocket", "sse", "polling"] as const)(
    "over %s: rooms, requests, a cut, a resumed session",
    async (type) => {
      const only = { connectionType: type, fallbackTypes: [] };
      const [ann, bob] = [await connected(only), await connected({ ...only, enableBatching: true })];
      const heard: unknown[] = [];
      bob.subscribe("chat:*", ({ payload }) => heard.push(payload));
      await ann.joinRoom("lobby");
      expect((await bob.joinRoom("lobby")).members).toBe(2);
      const { sessionId } = bob.getConnectionInfo();
      for (let n = 0; n < 50; n++) {
        await ann.sendToRoom("lobby", "chat:n", n);
        if (n === 25) network.cut();
      }
      await until(() => heard.length >= 50);
      expect(heard).toEqual(Array.from({ length: 50 }, (_, n) => n));
      expect(bob.getConnectionInfo()).toMatchObject({ sessionId, counters: { missed: 0 } });
      const text = "again and again ".repeat(1000);
      expect(await bob.request("echo", text)).toBe(text);
      expect(bob.getConnectionInfo().connectionType).toBe(type);
      await Promise.all([ann.close(), bob.close()]);
    },
  );

  it("from one transport to another", async () => {
    const made = await connected();
    for (const type of ["polling", "sse", "websocket"] as const) {
      await made.switchTransport(type);
      expect(await made.request("echo", type)).toBe(type);
    }
    await made.close();
  });

  it.each(loadCbor ? [loadCbor] : [])("in CBOR", async (load) => {
    const { cbor } = await load();
    const made = await connected({ codec: cbor() });
    expect(await made.request("echo", Uint8Array.of(1, 2, 3))).toEqual(Uint8Array.of(1, 2, 3));
    expect(made.getConnectionInfo().codec).toBe("cbor");
    await made.close();
  });
});
