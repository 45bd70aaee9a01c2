/** Event streams, polls, and the POSTs beside them: what is sent again, and what is not. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ClientOptions, type ConnectionType, RealtimeClient } from "../src/index.js";
import { EventStream } from "../src/transports/sse.js";
import { type Fields, record, type Said } from "./support/fake.js";
import { type Asked, FakeHttp, turn, welcomeTo } from "./support/http.js";

let http: FakeHttp;
const clients: RealtimeClient[] = [];

beforeEach(() => {
  vi.useFakeTimers();
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

function make(type: ConnectionType, options: Partial<ClientOptions> = {}): RealtimeClient {
  const client = new RealtimeClient({
    url: "http://server.test/rt",
    connectionType: type,
    fallbackTypes: [],
    fetch: http.fetch,
    memory: null,
    random: () => 0.5,
    heartbeatInterval: 3_600_000,
    pingTimeout: 3_600_000,
    ...options,
  });
  client.on("error", () => {});
  clients.push(client);
  return client;
}

/** A client that polls; its first poll after the welcome, and its first ping, are waiting. */
async function polling(options: Partial<ClientOptions> = {}, fields: Fields = {}) {
  const client = make("polling", options);
  const connecting = client.connect();
  const hello = await http.next("poll");
  hello.answer([welcomeTo(hello, fields)]);
  await connecting;
  return { client, hello, poll: await http.next("poll"), ping: await http.next("send") };
}

const name = { session: "s1", secret: "secret-1", attach: 1 };
const said = ({ items: [head, ...rest] }: Asked) => ({ head, rest });
const ack = (n: number): Said => ["ack", { n }];

describe("a request", () => {
  it("needs no preflight, keeps its secrets in its body, and has the headers that were asked for", async () => {
    const { hello } = await polling({ authentication: { token: "secret", headers: { "X-API-Key": "key" } } });
    expect(hello.url.href).toBe("http://server.test/rt/poll?codec=json");
    expect(Object.fromEntries(hello.headers)).toEqual({ "content-type": "text/plain", "x-api-key": "key" });
    expect(hello.items[0]).toEqual(["hello", expect.objectContaining({ token: "secret" })]);
  });
});

describe("a poll", () => {
  it("says what was received; its answer is confirmed by the next one", async () => {
    const { client, poll } = await polling();
    const heard: unknown[] = [];
    client.subscribe("*", ({ payload }) => heard.push(payload));
    expect(poll.items).toEqual([["poll", { ...name, received: 0 }]]);
    poll.answer([
      { type: "n", payload: 1 },
      { type: "n", payload: 2 },
    ]);
    expect((await http.next("poll")).items).toEqual([["poll", { ...name, received: 2 }]]);
    expect(heard).toEqual([1, 2]);
  });

  it("whose answer was lost is asked again, and nothing is lost or comes twice", async () => {
    const { client, poll } = await polling();
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("*", ({ payload }) => heard.push(payload));
    poll.answer([{ type: "n", payload: 1 }]);
    (await http.next("poll")).fail();
    await pass(50);
    const again = await http.next("poll");
    expect(again.items).toEqual([["poll", { ...name, received: 1 }]]);
    again.answer([{ type: "n", payload: 2 }]);
    await http.next("poll");
    expect([heard, told.disconnect]).toEqual([[1, 2], []]);
  });

  it("that is empty is followed by another one", async () => {
    const { poll } = await polling();
    poll.answer([]);
    expect((await http.next("poll")).items).toEqual([["poll", { ...name, received: 0 }]]);
  });

  it("needs no acks beside it", async () => {
    const { poll, ping } = await polling();
    ping.answer([ack(0)]);
    poll.answer(Array.from({ length: 60 }, (_, payload) => ({ type: "n", payload })));
    await pass(5000);
    expect(http.asked.map(({ url }) => url.pathname)).toEqual(["/rt/poll"]);
  });

  it("that is refused ends the link, and what the server said goes", async () => {
    const { client, poll } = await polling();
    const told = record(client);
    poll.answer([["error", { code: "unknown_session", reason: "who?" }]], 404);
    await pass(0);
    expect(told.disconnect).toEqual(["unknown_session"]);
    await pass(1000);
    const hello = await http.next("poll");
    expect(hello.items).toEqual([["hello", expect.not.objectContaining({ session: "s1" })]]);
  });

  it("that fails for longer than the heartbeat allows ends the link", async () => {
    const { client, poll } = await polling({}, { heartbeat: { interval: 0.5, timeout: 3 } });
    const told = record(client);
    poll.fail();
    for (let n = 0; n < 40 && !told.disconnect?.length; n++) {
      await pass(200);
      for (const asked of http.asked.splice(0)) asked.fail();
      await pass(0);
    }
    expect(told.disconnect).toEqual(["NETWORK_ERROR"]);
  });
});

