/** What `send`, `request` and their options promise, on a network that the test plays. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NotConnected, QueueFull, RequestError, TimeoutError, UnknownOutcome } from "../src/index.js";
import { FakeNetwork, record, settled } from "./support/fake.js";

let network: FakeNetwork;

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
});
afterEach(() => void vi.useRealTimers());

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
/** What becomes of a promise, as far as it is known now. */
const fate = (promise: Promise<unknown>) => {
  const found: { is: unknown } = { is: "pending" };
  promise.then(
    (value) => (found.is = value ?? "done"),
    (error) => (found.is = error),
  );
  return found;
};

describe("send", () => {
  it("gives everything that was said of a message, and nothing that was not", async () => {
    const client = await network.connected();
    await client.send("a", { x: 1 });
    await client.send("b", null, { priority: "high", room: "r", version: 2, trace: "00-aa-bb-01" });
    await client.send("c");
    await client.sendToRoom("lobby", "d", "hi", { priority: "low" });
    expect(network.last.messages()).toEqual([
      { type: "a", payload: { x: 1 } },
      { type: "b", priority: "high", room: "r", version: 2, trace: "00-aa-bb-01", payload: null },
      { type: "c" },
      { type: "d", room: "lobby", priority: "low", payload: "hi" },
    ]);
    await client.close();
  });

  it("resolves when it has left; with confirm, when the server has it", async () => {
    const client = await network.connected();
    const [left, confirmed] = [fate(client.send("a", 1)), fate(client.send("b", 2, { confirm: true }))];
    await settled();
    expect([left.is, confirmed.is]).toEqual(["done", "pending"]);
    network.last.say(["ack", { n: 2 }]);
    await settled();
    expect(confirmed.is).toBe("done");
    expect(client.getConnectionInfo().counters).toMatchObject({ sent: 2, confirmed: 2 });
    await client.close();
  });

  it("is refused before there was anything to connect to", async () => {
    const client = network.client();
    await expect(client.send("a", 1)).rejects.toBeInstanceOf(NotConnected);
    await expect(client.request("a", 1)).rejects.toThrow("not_connected: the client is idle");
  });

  it("queues from the moment in which connect is called", async () => {
    const client = network.client();
    void client.connect();
    const queued = fate(client.send("early", 1));
    await settled();
    expect([queued.is, client.getConnectionInfo().counters.queued]).toEqual(["done", 1]);
    network.last.welcome();
    expect(network.last.messages("early")).toHaveLength(1);
    await client.close();
  });

  it("gives up when there is no room in time, and then it was not sent", async () => {
    const client = await network.connected({ limits: { window: 1 } });
    await client.send("a", 1);
    const waiting = fate(client.send("b", 2, { timeout: 400 }));
    await pass(400);
    expect(waiting.is).toBeInstanceOf(TimeoutError);
    expect((waiting.is as Error).message).toBe("timeout: b: nothing within 400 ms; it was not sent");
    network.last.say(["ack", { n: 1 }]);
    await settled();
    expect(network.last.messages()).toHaveLength(1);
    await client.close();
  });

  it("gives up when it is not confirmed in time, and says that it may have run", async () => {
    const client = await network.connected();
    const waiting = fate(client.send("a", 1, { confirm: true, timeout: 400 }));
    await pass(400);
    expect((waiting.is as Error).message).toMatch(/it may have run$/);
    await client.close();
  });

  it("may wait for ever", async () => {
    const client = await network.connected();
    const waiting = fate(client.send("a", 1, { confirm: true, timeout: Number.POSITIVE_INFINITY }));
    network.last.say(["pong", { t: 1 }]);
    await pass(20_000);
    expect(waiting.is).toBe("pending");
    network.last.say(["ack", { n: 1 }]);
    await settled();
    expect(waiting.is).toBe("done");
    await client.close();
  });

  it("is told when the server refuses a message that has no id, by its place in the count", async () => {
    const client = await network.connected();
    const told = record(client);
    const [first, second] = [
      fate(client.send("a", 1, { confirm: true })),
      fate(client.send("b", 2, { confirm: true })),
    ];
    await settled();
    network.last.say(
      { type: "error", payload: { code: "unknown_type", reason: "no b here", n: 2 } },
      { type: "error", payload: { code: "rate_limited", reason: "who?", n: 40 } },
      ["ack", { n: 2 }],
    );
    await settled();
    expect([first.is, second.is]).toEqual(["done", expect.any(RequestError)]);
    expect(told.error).toEqual([expect.objectContaining({ code: "rate_limited" })]);
    await client.close();
  });

  it("is an event when nobody waits to hear that it was refused", async () => {
    const client = await network.connected();
    const told = record(client);
    await client.send("a", 1);
    network.last.say({ type: "error", payload: { code: "unknown_type", reason: "no a here", n: 1 } });
    expect(told.error).toEqual([expect.objectContaining({ code: "unknown_type", reason: "no a here" })]);
    await client.close();
  });

  it("fails with QueueFull at once, if it may not wait for room", async () => {
    const client = await network.connected({ limits: { queue: 2 } });
    network.last.drop();
    await settled();
    const now = { timeout: 0 };
    await client.send("a", 1, now);
    await client.send("b", 2, now);
    await expect(client.send("c", 3, now)).rejects.toBeInstanceOf(QueueFull);
    await client.send("d", 4, { priority: "critical", timeout: 0 });
    await pass(1000);
    network.last.welcome();
    expect(network.last.messages().map(({ type }) => type)).toEqual(["d", "b"]);
    await client.close();
  });

  it("awaited in a loop is as quick as the queue has room, also while there is no link", async () => {
    const client = await network.connected({ limits: { queue: 10, window: 20 }, maxReconnectAttempts: 1000 });
    network.last.drop();
    await settled();
    let sent = 0;
    const all = (async () => {
      for (; sent < 100; sent++) await client.send("n", sent, { timeout: 60_000 });
    })();
    await pass(8000);
    expect(sent).toBe(10);
    network.last.welcome();
    for (let n = 0; n < 20; n++) {
      network.last.say(["ack", { n: network.last.messages("n").length }]);
      await settled();
    }
    await all;
    expect(network.last.messages("n").map(({ payload }) => payload)).toEqual(Array.from({ length: 100 }, (_, n) => n));
    await client.close();
  });

  it("gives up when there is no room in time, also while there is no link", async () => {
    const client = await network.connected({ limits: { queue: 1 } });
    network.last.drop();
    await settled();
    await client.send("a", 1);
    const waiting = fate(client.send("b", 2, { timeout: 400 }));
    await pass(399);
    expect(waiting.is).toBe("pending");
    await pass(1);
    expect(waiting.is).toBeInstanceOf(TimeoutError);
    expect(client.getConnectionInfo().counters.queued).toBe(1);
    await client.close();
  });

  const half = "\u{1F600}".slice(0, 1);

  it.each([
    ["type", "", undefined],
    ["type", "x".repeat(129), undefined],
    ["type", half, undefined],
    ["type", 7, undefined],
    ["room", "n", { room: "x".repeat(257) }],
    ["room", "n", { room: half }],
    ["trace", "n", { trace: half }],
    ["version", "n", { version: -1 }],
    ["version", "n", { version: 0.5 }],
    ["priority", "n", { priority: "urgent" }],
  ])("refuses a %s that no server takes, and says so: %j, %j", async (field, type, options) => {
    const client = await network.connected();
    const before = network.last.frames.length;
    for (const said of [
      client.send(type as string, 1, options as never),
      client.request(type as string, 1, options as never),
    ])
      await expect(said).rejects.toThrow(new RegExp(`^${field}: expected .*, given `));
    await expect(client.send(type as string, 1, options as never)).rejects.toBeInstanceOf(TypeError);
    await settled();
    expect(network.last.frames.length).toBe(before);
    await client.close();
  });

  it("counts characters as a server does: one outside of the first plane is one", async () => {
    const client = await network.connected();
    await client.send("\u{1F600}".repeat(128), 1, { room: "\u{1F600}".repeat(256) });
    await expect(client.send("\u{1F600}".repeat(129), 1)).rejects.toThrow(/^type: expected text of 1 to 128/);
    expect(network.last.messages()).toHaveLength(1);
    network.last.say({ type: "\u{1F600}".repeat(128) });
    expect(client.getConnectionInfo().counters.received).toBe(1);
    await client.close();
  });

  it("does not let requests that were given up fill the queue", async () => {
    const client = await network.connected({ limits: { queue: 2 }, maxReconnectAttempts: 1000 });
    network.last.drop();
    await settled();
    for (let n = 0; n < 10; n++) {
      const given = fate(client.request("poll", n, { timeout: 100 }));
      await pass(100);
      expect(given.is).toBeInstanceOf(TimeoutError);
    }
    expect(client.getConnectionInfo().counters.queued).toBe(0);
    await client.close();
  });

  it("knows no outcome, when the session is gone", async () => {
    const client = await network.connected();
    const told = record(client);
    const confirm = fate(client.send("a", 1, { confirm: true }));
    const again = fate(client.send("b", 2, { confirm: true, idempotent: true }));
    await client.send("c", 3);
    network.last.drop();
    await pass(1000);
    network.last.welcome({ session: "s2", resumed: false, reason: "expired", rooms: false });
    expect(network.last.messages().map(({ type }) => type)).toEqual(["b"]);
    network.last.say(["ack", { n: 1 }]);
    await settled();
    expect([confirm.is, again.is]).toEqual([expect.any(UnknownOutcome), "done"]);
    expect(told.error).toEqual([expect.objectContaining({ code: "unknown_outcome" })]);
    await client.close();
  });

  it("batches, where both agree to it", async () => {
    const batching = { enableBatching: true, batchSize: 3, batchInterval: 50 };
    const client = await network.connected(batching, { batch: true });
    expect(network.last.hello.batch).toBe(true);
    const before = network.last.frames.length;
    for (let n = 0; n < 4; n++) void client.send("n", n);
    await pass(50);
    expect(network.last.frames.slice(before).map((frame) => frame.split("\n").length)).toEqual([3, 1]);
    const alone = await network.connected(batching, { batch: false });
    void alone.send("n", 0);
    await settled();
    expect(network.last.messages("n")).toHaveLength(1);
    await Promise.all([client.close(), alone.close()]);
  });
});

