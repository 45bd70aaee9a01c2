/** The client against a real server, over a network that can be cut. */

import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { cbor } from "../src/cbor.js";
import {
  type ClientOptions,
  type ConnectionType,
  type Gap,
  RealtimeClient,
  type RealtimeError,
  RequestError,
  UnknownOutcome,
} from "../src/index.js";
import { Network, RealServer, until } from "./support/server.js";
import { memoryStore } from "./support/stores.js";

const TRANSPORTS: ConnectionType[] = ["websocket", "sse", "polling"];

let server: RealServer;
let proxy: Network;
const clients: RealtimeClient[] = [];

beforeAll(async () => {
  server = await RealServer.start(0, "message_buffer_size=1000");
  proxy = await Network.start(server.port);
});

afterAll(async () => {
  proxy.stop();
  await server.kill();
});

afterEach(async () => {
  proxy.blocked.clear();
  proxy.hanging.clear();
  proxy.cutAfter = undefined;
  for (const client of clients.splice(0)) await client.close();
});

/** A client that remembers what it was not asked for. */
function make(options: Partial<ClientOptions> = {}): RealtimeClient & { errors: RealtimeError[]; gaps: Gap[] } {
  const client = new RealtimeClient({
    url: proxy.url,
    webSocket: WebSocket,
    reconnectDelay: 20,
    maxReconnectAttempts: 1000,
    ...options,
    timing: { maxReconnectDelay: 100, ...options.timing },
  });
  const errors: RealtimeError[] = [];
  const gaps: Gap[] = [];
  client.on("error", (error) => errors.push(error));
  client.on("gap", (gap) => gaps.push(gap));
  clients.push(client);
  return Object.assign(client, { errors, gaps });
}

const only = (type: ConnectionType): Partial<ClientOptions> => ({ connectionType: type, fallbackTypes: [] });

