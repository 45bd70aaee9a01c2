/** How a client comes back, and when it does not: the rules of docs/wire.md on a network that the test plays. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NetworkError, NotConnected, Refused, Suspended } from "../src/index.js";
import { FakeNetwork, record, type Said, settled } from "./support/fake.js";

let network: FakeNetwork;

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
});
afterEach(() => void vi.useRealTimers());

const hellos = () => network.sockets.map(({ hello }) => hello);
const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

/** Let every new socket break until this time is over; return when each was opened. */
async function breakFor(milliseconds: number): Promise<number[]> {
  const opened: number[] = [];
  for (let now = 0; now < milliseconds; now += 100) {
    const before = network.sockets.length;
    await pass(100);
    for (const socket of network.sockets.slice(before)) {
      opened.push(now + 100);
      socket.drop();
    }
    await settled();
  }
  return opened;
}

describe("a first connection", () => {
  it("says hello and is there with the welcome", async () => {
    const client = network.client();
    const told = record(client);
    const connecting = client.connect();
    expect(client.getConnectionInfo().state).toBe("connecting");
    await settled();
    network.last.welcome({ node: "n7" });
    await connecting;
    const { v, attach, nonce, ...rest } = network.last.hello;
    expect([v, attach, rest]).toEqual([1, 1, { compress: ["deflate"], covers: true, parts: 16 * 1024 * 1024 }]);
    expect((nonce as string).length).toBeGreaterThanOrEqual(16);
    expect(told.connect).toEqual([expect.objectContaining({ sessionId: "s1", node: "n7", isConnected: true })]);
    expect([told.state, told.transport, told.reconnect]).toEqual([["connecting", "connected"], ["websocket"], []]);
    await client.close();
  });

  it("is one, however often it is asked for", async () => {
    const client = network.client();
    const connecting = [client.connect(), client.connect(), client.connect()];
    await settled();
    expect(network.sockets).toHaveLength(1);
    network.last.welcome();
    await Promise.all([...connecting, client.connect()]);
    await client.close();
  });

  it("uses the new connection soon, so that the old secret is worth nothing", async () => {
    const client = await network.connected();
    expect(network.last.items.map((item) => Array.isArray(item) && item[0])).toEqual(["hello", "ping"]);
    await client.close();
  });

  it("is given up when there is no welcome in time, and what comes late is not heard", async () => {
    const client = network.client({ timing: { open: 3000 } });
    const told = record(client);
    void client.connect();
    await settled();
    const late = network.last;
    late.open();
    await pass(3000);
    expect([late.readyState, late.onmessage]).toEqual([3, null]);
    await pass(1000);
    expect(network.sockets).toHaveLength(2);
    network.last.welcome();
    await settled();
    expect(told.connect).toHaveLength(1);
    await client.close();
  });
});