describe("request", () => {
  it("is told when it is refused by its place, though it was confirmed before", async () => {
    const client = await network.connected();
    const refused = fate(client.request("a", 1));
    await settled();
    network.last.say(["ack", { n: 1 }], { type: "error", payload: { code: "undecodable", reason: "no", n: 1 } });
    await settled();
    expect(refused.is).toMatchObject({ code: "undecodable" });
    await client.close();
  });

  const asked = () => network.last.messages().at(-1) as { id: string };

  it("resolves with the payload of the reply, or rejects with the error", async () => {
    const client = await network.connected();
    const [good, bad] = [client.request("a", 1), expect(client.request("b", 2)).rejects.toBeInstanceOf(RequestError)];
    await settled();
    const [first, second] = network.last.messages() as { id: string }[];
    network.last.say(
      { type: "error", re: second?.id, payload: { code: "bad_payload", reason: "no" } },
      { type: "reply", re: first?.id, payload: { sum: 3 } },
    );
    expect(await good).toEqual({ sum: 3 });
    await bad;
    await client.close();
  });

  it("survives a cut: the reply comes by the next connection", async () => {
    const client = await network.connected();
    const request = client.request("a", 1);
    await settled();
    const { id } = asked();
    network.last.drop();
    await pass(1000);
    network.last.welcome({ received: 1 }, { type: "reply", re: id, payload: "late" });
    expect(await request).toBe("late");
    expect(network.last.messages()).toEqual([]);
    await client.close();
  });

  it("tells the server when its time is up, or its signal is aborted", async () => {
    const client = await network.connected();
    const late = fate(client.request("a", 1, { timeout: 300 }));
    await pass(300);
    const abort = new AbortController();
    const aborted = fate(client.request("b", 2, { signal: abort.signal }));
    await settled();
    const reason = new Error("the person has gone");
    abort.abort(reason);
    await settled();
    expect([late.is, aborted.is]).toEqual([expect.any(TimeoutError), reason]);
    const ids = network.last.messages().map(({ id }) => id);
    expect(network.last.control("cancel").map(({ id }) => id)).toEqual(ids);
    await client.close();
  });

  it("is never sent with a signal that was aborted before, whatever the reason", async () => {
    const client = await network.connected();
    const abort = new AbortController();
    abort.abort(null);
    await expect(client.request("a", 1, { signal: abort.signal })).rejects.toThrow("aborted");
    await settled();
    expect([network.last.messages(), network.last.control("cancel")]).toEqual([[], []]);
    await client.close();
  });

  it("that was given up: its late answer reaches nobody", async () => {
    const client = await network.connected();
    const heard: unknown[] = [];
    client.subscribe("*", ({ payload }) => heard.push(payload));
    client.on("error", (error) => heard.push(error));
    const late = fate(client.request("a", 1, { timeout: 300 }));
    await settled();
    const { id } = asked();
    await pass(300);
    network.last.say(
      { type: "reply", re: id, payload: "late" },
      { type: "error", re: id, payload: { code: "cancelled" } },
    );
    network.last.say({ type: "pong", re: "another page's", payload: "late" });
    expect([late.is, heard]).toEqual([expect.any(TimeoutError), []]);
    await client.close();
  });

  it("that was given up while offline is cancelled after the resume, and again until it is answered", async () => {
    const client = await network.connected();
    const abort = new AbortController();
    const given = fate(client.request("a", 1, { signal: abort.signal }));
    await settled();
    const { id } = asked();
    network.last.drop();
    abort.abort(new Error("enough"));
    await settled();
    expect(given.is).toEqual(new Error("enough"));
    const cancelled = () => network.last.control("cancel").map((fields) => fields.id);
    await pass(1000);
    // The server has it; its answer is lost with the next link.
    network.last.welcome({ received: 1 });
    expect(cancelled()).toEqual([id]);
    network.last.drop();
    await pass(2000);
    network.last.welcome({ received: 1 }, { type: "error", re: id, payload: { code: "cancelled" } });
    expect(cancelled()).toEqual([id]);
    network.last.drop();
    await pass(4000);
    network.last.welcome({ received: 1 });
    expect(cancelled()).toEqual([]);
    await client.close();
  });

  it("that was given up before the server had it is cancelled again once it has", async () => {
    const client = await network.connected();
    const late = fate(client.request("a", 1, { timeout: 300 }));
    await settled();
    const { id } = asked();
    network.last.drop();
    await pass(1000);
    network.last.welcome({ received: 0 });
    await settled();
    expect(network.last.messages().map((message) => message.id)).toEqual([id]);
    const cancelled = () => network.last.control("cancel").map((fields) => fields.id);
    expect([late.is, cancelled()]).toEqual([expect.any(TimeoutError), [id]]);
    network.last.say(["ack", { n: 1 }]);
    expect(cancelled()).toEqual([id, id]);
    network.last.say(["ack", { n: 1 }]);
    expect(cancelled()).toEqual([id, id]);
    await client.close();
  });

  it("that was given up is not cancelled in another session", async () => {
    const client = await network.connected();
    client.request("a", 1, { timeout: 300 }).catch(() => {});
    await settled();
    network.last.drop();
    await pass(1000);
    network.last.welcome({ session: "s2", resumed: false, reason: "node_lost", received: 0, rooms: false });
    expect(network.last.control("cancel")).toEqual([]);
    await client.close();
  });

  it("has an id that no other client's has", async () => {
    const [one, other] = [await network.connected(), await network.connected()];
    one.request("a").catch(() => {});
    other.request("a").catch(() => {});
    await settled();
    const ids = network.sockets.flatMap((socket) => socket.messages("a").map(({ id }) => id));
    expect(new Set(ids).size).toBe(2);
    await one.close();
    await other.close();
  });
});