describe.each(TRANSPORTS)("over %s", (type) => {
  it("answers a request, and says so when a handler does not exist", async () => {
    const client = make(only(type));
    await client.connect();
    expect(await client.request("echo", { a: [1, "é"] })).toEqual({ a: [1, "é"] });
    await expect(client.request("no:such", 1)).rejects.toMatchObject({ code: "unknown_type" });
    expect(client.getConnectionInfo()).toMatchObject({ state: "connected", connectionType: type, isConnected: true });
  });

  it("lets two clients talk in a room, in order", async () => {
    const [ann, bob] = [make(only(type)), make(only(type))];
    await Promise.all([ann.connect(), bob.connect()]);
    const heard: number[] = [];
    bob.subscribe("chat:*", (message) => {
      expect([message.room, message.roomId]).toEqual([`talk-${type}`, `talk-${type}`]);
      heard.push(message.payload.n);
    });
    await bob.joinRoom(`talk-${type}`);
    await ann.joinRoom(`talk-${type}`);
    for (let n = 0; n < 300; n++) await ann.sendToRoom(`talk-${type}`, "chat:message", { n });
    await until(() => heard.length === 300);
    expect(heard).toEqual(Array.from({ length: 300 }, (_, n) => n));
    expect(await bob.leaveRoom(`talk-${type}`)).toBe(true);
  });

  it("loses nothing and repeats nothing across cuts at any byte, in both directions", async () => {
    const [ann, bob] = [make(only(type)), make({ ...only(type), url: server.url })];
    const room = `cuts-${type}`;
    const [up, down]: [number[], number[]] = [[], []];
    bob.subscribe("up", (message) => up.push(message.payload));
    ann.subscribe("down", (message) => down.push(message.payload));
    await Promise.all([ann.connect(), bob.connect()]);
    await ann.joinRoom(room);
    await bob.joinRoom(room);
    proxy.cutAfter = () => 1000 + Math.random() * 20_000;
    proxy.cut();
    const count = 300;
    for (let n = 0; n < count; n++) {
      await Promise.all([ann.sendToRoom(room, "up", n), bob.sendToRoom(room, "down", n)]);
      if (n % 10 === 0) await new Promise((done) => setTimeout(done, 5));
    }
    await until(() => up.length >= count && down.length >= count, 20_000, `${up.length} up, ${down.length} down`);
    proxy.cutAfter = undefined;
    const all = Array.from({ length: count }, (_, n) => n);
    expect(up).toEqual(all);
    expect(down).toEqual(all);
    expect(ann.gaps).toEqual([]);
    expect(proxy.cuts).toBeGreaterThan(3);
  });

  it("confirms what the server has received", async () => {
    const client = make(only(type));
    await client.connect();
    await client.send("note", 1, { confirm: true }).catch((error) => expect(error).toBeInstanceOf(RequestError));
    await client.joinRoom("confirm");
    await client.sendToRoom("confirm", "note", 1, { confirm: true });
    expect(client.getConnectionInfo().counters.confirmed).toBeGreaterThanOrEqual(3);
  });

  it.runIf(type !== "websocket")("lets one POST fail that a firewall refuses, and those behind it go on", async () => {
    const firewall: typeof fetch = async (input, options) =>
      String(options?.body).includes("attack") ? new Response("<h1>no</h1>", { status: 403 }) : fetch(input, options);
    const [ann, bob] = [make({ ...only(type), fetch: firewall }), make({ url: server.url })];
    await Promise.all([ann.connect(), bob.connect()]);
    const room = `firewall-${type}`;
    await Promise.all([ann.joinRoom(room), bob.joinRoom(room)]);
    const heard: unknown[] = [];
    bob.subscribe("n", ({ payload }) => heard.push(payload));
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    const said = numbers.map((n) => ann.sendToRoom(room, "n", n % 10 === 5 ? `attack ${n}` : n, { confirm: true }));
    const asked = ann.request("echo", "attack");
    const outcomes = await Promise.allSettled([...said, asked]);
    expect(outcomes.filter(({ status }) => status === "rejected")).toEqual(
      Array(4).fill({ status: "rejected", reason: expect.objectContaining({ code: "blocked" }) }),
    );
    expect(await ann.request("echo", 1)).toBe(1);
    await until(() => heard.length >= 27);
    expect(heard).toEqual(numbers.filter((n) => n % 10 !== 5));
    expect(ann.errors).toEqual([]);
  });

  it("says goodbye, so that the session ends at once", async () => {
    const [ann, bob] = [make(only(type)), make({ ...only(type), url: server.url })];
    await Promise.all([ann.connect(), bob.connect()]);
    await ann.joinRoom(`bye-${type}`);
    await ann.close();
    let members = 2;
    // By the clock: a join is answered so quickly that hundreds of them may be no time at all.
    for (const end = Date.now() + 5_000; members > 1 && Date.now() < end; ) {
      ({ members } = await bob.joinRoom(`bye-${type}`));
    }
    expect(members).toBe(1);
  });

  it("speaks CBOR where the transport carries bytes, and JSON elsewhere", async () => {
    const client = make({ ...only(type), codec: cbor() });
    await client.connect();
    expect(await client.request("echo", { text: "é", n: -5, deep: [null, { x: 1.5 }] })).toEqual({
      text: "é",
      n: -5,
      deep: [null, { x: 1.5 }],
    });
    expect(client.getConnectionInfo().codec).toBe(type === "sse" ? "json" : "cbor");
  });
});