describe("after a loss", () => {
  it("the client comes back with its session, and says how much it has", async () => {
    const client = await network.connected();
    const told = record(client);
    network.last.say({ type: "a" }, { type: "b" });
    await client.send("c", 1);
    network.last.drop();
    expect(client.isConnected).toBe(false);
    await settled();
    expect([client.getConnectionInfo().state, told.disconnect]).toEqual(["reconnecting", ["NETWORK_ERROR"]]);
    await pass(500);
    network.last.open();
    expect(network.last.hello).toMatchObject({
      ...{ attach: 2, session: "s1", secret: "secret-1", received: 2, sent: 1 },
      nonce: expect.not.stringMatching(hellos()[0]?.nonce as string),
    });
    network.last.say([
      "welcome",
      { session: "s1", secret: "x", attach: 2, resumed: true, received: 0, from: 2, rooms: true },
    ]);
    expect(network.last.messages("c")).toHaveLength(1);
    expect(told.reconnect).toEqual([expect.objectContaining({ resumed: true })]);
    await client.close();
  });

  it("what comes twice is skipped, and what never came is told", async () => {
    const client = await network.connected();
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("*", ({ payload }) => heard.push(payload));
    network.last.say({ type: "n", payload: 1 }, { type: "n", payload: 2 });
    network.last.drop();
    await pass(500);
    network.last.welcome({ resumed: false, reason: "overflow", from: 5 }, { type: "n", payload: 6 });
    await settled();
    expect(told.gap).toEqual([{ reason: "overflow", n: 3 }]);
    network.last.drop();
    await pass(1000);
    network.last.open();
    expect(network.last.hello.received).toBe(6);
    expect(heard).toEqual([1, 2, 6]);
    expect(client.getConnectionInfo().counters).toMatchObject({ received: 3, missed: 3 });
    await client.close();
  });

  it("pauses are random within a limit that doubles, and begin anew once a connection was of use", async () => {
    const client = await network.connected({ maxReconnectAttempts: 20, timing: { maxReconnectDelay: 8000 } });
    network.last.drop();
    const gaps = (await breakFor(30_000)).map((at, n, all) => at - (all[n - 1] ?? 0));
    // Half of 2, 4, 8, 8 … seconds, since this client's chance is always one half.
    expect(gaps).toEqual([1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000]);
    await pass(4000);
    network.last.welcome({}, ["pong", { t: 2 }]);
    network.last.say({ type: "news" });
    network.last.drop();
    expect(await breakFor(600)).toEqual([500]);
    await client.close();
  });

  it("a server that welcomes and breaks is not asked without pauses", async () => {
    const client = await network.connected();
    for (const pause of [1000, 2000, 4000]) {
      const before = network.sockets.length;
      network.last.drop();
      await pass(pause - 1);
      expect(network.sockets).toHaveLength(before);
      await pass(1);
      network.last.welcome();
    }
    await client.close();
  });

  it("nothing more happens without autoReconnect", async () => {
    const client = await network.connected({ autoReconnect: false });
    const told = record(client);
    network.last.drop();
    await pass(600_000);
    expect(network.sockets).toHaveLength(1);
    expect([client.getConnectionInfo().state, told.error]).toEqual(["stopped", [expect.any(NetworkError)]]);
  });
});

describe("after too many failures", () => {
  it("a client is suspended: it says so once, and goes on trying on a slow timer", async () => {
    const client = network.client({ maxReconnectAttempts: 2, timing: { suspendedDelay: 10_000 } });
    const told = record(client);
    const connecting = client.connect();
    const failed = expect(connecting).rejects.toBeInstanceOf(Suspended);
    const opened = await breakFor(35_000);
    await failed;
    expect(opened.length).toBe(6);
    expect(told.state).toEqual(["connecting", "suspended"]);
    // It was told to who waited for it.
    expect(told.error).toEqual([]);
    expect(opened.slice(3).map((at, n, all) => at - (all[n - 1] ?? opened[2] ?? 0))).toEqual([10_500, 10_500, 10_500]);
    await client.close();
  });

  it("an event says so when nobody waits, with the last reason", async () => {
    const client = await network.connected({ maxReconnectAttempts: 1 });
    const told = record(client);
    network.last.drop();
    await breakFor(10_000);
    expect(told.error).toEqual([
      expect.objectContaining({ code: "suspended", retry: true, reason: expect.stringContaining("closed with 1006") }),
    ]);
    await client.close();
  });

  it("connect() tries at once, and has its attempts again", async () => {
    const client = await network.connected({ maxReconnectAttempts: 1 });
    network.last.drop();
    await breakFor(10_000);
    expect(client.getConnectionInfo().state).toBe("suspended");
    const before = network.sockets.length;
    const connecting = client.connect();
    await settled();
    expect(network.sockets.length).toBe(before + 1);
    network.last.drop();
    await pass(1000);
    network.last.welcome();
    await connecting;
    expect(client.isConnected).toBe(true);
    await client.close();
  });
});