describe("what comes", () => {
  it("is an event when it cannot be read; its neighbours are delivered, and it was counted", async () => {
    const client = await network.connected();
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("*", ({ type }) => heard.push(type));
    network.last.onmessage?.({ data: '{"type":"a"}\n{"type":7}\n{"type":"b"}\n{broken' } as never);
    expect(heard).toEqual(["a", "b"]);
    expect((told.error as RequestError[]).map(({ code }) => code)).toEqual(["undecodable", "undecodable"]);
    network.last.drop();
    await pass(1000);
    network.last.open();
    expect(network.last.hello.received).toBe(4);
    await client.close();
  });

  it("is a message if a member sent it, whatever it is called", async () => {
    const client = await network.connected();
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("*", ({ type }) => heard.push(type));
    network.last.say(
      { type: "error", sender: "mallory", payload: {} },
      { type: "gap", sender: "mallory", payload: {} },
    );
    expect([heard, told.error, told.gap]).toEqual([["error", "gap"], [], []]);
    network.last.say({ type: "gap", payload: { reason: "buffer_full", n: 3, room: "lobby" } });
    expect(told.gap).toEqual([{ reason: "buffer_full", n: 3, room: "lobby" }]);
    await client.close();
  });

  it("is answered where an answer is due: a ping, with what it said", async () => {
    const client = await network.connected();
    network.last.say(["ping", { t: "x" }], ["ping", {}], ["something_new", { y: 1 }]);
    expect(network.last.control("pong")).toEqual([{ t: "x" }, {}]);
    await client.close();
  });

  it("is a gap, when a stream is not read", async () => {
    const client = await network.connected({ limits: { stream: 2 } });
    const told = record(client);
    const stream = client.messages("n");
    network.last.say(...[1, 2, 3].map((payload) => ({ type: "n", payload, room: "r" })));
    expect(told.gap).toEqual([{ reason: "buffer_full", n: 1, room: "r" }]);
    expect((await stream.next()).value.payload).toBe(2);
    await client.close();
  });
});