describe("a POST", () => {
  it("carries what was said in one turn, after what it is from, and control before messages", async () => {
    const { client, ping } = await polling();
    expect(said(ping)).toEqual({ head: ["send", { ...name, from: 0 }], rest: [["ping", { t: 1 }]] });
    ping.answer([ack(0)]);
    await pass(0);
    void client.send("a", 1);
    void client.send("b", 2);
    const post = await http.next("send");
    expect(said(post)).toEqual({
      head: ["send", { ...name, from: 0 }],
      rest: [
        { type: "a", payload: 1 },
        { type: "b", payload: 2 },
      ],
    });
  });

  it("is one at a time: what is said meanwhile goes into the next one", async () => {
    const { client, ping } = await polling();
    void client.send("a", 1);
    void client.send("b", 2);
    await pass(0);
    expect(http.asked).toEqual([]);
    ping.answer([ack(0)]);
    const post = await http.next("send");
    void client.send("c", 3);
    await pass(0);
    post.answer([ack(2)]);
    expect(said(await http.next("send"))).toEqual({
      head: ["send", { ...name, from: 2 }],
      rest: [{ type: "c", payload: 3 }],
    });
  });

  it("confirms what it brought, by its answer", async () => {
    const { client, ping } = await polling();
    ping.answer([ack(0)]);
    const confirmed = client.send("a", 1, { confirm: true });
    (await http.next("send")).answer([ack(1)]);
    await confirmed;
  });

  it("whose answer was lost is sent again as it was", async () => {
    const { client, ping } = await polling();
    ping.answer([ack(0)]);
    await pass(0);
    void client.send("a", 1);
    const post = await http.next("send");
    post.fail();
    await pass(50);
    const again = await http.next("send");
    expect(again.items).toEqual(post.items);
    again.answer([ack(1)]);
    await pass(0);
    expect(client.getConnectionInfo().counters).toMatchObject({ sent: 1, confirmed: 1 });
  });

  it.each([429, 500, 502, 503])("that a proxy answers with %i is sent again", async (status) => {
    const { client, ping } = await polling();
    ping.answer([ack(0)]);
    await pass(0);
    void client.send("a", 1);
    const post = await http.next("send");
    post.answer([], status);
    await pass(50);
    expect((await http.next("send")).items).toEqual(post.items);
  });

  it("that comes too quickly waits as long as the server says", async () => {
    const { client, ping } = await polling();
    ping.answer([ack(0)]);
    await pass(0);
    void client.send("a", 1);
    (await http.next("send")).answer([["error", { code: "rate_limited", retry_after: 2 }]], 429, {
      "Retry-After": "2",
    });
    await pass(1999);
    expect(http.asked).toEqual([]);
    await pass(1);
    await http.next("send");
  });

  it("goes on from where the server is, when it knows a part already", async () => {
    const { client, ping } = await polling();
    ping.answer([ack(0)]);
    await pass(0);
    for (const n of [0, 1, 2]) void client.send("n", n);
    (await http.next("send")).answer([["error", { code: "gap", details: { expected: 1 } }]], 409);
    expect(said(await http.next("send"))).toEqual({
      head: ["send", { ...name, from: 1 }],
      rest: [
        { type: "n", payload: 1 },
        { type: "n", payload: 2 },
      ],
    });
  });

  it("ends the link, when the server lacks what is no longer here", async () => {
    const { client, ping } = await polling();
    const told = record(client);
    ping.answer([ack(0)]);
    await pass(0);
    void client.send("a", 1);
    (await http.next("send")).answer([ack(1)]);
    await pass(0);
    void client.send("b", 2);
    (await http.next("send")).answer([["error", { code: "gap", details: { expected: 0 } }]], 409);
    await pass(0);
    expect(told.disconnect).toEqual(["gap"]);
  });

  it("is no larger than it should be, unless one message is", async () => {
    const { client, ping } = await polling();
    const text = "é".repeat(15_000);
    for (let n = 0; n < 5; n++) void client.send("n", text);
    void client.send("large", "x".repeat(100_000));
    ping.answer([ack(0)]);
    const counts: number[] = [];
    for (let sent = 0; sent < 6; ) {
      const post = await http.next("send");
      counts.push(said(post).rest.length);
      sent += said(post).rest.length;
      post.answer([ack(sent)]);
    }
    expect(counts).toEqual([2, 2, 1, 1]);
  });

  it("that is never answered is given up, and made again", async () => {
    const { ping } = await polling({}, { heartbeat: { interval: 3, timeout: 1 } });
    expect(ping.signal.aborted).toBe(false);
    await pass(4000);
    expect(ping.signal.aborted).toBe(true);
  });

  it("says goodbye with the last one, before the poll ends", async () => {
    const { client, poll, ping } = await polling();
    ping.answer([ack(0)]);
    await pass(0);
    let closed = false;
    void client.close().then(() => (closed = true));
    const bye = await http.next("send");
    expect(said(bye)).toEqual({ head: ["send", { ...name, from: 0 }], rest: [["bye", {}]] });
    expect([closed, poll.signal.aborted]).toEqual([false, false]);
    bye.answer([["close", { code: "bye", number: 4209 }]]);
    await pass(0);
    expect([closed, poll.signal.aborted]).toEqual([true, true]);
  });
});