describe("attach", () => {
  it.each(TRANSPORTS)(
    "comes back in time, though the clock was set back by an hour meanwhile, over %s",
    async (type) => {
      const mortal = await RealServer.start();
      const client = make({ ...only(type), url: mortal.url });
      const real = Date.now.bind(Date);
      try {
        await client.connect();
        // It says goodbye and when to come back.
        await mortal.kill("SIGTERM");
        await until(() => !client.isConnected);
        vi.spyOn(Date, "now").mockImplementation(() => real() - 3_600_000);
        const reborn = await mortal.again();
        try {
          await until(() => client.isConnected);
        } finally {
          await client.close();
          await reborn.kill();
        }
      } finally {
        vi.restoreAllMocks();
      }
    },
  );

  it("resumes after a cut: the rooms and the session stay", async () => {
    const client = make();
    await client.connect();
    const { sessionId } = client.getConnectionInfo();
    const back = new Promise((resolve) => client.on("reconnect", resolve));
    proxy.cut();
    expect(await back).toMatchObject({ sessionId, resumed: true });
  });

  it("falls back when a WebSocket is refused, and climbs back when it no longer is", async () => {
    proxy.blocked.add("/rt/ws");
    const client = make({ timing: { climb: 100 } });
    const went: ConnectionType[] = [];
    client.on("transport", (type) => went.push(type));
    await client.connect();
    const { sessionId } = client.getConnectionInfo();
    proxy.blocked.add("/rt/sse");
    proxy.cut();
    await until(() => went.at(-1) === "polling");
    expect(await client.request("echo", 1)).toBe(1);
    proxy.blocked.clear();
    await until(() => went.at(-1) === "websocket");
    expect(went[0]).toBe("sse");
    expect(await client.request("echo", 2)).toBe(2);
    expect(client.getConnectionInfo().sessionId).toBe(sessionId);
  });

  it("gives a WebSocket up that hangs in a captive network, and remembers", async () => {
    proxy.hanging.add("/rt/ws");
    const options = { memory: memoryStore(), timing: { open: 300 } };
    await make(options).connect();
    const before = proxy.seen.length;
    const second = make(options);
    await second.connect();
    expect(second.getConnectionInfo().connectionType).toBe("sse");
    expect(proxy.seen.slice(before)).not.toContain("/rt/ws");
  });

  it("moves between transports while messages flow", async () => {
    const client = make();
    await client.connect();
    await client.joinRoom("moving");
    const heard: number[] = [];
    client.subscribe("n", (message) => heard.push(message.payload));
    for (let n = 0; n < 120; n++) {
      await client.sendToRoom("moving", "n", n);
      const next = TRANSPORTS[(n / 20 + 1) % 3];
      if (n % 20 === 0 && next) await client.switchTransport(next);
    }
    await until(() => heard.length >= 120);
    expect(heard).toEqual(Array.from({ length: 120 }, (_, n) => n));
    expect(client.errors).toEqual([]);
  });

  it("tells who sent what when the server is gone with the session, and joins the rooms again", async () => {
    const mortal = await RealServer.start();
    const client = make({ url: mortal.url, fallbackTypes: [] });
    await client.connect();
    await client.joinRoom("again", { name: "Ada" });
    await mortal.kill();
    await until(() => !client.isConnected);
    const queued = client.request("echo", "queued while offline");
    const reborn = await mortal.again();
    try {
      expect(await queued).toBe("queued while offline");
      await until(() => client.isConnected);
      const other = make({ url: reborn.url });
      await other.connect();
      await until(() => client.getConnectionInfo().rooms.includes("again"));
      expect((await other.joinRoom("again")).members).toBe(2);
      const { who } = await other.request<{ who: { name: string }[] }>("room:members", { room: "again" });
      expect(who.map(({ name }) => name)).toEqual(["Ada"]);
    } finally {
      await client.close();
      await reborn.kill();
    }
  });

  it.each(["websocket", "sse"] as const)(
    "is back in its rooms before what waits, from the first hole on, nothing twice, over %s",
    async (type) => {
      const histories = ["kept:*", "quiet:*"].map((rooms) => `rooms.options."${rooms}".history=1000`);
      const forgetful = await RealServer.start(
        0,
        "session_ttl=0.3",
        ...histories,
        `rooms.options."quiet:*".echo=false`,
      );
      const network = await Network.start(forgetful.port);
      const [ann, bob] = [make({ ...only(type), url: network.url }), make({ url: forgetful.url })];
      const rooms = ["kept:1", "kept:2", "quiet:1"];
      const heard = { ann: [] as unknown[], bob: [] as unknown[] };
      ann.subscribe("*", ({ room, payload }) => heard.ann.push([room, payload]));
      bob.subscribe("*", ({ room, payload }) => heard.bob.push([room, payload]));
      try {
        for (const client of [ann, bob]) {
          await client.connect();
          for (const room of rooms) await client.joinRoom(room);
        }
        const due = { ann: [] as unknown[], bob: [] as unknown[] };
        for (let round = 0; round < 3; round++) {
          const { sessionId } = ann.getConnectionInfo();
          // What is not confirmed by now would have an unknown outcome.
          await until(() => ann.getConnectionInfo().counters.confirmed === ann.getConnectionInfo().counters.sent);
          for (const path of ["ws", "sse", "poll", "send"]) network.blocked.add(`/rt/${path}`);
          network.cut();
          await until(() => !ann.isConnected);
          const members = async () =>
            (await bob.request<{ members: number }>("room:members", { room: "kept:1" })).members;
          while ((await members()) > 1) await new Promise((done) => setTimeout(done, 20));
          for (let n = 0; n < 12; n++) {
            const room = rooms[n % 3] as string;
            const [up, down] = [`up ${round} ${n}`, `down ${round} ${n}`];
            await ann.sendToRoom(room, "say", up, { priority: "critical" });
            await bob.sendToRoom(room, "say", down);
            due.bob.push([room, up]);
            due.ann.push([room, down]);
            if (room === "quiet:1") continue;
            due.ann.push([room, up]);
            due.bob.push([room, down]);
          }
          network.blocked.clear();
          await until(() => heard.ann.length >= due.ann.length && heard.bob.length >= due.bob.length);
          expect(ann.getConnectionInfo().sessionId).not.toBe(sessionId);
        }
        // What came twice would have come before the answer to this.
        await Promise.all([ann.request("echo", 1), bob.request("echo", 1)]);
        for (const who of ["ann", "bob"] as const) expect(heard[who].sort()).toEqual(due[who].sort());
        expect([ann.errors, ann.gaps, bob.errors, bob.gaps]).toEqual([[], [], [], []]);
      } finally {
        await Promise.all([ann.close(), bob.close()]);
        network.stop();
        await forgetful.kill();
      }
    },
  );

  it("fails a request as of unknown outcome when its session is gone, unless it may run twice", async () => {
    const mortal = await RealServer.start();
    const client = make({ url: mortal.url, fallbackTypes: [] });
    await client.connect();
    const asked = [client.request("echo", 1), client.request("echo", 2, { idempotent: true })];
    const settled = Promise.allSettled(asked);
    await Promise.resolve();
    await mortal.kill();
    const reborn = await mortal.again();
    try {
      const [first, second] = await settled;
      // The reply may have been quicker than the kill.
      if (first?.status === "rejected") expect(first.reason).toBeInstanceOf(UnknownOutcome);
      expect(second).toEqual({ status: "fulfilled", value: 2 });
    } finally {
      await client.close();
      await reborn.kill();
    }
  });

  it("is suspended after so many failures, and connects when it is asked to", async () => {
    const mortal = await RealServer.start();
    const client = make({ url: mortal.url, maxReconnectAttempts: 1, timing: { suspendedDelay: 60_000 } });
    await client.connect();
    await mortal.kill();
    await until(() => client.getConnectionInfo().state === "suspended");
    expect(client.errors.at(-1)).toMatchObject({ code: "suspended" });
    const reborn = await mortal.again();
    try {
      await client.connect();
      expect(await client.request("echo", 1)).toBe(1);
    } finally {
      await client.close();
      await reborn.kill();
    }
  });

  it.each(TRANSPORTS)("asks for another token when the last one has expired, over %s", async (type) => {
    const guarded = await RealServer.program("tokens.py");
    const tokens: number[] = [];
    const token = async () => `ann:${tokens[tokens.push(Date.now() / 1000 + 0.5) - 1]}`;
    const client = make({ ...only(type), url: guarded.url, authentication: { token } });
    await client.connect();
    const { sessionId } = client.getConnectionInfo();
    await until(() => tokens.length >= 3);
    expect(await client.request("echo", "still there")).toBe("still there");
    expect(client.getConnectionInfo()).toMatchObject({ sessionId, resumed: true });
    expect(client.errors).toEqual([]);
    await client.close();
    await guarded.kill();
  });

  it("resumes from a store after a reload, and a copy that comes too late does not steal it", async () => {
    const store = memoryStore();
    const { kept } = store;
    const first = make({ resume: store });
    await first.connect();
    await first.joinRoom("kept");
    expect(kept.size).toBe(0);
    const { sessionId } = first.getConnectionInfo();
    // What `pagehide` does in a page.
    const line = (first as unknown as { _session: { line: Record<string, unknown> } })._session.line;
    const { session, secret, attach } = line;
    kept.set(`rtcore:session:${proxy.url}`, JSON.stringify({ session, secret, attach, frozen: false }));
    const second = make({ resume: store });
    await second.connect();
    expect(second.getConnectionInfo()).toMatchObject({ sessionId, rooms: [] });
    const heard: number[] = [];
    second.subscribe("n", (message) => heard.push(message.payload));
    const writer = make();
    await writer.connect();
    await writer.joinRoom("kept");
    await writer.sendToRoom("kept", "n", 1);
    await until(() => heard.length === 1);
    await until(() => first.getConnectionInfo().state === "stopped");
    expect(first.errors.at(-1)).toMatchObject({ code: "superseded" });
    const third = make({ resume: store });
    await third.connect();
    expect(third.getConnectionInfo().sessionId).not.toBe(sessionId);
    expect(second.isConnected).toBe(true);
  });

  it("works where there is no WebSocket", async () => {
    const client = make({ webSocket: null });
    await client.connect();
    expect(client.getConnectionInfo().connectionType).toBe("sse");
  });
});

