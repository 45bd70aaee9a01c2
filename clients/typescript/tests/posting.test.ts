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

/** However long it takes. */
const EVER = { timeout: Number.POSITIVE_INFINITY };
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

  it("that failed is smaller the next time, down to one message, and grows again with those that arrive", async () => {
    const { client, ping } = await polling();
    ping.answer([ack(0)]);
    await pass(0);
    // About 1,000 bytes each.
    for (let n = 0; n < 200; n++) client.send("n", `${n} ${"x".repeat(980)}`, EVER).catch(() => {});
    const counts: number[] = [];
    for (let n = 0; n < 8; n++) {
      const post = await http.next("send");
      expect(said(post).head).toEqual(["send", { ...name, from: 0 }]);
      counts.push(said(post).rest.length);
      post.fail();
      await pass(2000);
    }
    expect(counts).toEqual([60, 29, 14, 6, 2, 1, 1, 1]);
    counts.length = 0;
    for (let sent = 0; sent < 200; ) {
      const post = await http.next("send");
      const { head, rest } = said(post);
      expect(head).toEqual(["send", { ...name, from: sent }]);
      expect(rest[0]).toMatchObject({ payload: expect.stringMatching(`^${sent} `) });
      counts.push(rest.length);
      sent += rest.length;
      post.answer([ack(sent)]);
    }
    expect(Math.max(...counts)).toBeGreaterThan(25);
    expect(counts.every((count, n) => count <= 2 * (counts[n - 1] ?? 1))).toBe(true);
  });

  it("that took long is smaller the next time", async () => {
    const { client, ping } = await polling({}, { heartbeat: { interval: 3600, timeout: 3600 } });
    ping.answer([ack(0)]);
    await pass(0);
    for (let n = 0; n < 120; n++) client.send("n", "x".repeat(980), EVER).catch(() => {});
    const counts: number[] = [];
    for (let sent = 0; counts.length < 3; ) {
      const post = await http.next("send");
      counts.push(said(post).rest.length);
      sent += counts.at(-1) ?? 0;
      await pass(2500);
      post.answer([ack(sent)]);
    }
    expect(counts).toEqual([61, 30, 15]);
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

/** Take a request that waits, if there is one. */
function take(leaf: string): Asked | undefined {
  const place = http.asked.findIndex(({ url }) => url.pathname.endsWith(`/${leaf}`));
  return place < 0 ? undefined : http.asked.splice(place, 1)[0];
}

describe("what something on the way refuses", () => {
  const POISON = "attack";
  const html = { "Content-Type": "text/html" };

  /** Answer each POST as a firewall and a server behind it do; return the bodies that passed, until `done`. */
  async function firewall(refuses: (post: Asked) => number | undefined, done: () => unknown, has = 0) {
    const passed: Fields[] = [];
    for (let n = 0; n < 500 && !done(); n++) {
      await pass(10);
      const asked = take("send");
      if (!asked) continue;
      const status = refuses(asked);
      if (status) {
        asked.answer([], status, html);
        continue;
      }
      const [, { from }] = asked.items[0] as [string, { from: number }];
      const messages = asked.items.filter((item): item is Fields & { type: string } => !Array.isArray(item));
      passed.push(...messages.slice(has - from));
      has = Math.max(has, from + messages.length);
      asked.answer([ack(has)]);
    }
    return passed;
  }
  const body = ({ items }: Asked) => JSON.stringify(items);

  it.each([
    [413, "message_too_big"],
    [403, "blocked"],
    [400, "blocked"],
    [451, "blocked"],
  ])("with %i fails with %s; those before and behind it arrive, in order", async (status, code) => {
    const { client, ping, poll } = await polling();
    const told = record(client);
    ping.answer([ack(0)]);
    await pass(0);
    const outcomes: unknown[] = [];
    for (let n = 0; n < 40; n++) {
      const payload = n === 20 ? POISON : n;
      client.send("n", payload, { confirm: true, ...EVER }).then(
        () => outcomes.push(n),
        (error) => outcomes.push([n, error.code, error.reason]),
      );
    }
    const asked = client.request("ask", POISON, EVER).catch(({ code }) => code);
    const passed = await firewall(
      (post) => (body(post).includes(POISON) ? status : undefined),
      () => outcomes.length === 40,
    );
    const numbers = Array.from({ length: 40 }, (_, n) => n);
    expect(passed.map(({ payload }) => payload).filter((n) => n !== undefined)).toEqual(
      numbers.filter((n) => n !== 20),
    );
    expect(outcomes.filter((one) => typeof one === "number")).toEqual(numbers.filter((n) => n !== 20));
    expect(outcomes.find((one) => typeof one !== "number")).toEqual([
      20,
      code,
      `something on the way: answered with ${status}`,
    ]);
    await firewall(
      (post) => (body(post).includes(POISON) ? status : undefined),
      () => passed.length === -1,
    );
    expect(await asked).toBe(code);
    // What stands in their places is refused by the server, and that is no news.
    poll.answer([
      { type: "error", payload: { code: "undecodable", n: 21 } },
      { type: "error", payload: { code: "undecodable", n: 41 } },
      { type: "error", payload: { code: "unknown_type", n: 7 } },
    ]);
    await pass(0);
    expect([told.disconnect, told.error]).toEqual([[], [expect.objectContaining({ code: "unknown_type" })]]);
  });

  it("is the path itself, if a POST without any message is refused, too: nothing fails, the link does", async () => {
    const { client, ping } = await polling();
    const told = record(client);
    ping.answer([ack(0)]);
    await pass(0);
    const outcomes: unknown[] = [];
    for (let n = 0; n < 3; n++) client.send("n", n, { confirm: true, ...EVER }).catch((error) => outcomes.push(error));
    const passed = await firewall(
      () => 403,
      () => told.disconnect?.length,
    );
    expect([passed, outcomes, told.disconnect]).toEqual([[], [], ["NETWORK_ERROR"]]);
    await pass(1000);
    const hello = await http.next("poll");
    hello.answer([welcomeTo(hello)]);
    const more = await firewall(
      () => undefined,
      () => client.getConnectionInfo().counters.confirmed === 3,
    );
    expect(more.map(({ payload }) => payload)).toEqual([0, 1, 2]);
  });

  it("is a POST that is too large for it, and not its message: that passes in parts", async () => {
    const { client, ping } = await polling({}, { limits: { part: 16_384 } });
    const told = record(client);
    ping.answer([ack(0)]);
    await pass(0);
    const large = `${"y".repeat(20_000)}end`;
    void client.send("large", large, EVER);
    void client.send("small", 1, EVER);
    let item = "";
    let counted = 0;
    for (let n = 0; n < 500 && counted < 2; n++) {
      await pass(10);
      const post = await http.next("send");
      if (body(post).length > 5000) {
        post.answer([], 413, html);
        continue;
      }
      let part: object | undefined;
      for (const said of post.items.slice(1)) {
        if (!Array.isArray(said)) counted++;
        else if (said[0] === "part") {
          const { of, at, size, data } = said[1] as { of: string; at: number; size: number; data: string };
          expect(at).toBeLessThanOrEqual(item.length);
          item = item.slice(0, at) + data;
          part = { of, at: item.length };
          if (item.length === size) counted++;
        }
      }
      post.answer([["ack", { n: counted, ...(counted ? {} : { part }) }]]);
    }
    expect(JSON.parse(item)).toEqual({ type: "large", payload: large });
    expect([counted, told.error, told.disconnect]).toEqual([2, [], []]);
  });

  it("is part of a large message: that fails, half out or whole, and what is behind it goes on", async () => {
    const { client, ping } = await polling({}, { limits: { part: 4096 } });
    const told = record(client);
    ping.answer([ack(0)]);
    await pass(0);
    const outcomes: unknown[] = [];
    const tell = (what: string, said: Promise<void>) =>
      said.then(
        () => outcomes.push(what),
        ({ code }) => outcomes.push([what, code]),
      );
    void tell("first", client.send("first", 1, { confirm: true, ...EVER }));
    void tell(
      "half",
      client.send("half", `${"x".repeat(6000)}${POISON}${"x".repeat(400_000)}`, { confirm: true, ...EVER }),
    );
    void tell("last", client.send("last", `${"x".repeat(6000)}${POISON}`, { confirm: true, ...EVER }));
    void tell("behind", client.send("behind", 1, { confirm: true, ...EVER }));
    let counted = 0;
    const parts: Record<string, number> = {};
    for (let n = 0; n < 900 && outcomes.length < 4; n++) {
      await pass(10);
      const post = take("send");
      if (!post) continue;
      if (body(post).includes(POISON)) {
        post.answer([], 403, html);
        continue;
      }
      const [, { from }] = post.items[0] as [string, { from: number }];
      let at = from;
      let part: object | undefined;
      for (const said of post.items.slice(1)) {
        if (!Array.isArray(said)) at++;
        else if (said[0] === "part") {
          const { of, at: begins, size, data } = said[1] as { of: string; at: number; size: number; data: string };
          expect(begins).toBeLessThanOrEqual(parts[of] ?? 0);
          parts[of] = begins + data.length;
          part = parts[of] === size ? undefined : { of, at: parts[of] };
          if (parts[of] === size) at++;
        }
      }
      counted = Math.max(counted, at);
      post.answer([["ack", { n: counted, ...(part && { part }) }]]);
    }
    expect(outcomes).toEqual(["first", ["half", "blocked"], ["last", "blocked"], "behind"]);
    expect([told.disconnect, told.error]).toEqual([[], []]);
  });
});

describe("an answer that is cut", () => {
  const encoder = new TextEncoder();
  /** Answer a poll with chunks, and cut it after them. */
  function cutAfter(poll: Asked, chunks: (string | Uint8Array)[], error = true): void {
    const stream = new ReadableStream<Uint8Array>(
      {
        start(pipe) {
          for (const chunk of chunks) pipe.enqueue(typeof chunk === "string" ? encoder.encode(chunk) : chunk);
          if (!error) pipe.close();
        },
        // What was put into it is read before it breaks.
        pull: (pipe) => pipe.error(new TypeError("terminated")),
      },
      { highWaterMark: 0 },
    );
    poll.respond(new Response(stream));
  }
  const line = (payload: unknown) => `${JSON.stringify({ type: "n", payload })}\n`;

  it("has brought what was whole: the next poll goes on behind that, at once and ever again", async () => {
    const { client, poll } = await polling();
    const told = record(client);
    const heard: unknown[] = [];
    client.subscribe("n", ({ payload }) => heard.push(payload));
    let next = poll;
    for (let n = 0; n < 30; n++) {
      cutAfter(next, [line(n).slice(0, 5), line(n).slice(5), line("never whole").slice(0, 9)]);
      next = await http.next("poll");
      expect(next.items).toEqual([["poll", { ...name, received: n + 1 }]]);
    }
    expect(heard).toEqual(Array.from({ length: 30 }, (_, n) => n));
    expect([told.disconnect, told.error]).toEqual([[], []]);
  });

  it("has brought nothing, if nothing was whole: it is asked again after a pause", async () => {
    const { poll } = await polling();
    cutAfter(poll, [line(1).slice(0, 9)]);
    for (let n = 0; n < 5; n++) await turn();
    expect(http.asked.filter(({ url }) => url.pathname.endsWith("/poll"))).toEqual([]);
    await pass(50);
    expect((await http.next("poll")).items).toEqual([["poll", { ...name, received: 0 }]]);
  });

  it("to a hello has brought the welcome, and polls go on", async () => {
    const client = make("polling");
    const connecting = client.connect();
    const hello = await http.next("poll");
    const heard: unknown[] = [];
    client.subscribe("n", ({ payload }) => heard.push(payload));
    cutAfter(hello, [`${JSON.stringify(welcomeTo(hello))}\n`, line(1), line(2).slice(0, 4)]);
    await connecting;
    expect((await http.next("poll")).items).toEqual([["poll", { ...name, received: 1 }]]);
    expect(heard).toEqual([1]);
  });

  it("has brought what could be undone, if it is compressed", async () => {
    const { client, poll } = await polling({}, { compress: "deflate" });
    const heard: unknown[] = [];
    client.subscribe("n", ({ payload }) => heard.push(payload));
    const { createDeflateRaw, constants } = await import("node:zlib");
    const deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH });
    const chunks: Uint8Array[] = [Uint8Array.of(1)];
    deflate.on("data", (data) => chunks.push(data));
    deflate.write(line(1) + line(2) + line(3).slice(0, 7));
    await new Promise((done) => deflate.once("data", done));
    let pipe: ReadableStreamDefaultController<Uint8Array> | undefined;
    poll.respond(new Response(new ReadableStream<Uint8Array>({ start: (made) => void (pipe = made) })));
    pipe?.enqueue(Buffer.concat(chunks));
    for (let n = 0; n < 2000 && heard.length < 2; n++) await turn();
    pipe?.error(new TypeError("terminated"));
    expect((await http.next("poll")).items).toEqual([["poll", { ...name, received: 2 }]]);
    expect(heard).toEqual([1, 2]);
  });

  it("is a sign of life with each of its pieces", async () => {
    const { client, poll, ping } = await polling(
      { heartbeatInterval: 2000, pingTimeout: 1000 },
      { heartbeat: { interval: 2, timeout: 1 } },
    );
    ping.answer([ack(0)]);
    const told = record(client);
    let pipe: ReadableStreamDefaultController<Uint8Array> | undefined;
    const stream = new ReadableStream<Uint8Array>({ start: (made) => void (pipe = made) });
    poll.respond(new Response(stream));
    const large = line("x".repeat(3000));
    for (let n = 0; n < 30; n++) {
      pipe?.enqueue(encoder.encode(large.slice(n * 100, n * 100 + 100)));
      await pass(300);
      for (const post of http.asked.splice(0)) post.answer([ack(0)]);
    }
    expect([told.disconnect, client.isConnected]).toEqual([[], true]);
    pipe?.enqueue(encoder.encode(large.slice(3000)));
    pipe?.close();
    await pass(0);
    expect(client.getConnectionInfo().counters.received).toBe(1);
  });

  it("is refused, if one item of it is larger than may be", async () => {
    const { client, poll } = await polling({ limits: { frame: 1000 } });
    const told = record(client);
    cutAfter(poll, [line(1), "x".repeat(900), "x".repeat(200)]);
    // What was whole before it has come.
    cutAfter(await http.next("poll"), ["x".repeat(1001)]);
    await pass(0);
    expect([client.getConnectionInfo().counters.received, told.disconnect]).toEqual([1, ["message_too_big"]]);
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