describe("an event stream", () => {
  const streaming = async () => {
    const client = make("sse");
    const connecting = client.connect();
    const asked = await http.next("sse");
    const stream = asked.stream();
    stream.say(welcomeTo(asked));
    await connecting;
    return { client, stream, asked };
  };

  it("brings frames as they come, and comments as signs of life", async () => {
    const { client, stream } = await streaming();
    const heard: unknown[] = [];
    client.subscribe("*", ({ payload }) => heard.push(payload));
    stream.write('data: {"type":"n",');
    await pass(0);
    expect(heard).toEqual([]);
    stream.write('"payload":1}\n\n: alive\n\n');
    stream.say({ type: "n", payload: 2 }, { type: "n", payload: 3 });
    await pass(0);
    expect(heard).toEqual([1, 2, 3]);
  });

  it("that ends is a loss, and the session goes on with another one", async () => {
    const { client, stream } = await streaming();
    const told = record(client);
    stream.end();
    await pass(0);
    expect(told.disconnect).toEqual(["NETWORK_ERROR"]);
    await pass(1000);
    expect((await http.next("sse")).items).toEqual([["hello", expect.objectContaining({ session: "s1", attach: 2 })]]);
  });

  it("that is none is no answer", async () => {
    const client = make("sse", { maxReconnectAttempts: 0 });
    const failed = expect(client.connect()).rejects.toThrow(/not an event stream/);
    (await http.next("sse")).answer([], 200, { "Content-Type": "text/html" });
    await failed;
  });
});

describe("the text of an event stream", () => {
  const cut = (chunks: string[], maxSize = 1000) => {
    const stream = new EventStream(maxSize);
    return chunks.flatMap((chunk) => stream.feed(chunk));
  };

  it.each([
    ["one event", ["data: a\n\n"], ["a"]],
    ["data without a space", ["data:a\n\n"], ["a"]],
    ["only one space is left out", ["data:  a\n\n"], [" a"]],
    ["lines of data are joined", ["data: a\ndata: b\n\n"], ["a\nb"]],
    [
      "comments, ids, names and unknown fields are left out",
      [": c\nid: 1\nevent: x\nretry: 9\nfoo\ndata: a\n\n"],
      ["a"],
    ],
    ["a block without data is no event", ["id: 1\n\n", ": c\n\n"], []],
    ["CR and CRLF end lines, too", ["data: a\r\rdata: b\r\n\r\n"], ["a", "b"]],
    ["a CRLF that is cut in two is one line end", ["data: a\r", "\ndata: b\r", "\n\r", "\n"], ["a\nb"]],
    ["any cut is harmless", [..."data: ab\n\ndata: c\n\n"], ["ab", "c"]],
    ["what is not complete is not an event", ["data: a\n"], []],
  ])("%s", (_, chunks, events) => {
    expect(cut(chunks)).toEqual(events);
  });

  it("is refused when an event is too large, whole or not", () => {
    expect(() => cut([`data: ${"x".repeat(1001)}\n`])).toThrow(expect.objectContaining({ code: "message_too_big" }));
    expect(() => cut(Array(30).fill(`data: ${"x".repeat(50)}\n`))).toThrow();
    expect(() => cut(["x".repeat(1001)])).toThrow();
  });
});