describe("messages", () => {
  it("are batched where that was agreed on", async () => {
    const client = make({ enableBatching: true, batchSize: 5, batchInterval: 10 });
    await client.connect();
    const answers = await Promise.all(Array.from({ length: 12 }, (_, n) => client.request("echo", n)));
    expect(answers).toEqual(Array.from({ length: 12 }, (_, n) => n));
  });

  it("come compressed by polls, if they are large", async () => {
    const client = make(only("polling"));
    await client.connect();
    expect(client.getConnectionInfo().compression).toBe("deflate");
    const text = "again and again ".repeat(1000);
    expect(await client.request("echo", { text })).toEqual({ text });
  });

  it("are a stream, too", async () => {
    const client = make();
    await client.connect();
    await client.joinRoom("stream");
    const stream = client.messages("s:*");
    for (let n = 0; n < 3; n++) await client.sendToRoom("stream", "s:n", n);
    const got: number[] = [];
    for await (const message of stream) {
      got.push(message.payload);
      if (got.length === 3) break;
    }
    expect(got).toEqual([0, 1, 2]);
    expect(client.getConnectionInfo().subscriptions).toEqual([]);
  });

  it("that are larger than the server takes are refused before they leave", async () => {
    const client = make();
    await client.connect();
    await expect(client.send("big", "x".repeat(1_100_000))).rejects.toMatchObject({ code: "message_too_big" });
    expect(await client.request("echo", "x".repeat(900_000))).toHaveLength(900_000);
  });

  it("that JSON cannot express are refused with a TypeError", async () => {
    const client = make();
    await client.connect();
    await expect(client.send("bad", new Map())).rejects.toBeInstanceOf(TypeError);
  });

  it("are cancelled with their signal", async () => {
    const client = make();
    await client.connect();
    const abort = new AbortController();
    const asked = client.request("echo", 1, { signal: abort.signal });
    abort.abort(new Error("enough"));
    await expect(asked).rejects.toThrow("enough");
  });
});