describe("what the server says goes", () => {
  it("its advice for coming back raises the client's own, and does not lower it", async () => {
    const options = { maxReconnectAttempts: 3, reconnectDelay: 1000 };
    const client = await network.connected(options, { reconnect: { attempts: 5, delay: 4 } });
    network.last.drop();
    const opened = await breakFor(60_000);
    expect(opened.slice(0, 2)).toEqual([4000, 12_000]);
    expect(opened.length).toBe(5);
    const careful = await network.connected(options, { reconnect: { attempts: 1, delay: 0.001 } });
    network.last.drop();
    await breakFor(1100);
    expect(careful.getConnectionInfo().state).toBe("reconnecting");
    await Promise.all([client.close(), careful.close()]);
  });

  it("a retry_after is not undercut", async () => {
    const client = await network.connected();
    network.last.say(["close", { code: "server_full", number: 4003, retry_after: 20 }]);
    await pass(19_999);
    expect(network.sockets).toHaveLength(1);
    await pass(2001);
    expect(network.sockets).toHaveLength(2);
    await client.close();
  });

  it("a retry_after of years is an hour", async () => {
    const client = await network.connected();
    network.last.say(["close", { code: "going_away", number: 4000, retry_after: 1e9 }]);
    await pass(3_600_000 - 1);
    expect(network.sockets).toHaveLength(1);
    await pass(3_600_000 * 0.05 + 1);
    expect(network.sockets).toHaveLength(2);
    await client.close();
  });

  it("4000 to 4099: resume", async () => {
    const client = await network.connected();
    const told = record(client);
    network.last.say(["close", { code: "going_away", number: 4000 }]);
    await pass(1000);
    network.last.open();
    expect([told.disconnect, network.last.hello.session]).toEqual([["going_away"], "s1"]);
    await client.close();
  });

  it("4100 to 4199: afresh, and what was sent has an unknown outcome", async () => {
    const client = await network.connected();
    const request = client.request("ask", 1);
    const failed = expect(request).rejects.toMatchObject({ code: "unknown_outcome" });
    await settled();
    network.last.say(["close", { code: "session_expired", number: 4100 }]);
    await pass(1000);
    network.last.open();
    expect(network.last.hello).not.toHaveProperty("session");
    expect(network.last.hello.attach).toBe(2);
    network.last.say(["welcome", { session: "s2", secret: "x", attach: 2, resumed: false, received: 0, from: 0 }]);
    await failed;
    expect(client.getConnectionInfo().sessionId).toBe("s2");
    await client.close();
  });

  it("4200 to 4299: stop, until somebody connects again, with a new session", async () => {
    const client = await network.connected();
    const told = record(client);
    const stream = client.messages("*");
    const queued = expect(client.request("ask", 1)).rejects.toBeInstanceOf(Refused);
    await settled();
    network.last.say(["close", { code: "kicked", number: 4203, reason: "enough" }]);
    await queued;
    await pass(600_000);
    expect([network.sockets.length, client.getConnectionInfo().state]).toEqual([1, "stopped"]);
    expect(told.error).toEqual([
      expect.objectContaining({ code: "kicked", reason: "enough", next: "stop", retry: false }),
    ]);
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    await expect(client.send("x", 1)).rejects.toBeInstanceOf(NotConnected);
    const again = client.connect();
    await settled();
    network.last.open();
    expect(network.last.hello).not.toHaveProperty("session");
    network.last.welcome();
    await again;
    expect(told.connect).toHaveLength(1);
    await client.close();
  });

  it("a program that connects again from within is not stopped by the end of the last one", async () => {
    const client = await network.connected();
    let again: Promise<void> | undefined;
    client.on("state", (state) => state === "stopped" && (again = client.connect()));
    network.last.say(["close", { code: "kicked", number: 4203 }]);
    await settled();
    network.last.welcome();
    await again;
    expect(client.isConnected).toBe(true);
    await client.close();
  });

  it("a refused hello is told to who connects, and not tried again", async () => {
    const client = network.client();
    const failed = expect(client.connect()).rejects.toMatchObject({ code: "forbidden", next: "stop" });
    await settled();
    network.last.open();
    network.last.say(["close", { code: "forbidden", number: 4202 }]);
    await failed;
    await pass(600_000);
    expect(network.sockets).toHaveLength(1);
  });

  it("a move is followed within its time, and nobody notices", async () => {
    const client = await network.connected();
    const told = record(client);
    network.last.say(["move", { within: 10 }]);
    await pass(4999);
    expect(network.sockets).toHaveLength(1);
    await pass(1);
    const [old] = network.sockets;
    network.last.welcome();
    expect([old?.readyState, client.isConnected]).toEqual([3, true]);
    expect([told.disconnect, told.reconnect, told.state]).toEqual([[], [], []]);
    expect(client.getConnectionInfo().counters.attaches).toBe(2);
    await client.close();
  });
});

