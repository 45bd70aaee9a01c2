/** From one transport to another and back: fallback, memory, climbing. */

import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type ClientOptions, NetworkError, type RealtimeClient } from "../src/index.js";
import { FakeNetwork, record } from "./support/fake.js";
import { FakeHttp, turn, welcomeTo } from "./support/http.js";
import { memoryStore } from "./support/stores.js";

let network: FakeNetwork;
let http: FakeHttp;
const clients: RealtimeClient[] = [];

// As after a first connection: what is imported is there at once.
beforeAll(() => Promise.all([import("../src/transports/sse.js"), import("../src/transports/polling.js")]) as never);
beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
  http = new FakeHttp();
});
afterEach(async () => {
  for (const client of clients.splice(0)) {
    void client.close();
    await pass(5000);
  }
  vi.useRealTimers();
});

async function pass(milliseconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  for (let n = 0; n < 5; n++) await turn();
}

function make(options: Partial<ClientOptions> = {}): RealtimeClient {
  const client = network.client({
    fetch: http.fetch,
    fallbackTypes: ["sse", "polling"],
    heartbeatInterval: 3_600_000,
    pingTimeout: 3_600_000,
    ...options,
  });
  clients.push(client);
  return client;
}

/** Let the socket that is opened next break, and answer the event stream that follows. */
async function fallToSse(client: RealtimeClient, fields = {}) {
  const connecting = client.connect();
  await pass(0);
  network.last.drop();
  const asked = await http.next("sse");
  const stream = asked.stream();
  stream.say(welcomeTo(asked, fields));
  await connecting;
  return stream;
}

describe("falling back", () => {
  it("tries what was given, in that order, each with a hello of its own", async () => {
    const client = make();
    void client.connect().catch(() => {});
    await pass(0);
    network.last.open();
    network.last.drop();
    const sse = await http.next("sse");
    expect(sse.items).toEqual([["hello", expect.objectContaining({ attach: 2 })]]);
    sse.answer([], 403);
    const poll = await http.next("poll");
    expect(poll.items).toEqual([["hello", expect.objectContaining({ attach: 3 })]]);
    poll.answer([welcomeTo(poll)]);
    await pass(0);
    expect(client.getConnectionInfo()).toMatchObject({ connectionType: "polling", isConnected: true });
  });

  it.each([
    ["a WebSocket that hangs", () => {}],
    ["a WebSocket that opens and says nothing", () => network.last.open()],
  ])("leaves %s within seconds", async (_, happens) => {
    const client = make({ timing: { open: 2000 } });
    const connecting = client.connect();
    await pass(0);
    happens();
    await pass(2000);
    const asked = await http.next("sse");
    asked.stream().say(welcomeTo(asked));
    await connecting;
    expect(client.getConnectionInfo().connectionType).toBe("sse");
  });

  it("leaves an event stream that a proxy swallows", async () => {
    const client = make({ timing: { open: 2000 } });
    const connecting = client.connect();
    await pass(0);
    network.last.drop();
    const swallowed = await http.next("sse");
    swallowed.stream().write(": hello from a proxy\n\n");
    await pass(2000);
    expect(swallowed.signal.aborted).toBe(true);
    const poll = await http.next("poll");
    poll.answer([welcomeTo(poll)]);
    await connecting;
  });

  it("does not try another transport, when the server itself refuses", async () => {
    const client = make();
    const failed = expect(client.connect()).rejects.toMatchObject({ code: "unauthenticated" });
    await pass(0);
    network.last.drop();
    const asked = await http.next("sse");
    asked.answer([["error", { code: "unauthenticated", reason: "no credentials" }]], 401);
    await failed;
    await pass(60_000);
    expect(http.asked).toEqual([]);
  });

  it("obeys the longest of several pieces of advice", async () => {
    make()
      .connect()
      .catch(() => {});
    await pass(0);
    network.last.drop();
    (await http.next("sse")).answer([], 503, { "Retry-After": "40" });
    (await http.next("poll")).answer([], 503, { "Retry-After": "2" });
    await pass(39_999);
    expect(network.sockets).toHaveLength(1);
    await pass(4001);
    expect(network.sockets).toHaveLength(2);
  });
});

describe("what worked", () => {
  it("is tried first the next time, also by another page", async () => {
    const memory = memoryStore();
    const client = make({ memory });
    const stream = await fallToSse(client);
    stream.end();
    await pass(2000);
    expect(network.sockets).toHaveLength(1);
    expect((await http.next("sse")).items[0]).toEqual(["hello", expect.objectContaining({ session: "s1" })]);
    void make({ memory })
      .connect()
      .catch(() => {});
    await http.next("sse");
    expect(network.sockets).toHaveLength(1);
  });
});

describe("climbing", () => {
  it("tries the better transport after a while, while the other one carries on, and nobody notices", async () => {
    const client = make({ timing: { climb: 10_000 } });
    const stream = await fallToSse(client);
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("n", ({ payload }) => heard.push(payload));
    await pass(10_499);
    expect(network.sockets).toHaveLength(1);
    await pass(1);
    stream.say({ type: "n", payload: 1 });
    await pass(0);
    network.last.open();
    expect(network.last.hello).toMatchObject({ session: "s1", received: 1 });
    // It comes by the old link after the hello, and again by the new one.
    stream.say({ type: "n", payload: 2 });
    await pass(0);
    network.last.welcome({}, { type: "n", payload: 2 }, { type: "n", payload: 3 });
    await pass(0);
    expect(heard).toEqual([1, 2, 3]);
    expect([told.transport, told.disconnect, told.state]).toEqual([["websocket"], [], []]);
    expect(client.getConnectionInfo().counters.duplicates).toBe(1);
  });

  it("waits ever longer, when it fails", async () => {
    const client = make({ timing: { climb: 1000, maxClimb: 4000 } });
    await fallToSse(client);
    const opened: number[] = [];
    for (let now = 0; now < 16_000; now += 50) {
      const before = network.sockets.length;
      await pass(50);
      if (network.sockets.length > before) {
        opened.push(now + 50);
        network.last.drop();
      }
    }
    expect(opened.map((at, n, all) => at - (all[n - 1] ?? 0))).toEqual([1050, 2100, 4200, 4200, 4200]);
    expect(client.isConnected).toBe(true);
  });

  it("does not try while the connection is poor", async () => {
    const client = make({ timing: { climb: 1000 } });
    const stream = await fallToSse(client);
    const ping = await http.next("send");
    expect(ping.items[1]).toEqual(["ping", { t: 1 }]);
    await pass(900);
    ping.answer([["ack", { n: 0 }]]);
    await pass(600);
    stream.say(["pong", { t: 1 }]);
    await pass(0);
    expect(client.getConnectionInfo().quality).toBe("poor");
    const before = network.sockets.length;
    await pass(20_000);
    expect(network.sockets).toHaveLength(before);
  });
});

describe("switching by hand", () => {
  it("moves the session, and prefers that transport from then on", async () => {
    const client = make();
    const connecting = client.connect();
    await pass(0);
    network.last.welcome();
    await connecting;
    const switched = client.switchTransport("polling");
    const poll = await http.next("poll");
    expect(poll.items[0]).toEqual(["hello", expect.objectContaining({ session: "s1", attach: 2 })]);
    poll.answer([welcomeTo(poll)]);
    await switched;
    expect([client.getConnectionInfo().connectionType, network.last.readyState]).toEqual(["polling", 3]);
    await pass(60_000);
    expect(network.sockets).toHaveLength(1);
  });

  it("leaves the session where it is, when it fails", async () => {
    const client = make();
    const connecting = client.connect();
    await pass(0);
    network.last.welcome();
    await connecting;
    const failed = expect(client.switchTransport("sse")).rejects.toBeInstanceOf(NetworkError);
    (await http.next("sse")).answer([], 404);
    await failed;
    expect(client.getConnectionInfo()).toMatchObject({ connectionType: "websocket", isConnected: true });
  });

  it("is given up for another wish", async () => {
    const client = make();
    const connecting = client.connect();
    await pass(0);
    network.last.welcome();
    await connecting;
    void client.switchTransport("sse").catch(() => {});
    await http.next("sse");
    const given = expect(client.switchTransport("polling")).rejects.toThrow("given up");
    const last = client.switchTransport("sse");
    void last.catch(() => {});
    await given;
  });
});

it("after a link that died without a word, begins with what the quality suggests", async () => {
  const client = make({ heartbeatInterval: 2000, pingTimeout: 1000 });
  const connecting = client.connect();
  await pass(0);
  network.last.welcome();
  await connecting;
  await pass(2000);
  await pass(1000);
  const asked = await http.next("poll");
  expect(asked.items[0]).toEqual(["hello", expect.objectContaining({ session: "s1" })]);
});