describe("superseded", () => {
  it("by a copy of the client: stop", async () => {
    const client = await network.connected();
    network.last.say(["close", { code: "superseded", number: 4200, attach: 9 }]);
    await settled();
    expect(client.getConnectionInfo().state).toBe("stopped");
  });

  it("by its own newer hello: that is no news", async () => {
    const client = await network.connected();
    const told = record(client);
    network.last.say(["move", { within: 0 }]);
    await settled();
    const [old, fresh] = network.sockets;
    fresh?.open();
    old?.say(["close", { code: "superseded", number: 4200, attach: 2 }]);
    await settled();
    fresh?.say([
      "welcome",
      { session: "s1", secret: "x", attach: 2, resumed: true, received: 0, from: 2, rooms: true },
    ]);
    expect([client.isConnected, told.disconnect]).toEqual([true, []]);
    await client.close();
  });
});

describe("a conversation that does not fit", () => {
  it("is begun anew, when the server has more than was sent", async () => {
    const client = await network.connected();
    network.last.drop();
    await pass(1000);
    network.last.welcome({ received: 7 });
    await settled();
    expect(network.last.readyState).toBe(3);
    await pass(4000);
    network.last.open();
    expect(network.last.hello).toMatchObject({ session: "s1", received: null });
    await client.close();
  });

  it("is begun anew, after three links that ended with frames that nobody understands", async () => {
    const client = await network.connected();
    for (let n = 0; n < 3; n++) {
      network.last.say({ type: "of use" });
      network.last.onmessage?.({ data: "[broken" } as never);
      await pass(500);
      network.last.open();
      expect(network.last.hello.received).toBe(n < 2 ? n + 1 : null);
      if (n < 2) network.last.welcome();
    }
    await client.close();
  });

  it.each([
    ["a message", [{ type: "early" }]],
    ["another item", [["ping", {}]]],
    ["a welcome without a secret", [["welcome", { session: "s1", attach: 1, resumed: false, received: 0 }]]],
    ["a page of somebody else's", undefined],
  ])("that begins with %s is no conversation", async (_, said) => {
    const client = network.client();
    void client.connect().catch(() => {});
    await settled();
    network.last.open();
    if (said) network.last.say(...(said as never[]));
    else network.last.onmessage?.({ data: "<!doctype html>" } as never);
    await settled();
    expect([network.last.readyState, client.getConnectionInfo().state]).toEqual([3, "connecting"]);
    await client.close();
  });

  it("ignores a welcome that answers another hello", async () => {
    const client = network.client();
    void client.connect().catch(() => {});
    await settled();
    network.last.welcome({ attach: 7 });
    await settled();
    expect([network.last.readyState, client.isConnected]).toEqual([3, false]);
    await client.close();
  });

  it("ends a link whose server confirms what was never sent", async () => {
    const client = await network.connected();
    const told = record(client);
    network.last.say(["ack", { n: 5 }]);
    await settled();
    expect(told.disconnect).toEqual(["bad_control"]);
    await client.close();
  });
});

describe("an error of connect()", () => {
  it("says what became of each transport, and has the errors of all", async () => {
    const refused = new Error("connect ECONNREFUSED");
    const fetch = async (url: unknown) => {
      if (String(url).includes("/sse")) return new Response("<h1>no</h1>", { status: 403 });
      throw new TypeError("fetch failed", { cause: refused });
    };
    const client = network.client({
      fallbackTypes: ["sse", "polling"],
      fetch: fetch as never,
      maxReconnectAttempts: 0,
    });
    const failed = client.connect().catch((error) => error);
    await settled();
    network.last.onerror?.({ message: "Unexpected server response: 401" } as never);
    network.last.drop();
    const error = await failed;
    expect(error).toBeInstanceOf(Suspended);
    const reasons = [
      "websocket: Unexpected server response: 401",
      "sse: answered with 403",
      "polling: TypeError: fetch failed",
    ];
    expect(error.reason).toBe(`0 more attempts have failed: ${reasons.join("; ")}`);
    expect(error.cause.errors.map(({ reason }: NetworkError) => reason)).toEqual(reasons);
    expect(error.cause.errors[2].cause.cause).toBe(refused);
    await client.close();
  });

  it("that is the server's refusal has those that led to it", async () => {
    const fetch = async () =>
      new Response(JSON.stringify(["error", { code: "forbidden", reason: "not you" }]), { status: 403 });
    const client = network.client({ fallbackTypes: ["polling"], fetch: fetch as never });
    const failed = client.connect().catch((error) => error);
    await settled();
    network.last.drop();
    const error = await failed;
    expect(error).toMatchObject({ code: "forbidden", reason: "not you" });
    expect(error).toBeInstanceOf(Refused);
    expect(error.cause.errors).toEqual([expect.objectContaining({ reason: "websocket: closed with 1006" })]);
    await client.close();
  });
});

describe("a new session under a client that is connected", () => {
  it("is an event, though no loss was one", async () => {
    const client = await network.connected();
    const told = record(client);
    client.probe();
    await pass(2000);
    network.last.welcome({ session: "s2", resumed: false, reason: "node_lost", rooms: false });
    await settled();
    expect(told.disconnect).toEqual([]);
    expect(told.reconnect).toEqual([
      expect.objectContaining({ sessionId: "s2", resumed: false, reason: "node_lost", isConnected: true }),
    ]);
    expect(client.getConnectionInfo().counters.reconnects).toBe(1);
    await client.close();
  });
});

describe("closing", () => {
  it("says what waits, then goodbye, and leaves nothing behind", async () => {
    const client = await network.connected();
    const told = record(client);
    void client.send("last", 1);
    await client.close();
    expect(network.last.items.map((item) => (Array.isArray(item) ? item[0] : item.type))).toEqual([
      ...["hello", "ping"],
      ...["last", "bye"],
    ]);
    expect([told.disconnect, told.state, network.last.readyState]).toEqual([["bye"], ["closed"], 3]);
    expect(vi.getTimerCount()).toBe(0);
    await client.close();
    await expect(client.send("x", 1)).rejects.toBeInstanceOf(NotConnected);
    expect(await client.messages("*").next()).toEqual({ done: true, value: undefined });
  });

  it.each([
    ["while it connects", 0],
    ["while it waits to try again", 300],
  ])("ends a client %s", async (_, after) => {
    const client = network.client();
    const failed = expect(client.connect()).rejects.toBeInstanceOf(NotConnected);
    await settled();
    if (after) network.last.drop();
    await pass(after);
    await client.close();
    await failed;
    await pass(600_000);
    expect([network.sockets.length, vi.getTimerCount()]).toEqual([1, 0]);
  });

  it("ends one that has not begun to connect", async () => {
    const client = network.client();
    const failed = expect(client.connect()).rejects.toBeInstanceOf(NotConnected);
    await client.close();
    await failed;
    await pass(60_000);
    expect(network.sockets).toEqual([]);
  });

  it("waits no longer than it may for what a full window holds back", async () => {
    const client = await network.connected({ limits: { window: 1 }, timing: { close: 500 } });
    void client.send("first", 1);
    const second = expect(client.send("second", 2)).rejects.toBeInstanceOf(NotConnected);
    let closed = false;
    void client.close().then(() => (closed = true));
    await pass(499);
    expect(closed).toBe(false);
    await pass(1);
    await second;
    expect([closed, network.last.control("bye")]).toEqual([true, [{}]]);
  });

  it("calls nobody any more: neither for the rest of a frame, nor for what comes while it says goodbye", async () => {
    const client = await network.connected({ limits: { window: 1 } });
    const heard: unknown[] = [];
    const told = record(client);
    let closing: Promise<void> | undefined;
    client.subscribe("n", ({ payload }) => {
      heard.push(payload);
      if (payload === 2) closing = client.close();
    });
    client.subscribe("*", ({ payload }) => heard.push(`all ${payload}`));
    const stream = client.messages("n");
    void client.send("first", 1);
    void client.send("second", 2);
    await settled();
    const n = (payload: number): Said => ({ type: "n", payload });
    network.last.say(n(1), n(2), n(3));
    network.last.say(n(4), { type: "gap", payload: { reason: "buffer_full", n: 1 } }, ["pong", { t: 1 }]);
    await pass(100);
    network.last.say(n(5), ["ack", { n: 1 }]);
    await settled();
    network.last.say(["ack", { n: 2 }]);
    await settled();
    await closing;
    expect(heard).toEqual([1, "all 1", 2]);
    expect([told.gap, told.quality, told.error, told.disconnect]).toEqual([[], [], [], ["bye"]]);
    expect(network.last.messages().map(({ type }) => type)).toEqual(["first", "second"]);
    // What had come before can still be taken.
    expect([(await stream.next()).value?.payload, await stream.next()]).toEqual([1, { done: true, value: undefined }]);
  });

  it("is no end for ever: connect() begins a new session, with everybody who subscribed", async () => {
    const client = await network.connected();
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("n", ({ payload }) => heard.push(payload));
    const first = network.last;
    first.say({ type: "n", payload: 1 });
    void client.send("last", 1);
    const closing = client.close();
    const again = client.connect();
    await settled();
    await Promise.all([closing, settled()]);
    expect(first.control("bye")).toEqual([{}]);
    expect(network.sockets).toHaveLength(2);
    network.last.open();
    expect(network.last.hello).not.toHaveProperty("session");
    network.last.welcome({ session: "s2", resumed: false, rooms: false });
    await again;
    network.last.say({ type: "n", payload: 2 });
    await client.send("more", 1);
    expect([heard, told.connect?.length, told.reconnect, told.error]).toEqual([[1, 2], 1, [], []]);
    expect(client.getConnectionInfo()).toMatchObject({ state: "connected", sessionId: "s2" });
    network.last.drop();
    await pass(1000);
    expect(network.sockets).toHaveLength(3);
    await client.close();
    await pass(600_000);
    expect([network.sockets.length, vi.getTimerCount()]).toEqual([3, 0]);
  });

  it("ends one that waits for the end of the last close", async () => {
    const client = await network.connected();
    const closing = client.close();
    const refused = expect(client.connect()).rejects.toBeInstanceOf(NotConnected);
    const closed = client.close();
    await settled();
    await Promise.all([closing, closed, refused]);
    await pass(60_000);
    expect([network.sockets.length, client.getConnectionInfo().state]).toEqual([1, "closed"]);
  });

  it("again and again leaves nothing behind", async () => {
    const client = network.client();
    for (let n = 0; n < 5; n++) {
      const connecting = client.connect().catch((error) => error);
      if (n % 2) await settled();
      await client.close();
      expect(await connecting).toBeInstanceOf(NotConnected);
    }
    const connecting = client.connect();
    await settled();
    const { length } = network.sockets;
    network.last.welcome();
    await connecting;
    await client.close();
    expect([network.sockets.length, vi.getTimerCount()]).toEqual([length, 0]);
  });

  it("lets somebody who waits to switch hear of it", async () => {
    const client = await network.connected({ fallbackTypes: ["polling"], fetch: () => new Promise(() => {}) });
    const failed = expect(client.switchTransport("polling")).rejects.toBeInstanceOf(NetworkError);
    await settled();
    await client.close();
    await failed;
  });
});
