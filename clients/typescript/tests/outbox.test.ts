/** The outbox by itself: order, window, pace, size, batches, and what becomes of messages when links and sessions end. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cbor } from "../src/cbor.js";
import { Events } from "../src/events.js";
import { QueueFull, type RealtimeError, RequestError, UnknownOutcome } from "../src/index.js";
import type { ClientOptions } from "../src/options.js";
import { Outbox } from "../src/outbox.js";
import { ANSWERED, CONFIRMED, DEPARTED, Outgoing, type OutgoingOptions, QUEUED } from "../src/outgoing.js";
import { Requests } from "../src/requests.js";
import { block } from "../src/transports/upstream.js";
import { JSON_CODEC } from "../src/wire/format.js";
import type { Welcome } from "../src/wire/hello.js";
import { ClientLine } from "../src/wire/line.js";
import { Message, type Priority } from "../src/wire/message.js";
import { PART, Parts } from "../src/wire/parts.js";
import { FakeLink, settings, welcome } from "./support/link.js";

let line: ClientLine<Outgoing>;
let requests: Requests;
let outbox: Outbox;
let link: FakeLink;
let errors: RealtimeError[];
let batchSize: number;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  outbox.end();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

function make(options: Partial<ClientOptions> = {}): void {
  const all = settings(options);
  batchSize = all.enableBatching ? all.batchSize : 1;
  line = new ClientLine(all.limits.window, all.limits.windowBytes);
  requests = new Requests();
  const events = new Events();
  errors = [];
  events.on("error", (error) => errors.push(error));
  outbox = new Outbox(all, line, requests, events);
  link = new FakeLink();
}

/** A link takes over, with this welcome. */
function attach(fields: Partial<Welcome> = {}, again: Outgoing[] = []): void {
  const made = welcome(fields);
  const speech = {
    codec: link.codec,
    batch: batchSize,
    maxSize: made.limits.max_message_size ?? 1_000_000,
    patience: 1,
  };
  outbox.begin(link, made, speech, again);
  outbox.flush();
}

function say(payload: unknown, fields: OutgoingOptions = {}, isPatient = true): Outgoing {
  const message = new Outgoing("n", payload, fields);
  if (fields.id !== undefined) requests.add(message);
  outbox.form(message, link.codec);
  outbox.submit(message, isPatient);
  return message;
}

/** What becomes of a promise. */
const fate = (promise: Promise<unknown>) =>
  promise.then(
    () => "ok",
    (error) => error,
  );

async function turn(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

describe("with a link", () => {
  it("sends what was said in one turn at once, in order, each counted", async () => {
    make();
    attach();
    const messages = [1, 2, 3].map((n) => say(n));
    expect(link.sent).toEqual([]);
    await turn();
    expect(link.sent).toEqual([{ place: 0, payloads: [1, 2, 3] }]);
    say(4);
    await turn();
    expect(link.sent[1]).toEqual({ place: 3, payloads: [4] });
    expect([line.window.sent, outbox.sent, messages[0]?.stage]).toEqual([4, 4, DEPARTED]);
  });

  it("lets what is urgent overtake what still waits, and nothing that has left", async () => {
    make();
    attach();
    say("first");
    await turn();
    say("normal");
    say("low", { priority: "low" });
    say("critical", { priority: "critical" });
    await turn();
    expect(link.payloads).toEqual(["first", "critical", "normal", "low"]);
  });

  it("sends in slices, and looks in between whether the link is busy", async () => {
    make();
    attach();
    const text = "x".repeat(6000);
    link.taken = () => (link.busy = link.sent.length === 2);
    for (let n = 0; n < 9; n++) say(text);
    await turn();
    expect(link.sent.map(({ payloads }) => payloads.length)).toEqual([3, 3]);
    say("urgent", { priority: "critical" });
    link.busy = false;
    outbox.flush();
    expect(link.sent[2]?.payloads.slice(0, 2)).toEqual(["urgent", text]);
  });

  it("stops at a full window, and goes on when the server has confirmed", async () => {
    make({ limits: { window: 3 } });
    attach();
    const messages = [0, 1, 2, 3, 4].map((n) => say(n));
    await turn();
    expect(link.payloads).toEqual([0, 1, 2]);
    expect(outbox.confirm(2)).toBe(true);
    outbox.flush();
    expect(link.payloads).toEqual([0, 1, 2, 3, 4]);
    expect(messages.map(({ stage }) => stage)).toEqual([CONFIRMED, CONFIRMED, DEPARTED, DEPARTED, DEPARTED]);
    expect([outbox.confirmed, outbox.confirm(9)]).toEqual([2, false]);
  });

  it("stops at a window that is full of bytes", async () => {
    make({ limits: { windowBytes: 1000 } });
    attach();
    for (let n = 0; n < 5; n++) say("x".repeat(400));
    await turn();
    expect(link.payloads).toHaveLength(3);
  });

  it("batches for a moment, up to a size, but not what is critical", async () => {
    make({ enableBatching: true, batchSize: 3, batchInterval: 100 });
    attach();
    say(1);
    await vi.advanceTimersByTimeAsync(99);
    expect(link.sent).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(link.payloads).toEqual([1]);
    for (const n of [2, 3, 4]) say(n);
    await turn();
    expect(link.payloads).toEqual([1, 2, 3, 4]);
    say(5);
    say(6, { priority: "critical" });
    await turn();
    expect(link.payloads.slice(4)).toEqual([6, 5]);
  });
});

describe("the server's pace", () => {
  const limits = { rate_per_second: 10, burst: 4 };

  it("lets so many go at once, and the others one after the other", async () => {
    make();
    attach({ limits });
    for (let n = 0; n < 6; n++) say(n);
    await turn();
    expect(link.payloads).toEqual([0, 1, 2]);
    await vi.advanceTimersByTimeAsync(112);
    expect(link.payloads).toEqual([0, 1, 2, 3]);
    await vi.advanceTimersByTimeAsync(224);
    expect(link.payloads).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it("lets the most urgent go first of what it holds back", async () => {
    make();
    attach({ limits });
    for (let n = 0; n < 4; n++) say(n);
    await turn();
    say("urgent", { priority: "critical" });
    await vi.advanceTimersByTimeAsync(112);
    expect(link.payloads.at(-1)).toBe("urgent");
  });

  it("goes on with a session that goes on, and counts what is sent again", async () => {
    make();
    attach({ limits });
    for (let n = 0; n < 3; n++) say(n);
    await turn();
    outbox.end();
    link = new FakeLink();
    attach({ limits, resumed: true }, line.window.held);
    say("new");
    await vi.advanceTimersByTimeAsync(377);
    expect(link.payloads).toEqual([0, 1, 2]);
    await vi.advanceTimersByTimeAsync(1);
    expect(link.payloads).toEqual([0, 1, 2, "new"]);
  });

  it("is none where the server states no limit, and begins anew with a new session", async () => {
    make();
    attach({ limits });
    for (let n = 0; n < 3; n++) say(n);
    await turn();
    attach({ limits });
    for (let n = 3; n < 6; n++) say(n);
    await turn();
    expect(link.payloads).toHaveLength(6);
    attach();
    for (let n = 0; n < 500; n++) say(n);
    await turn();
    expect(link.payloads).toHaveLength(506);
  });
});

describe("what cannot be sent", () => {
  it("is told to its sender at once", () => {
    make();
    attach({ limits: { max_message_size: 100 } });
    expect(() => say("x".repeat(100))).toThrow(RequestError);
    expect(() => say("x".repeat(100))).toThrow(/message_too_big: 1\d\d bytes, the server takes 100/);
    expect(() => say(new Map())).toThrow(TypeError);
    expect(outbox.queue.length).toBe(0);
  });

  it("is told when it turns out: another server takes less, another codec less", async () => {
    make();
    const large = fate(say("x".repeat(200)).wait(CONFIRMED));
    link.codec = cbor();
    const odd = fate(say(new Uint8Array([1])).wait(CONFIRMED));
    const encode = () => {
      throw new TypeError("no bytes");
    };
    link.codec = {
      ...JSON_CODEC,
      encode: (message) => (typeof message.payload === "string" ? JSON_CODEC : { encode }).encode(message),
    };
    say("fine");
    attach({ limits: { max_message_size: 100 } });
    expect(link.payloads).toEqual(["fine"]);
    expect(await large).toMatchObject({ code: "message_too_big" });
    expect(await odd).toMatchObject({ code: "bad_payload" });
    expect(errors).toEqual([]);
  });

  it("is not the payload as it became later, whatever codec it leaves in at last", () => {
    make();
    const payload = { n: [1], data: Uint8Array.of(1) };
    link.codec = cbor();
    say(payload);
    payload.n.push(2);
    payload.data[0] = 2;
    link.codec = JSON_CODEC;
    say("next");
    attach();
    expect(link.payloads).toEqual([{ n: [1], data: { $bytes: "AQ==" } }, "next"]);
  });

  it("is an event when its sender has gone on", () => {
    make();
    say("x".repeat(200));
    attach({ limits: { max_message_size: 100 } });
    expect(errors).toEqual([expect.objectContaining({ code: "message_too_big" })]);
  });

  it("leaves something in its place, if it was counted already", async () => {
    make();
    attach();
    say("a");
    say("x".repeat(200));
    say("b");
    await turn();
    outbox.end();
    link = new FakeLink();
    attach({ limits: { max_message_size: 100 }, resumed: true }, line.window.held);
    expect(link.sent).toEqual([{ place: 0, payloads: ["a", undefined, "b"] }]);
  });
});

describe("a full queue", () => {
  it("refuses who does not want to wait, unless something less urgent gives its place, and its sender is told", async () => {
    make({ limits: { queue: 2 } });
    const told = fate(say("low", { priority: "low" }).wait(CONFIRMED));
    say("normal");
    expect(() => say("more", { priority: "low" }, false)).toThrow(QueueFull);
    say("high", { priority: "high" }, false);
    expect(await told).toBeInstanceOf(QueueFull);
    say("critical", { priority: "critical" });
    expect(errors).toEqual([expect.objectContaining({ code: "queue_full" })]);
    attach();
    expect(link.payloads).toEqual(["critical", "high"]);
  });

  it("makes senders wait while there is a link, and lets them in, in their order", async () => {
    make({ limits: { queue: 2, window: 1 } });
    attach();
    const messages = [0, 1, 2, 3, 4, 5].map((n) => say(n));
    await turn();
    expect([link.payloads, outbox.queue.length]).toEqual([[0], 2]);
    for (let n = 1; n <= 6; n++) {
      outbox.confirm(n);
      outbox.flush();
      // Who comes when there is room does not overtake those who wait for it.
      if (n === 2) messages.push(say("late"));
    }
    outbox.confirm(7);
    expect(link.payloads).toEqual([0, 1, 2, 3, 4, 5, "late"]);
    expect(messages.every(({ stage }) => stage === CONFIRMED)).toBe(true);
  });

  it("lets what is critical pass those who wait for room", async () => {
    make({ limits: { queue: 2, window: 1 } });
    attach();
    for (let n = 0; n < 5; n++) say(n);
    await turn();
    say("urgent", { priority: "critical" });
    for (let n = 1; n <= 6; n++) {
      outbox.confirm(n);
      outbox.flush();
    }
    expect(link.payloads.slice(0, 2)).toEqual([0, "urgent"]);
  });

  it("lets those wait on who wait for room, when the link ends, and lets them in without one", async () => {
    make({ limits: { queue: 2, window: 1 } });
    attach();
    const messages = [0, 1, 2, 3, 4].map((n) => say(n));
    const told: unknown[] = [];
    for (const message of messages) void fate(message.wait(DEPARTED)).then((is) => told.push(message.payload, is));
    await turn();
    outbox.end();
    await turn();
    expect(told).toEqual([0, "ok", 1, "ok", 2, "ok"]);
    expect([...outbox.queue].map(({ payload }) => payload)).toEqual([1, 2]);
    outbox.withdraw(messages[1] as Outgoing, new Error("enough"));
    await turn();
    // It has room now, and leaves when there is a link: its sender need not wait for that.
    expect(told.slice(6)).toEqual([3, "ok"]);
    link = new FakeLink();
    outbox.arrived(line.confirm(1) ?? []);
    attach({ resumed: true });
    for (const n of [2, 3, 4]) {
      outbox.confirm(n);
      outbox.flush();
    }
    await turn();
    expect([link.payloads, told.slice(8)]).toEqual([
      [2, 3, 4],
      [4, "ok"],
    ]);
  });

  it("has a crowd before it that is bounded, too", async () => {
    make({ limits: { queue: 1 } });
    for (let n = 0; n < 101; n++) say(n);
    expect(() => say("more")).toThrow(QueueFull);
    const low = fate(
      (() => {
        say("high", { priority: "high" });
        return Promise.resolve();
      })(),
    );
    expect(await low).toBe("ok");
    expect(errors).toEqual([expect.objectContaining({ code: "queue_full" })]);
  });
});

describe("what is large", () => {
  let links = 0;
  /** A server that takes parts; a link that takes one piece and is busy then. */
  function attachParts(fields: Partial<Welcome> = {}, again: readonly Outgoing[] = []): void {
    line.parts ??= new Parts();
    const made = { ...fields, limits: { part: PART } };
    // Each link was of use.
    line.parts.welcome(welcome({ ...made, received: links++ }), false);
    link.busy = true;
    attach(made, [...again]);
  }
  /** Let one slice leave, which is a part or what is small. */
  function step(): void {
    link.taken = () => {
      link.busy = true;
    };
    link.busy = false;
    outbox.flush();
  }
  const large = "x".repeat(3 * PART);
  const parts = () => link.payloads.map((one) => (typeof one === "string" ? one : (one as { at: number }).at / PART));

  it("leaves in parts and is counted with the last; what is more urgent passes between two of them", async () => {
    make();
    attachParts();
    const message = say(large);
    const gone = fate(message.wait(DEPARTED));
    say("low", { priority: "low" });
    step();
    // It is on its way: who sent it goes on, and what is still to leave is no longer in the queue.
    expect([await gone, message.stage, line.window.sent, outbox.waiting.length]).toEqual(["ok", QUEUED, 0, 2]);
    say("normal");
    say("critical", { priority: "critical" });
    const high = say("high", { priority: "high" });
    step();
    step();
    expect([high.place, message.place]).toEqual([1, -1]);
    for (let n = 0; n < 5; n++) step();
    expect(parts()).toEqual([0, "critical", "high", 1, 2, 3, "normal", "low"]);
    expect([message.stage, message.place, line.window.sent]).toEqual([DEPARTED, 2, 5]);
    expect(link.sent.map(({ place }) => place)).toEqual([0, 0, 2, 2]);
  });

  it("does not pass another one that is half out, however urgent: two cannot be", () => {
    make();
    attachParts();
    say(large);
    step();
    say(`critical ${large}`, { priority: "critical" });
    for (let n = 0; n < 8; n++) {
      step();
      if (n === 4) line.parts?.acked(undefined);
    }
    expect(parts()).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it("is the first thing of the next link, after what is sent again, from where the server is", () => {
    make();
    attachParts();
    say("counted");
    step();
    say(large);
    for (let n = 0; n < 3; n++) step();
    expect(parts()).toEqual(["counted", 0, 1, 2]);
    const { of } = link.payloads[3] as { of: string };
    outbox.end();
    say("critical", { priority: "critical" });
    link = new FakeLink();
    attachParts({ resumed: true, part: { of, at: 2 * PART } }, line.window.held);
    for (let n = 0; n < 8; n++) step();
    expect(parts()).toEqual(["counted", 2, "critical", 3]);
    expect(link.sent[0]?.place).toBe(0);
    expect(line.window.sent).toBe(3);
  });

  it("was counted, and goes on where the server is: nothing passes it then", () => {
    make();
    attachParts();
    const message = say(large);
    for (let n = 0; n < 4; n++) step();
    expect([message.stage, line.window.held]).toEqual([DEPARTED, [message]]);
    const { of } = link.payloads[0] as { of: string };
    outbox.end();
    link = new FakeLink();
    attachParts({ resumed: true, part: { of, at: PART } }, line.window.held);
    step();
    say("critical", { priority: "critical" });
    for (let n = 0; n < 8; n++) step();
    expect(parts()).toEqual([1, 2, 3, "critical"]);
    expect([line.window.sent, outbox.sent]).toEqual([2, 2]);
  });

  it("that its sender takes back is never whole, and nobody waits for it", () => {
    make();
    attachParts();
    const message = say(large);
    say("next");
    step();
    outbox.withdraw(message, new Error("enough"));
    for (let n = 0; n < 3; n++) step();
    expect(parts()).toEqual([0, "next"]);
    outbox.end();
    const other = say(large);
    link = new FakeLink();
    attachParts({ resumed: true }, line.window.held);
    step();
    step();
    outbox.end();
    outbox.withdraw(other, new Error("enough"));
    link = new FakeLink();
    attachParts({ resumed: true }, line.window.held);
    for (let n = 0; n < 3; n++) step();
    expect(parts()).toEqual(["next"]);
  });

  it("begins anew in a new session, and fails with the client", async () => {
    make();
    attachParts();
    const told = fate(say(large).wait(CONFIRMED));
    step();
    outbox.end();
    outbox.beginAnew(line.window.reset());
    link = new FakeLink();
    attachParts();
    step();
    step();
    expect(parts()).toEqual([0, 1]);
    outbox.fail(new RequestError("gone"));
    for (let n = 0; n < 3; n++) step();
    expect([parts(), await told]).toEqual([[0, 1], expect.any(RequestError)]);
  });

  it("waits when as much is under way as may be; what is urgent and small does not", () => {
    make();
    attachParts();
    say("x".repeat(40 * PART));
    for (let n = 0; n < 20; n++) step();
    expect(parts()).toEqual([0, 1, 2, 3, 4]);
    say("critical", { priority: "critical" });
    step();
    const { of } = link.payloads[0] as { of: string };
    line.parts?.acked({ of, at: 4 * PART });
    for (let n = 0; n < 20; n++) step();
    expect(parts()).toEqual([0, 1, 2, 3, 4, "critical", 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  it("that does not pass fails, and something stands in its place, if it was counted", async () => {
    make();
    attachParts();
    const told = [say(large), say("small")].map((one) => fate(one.wait(CONFIRMED)));
    step();
    const { of } = link.payloads[0] as { of: string };
    const error = new RequestError("blocked");
    expect(block({ outbox, line }, link.codec, error, 0, of)).toBeUndefined();
    step();
    expect([await told[0], parts()]).toEqual([error, [0, "small"]]);
    expect(block({ outbox, line }, link.codec, error, 0)).toBe('{"type":""}');
    expect([await told[1], [...outbox.blanks], errors]).toEqual([error, [0], []]);
    outbox.end();
    link = new FakeLink();
    attachParts({ resumed: true }, line.window.held);
    step();
    expect(link.payloads).toEqual([undefined]);
    const again = say(large);
    for (let n = 0; n < 5; n++) step();
    outbox.end();
    link = new FakeLink();
    outbox.arrived(line.confirm(1) ?? []);
    attachParts({ resumed: true }, line.window.held);
    step();
    const { of: name } = link.payloads[0] as { of: string };
    expect(block({ outbox, line }, link.codec, error, 1, name)).toBe('{"type":""}');
    say("behind");
    for (let n = 0; n < 3; n++) step();
    expect([parts(), again.failure, link.sent.map(({ place }) => place)]).toEqual([[0, "behind"], error, [1, 2]]);
  });
});

describe("a sender that gives up", () => {
  it("takes its message back, and makes room for another", async () => {
    make({ limits: { queue: 2 } });
    const message = say("withdrawn");
    const told = fate(message.wait(DEPARTED));
    say("kept");
    const reason = new Error("enough");
    outbox.withdraw(message, reason);
    say("new");
    expect(await told).toBe(reason);
    attach();
    expect(link.payloads).toEqual(["kept", "new"]);
  });

  it("lets those in who wait for its place", async () => {
    make({ limits: { queue: 1, window: 1 } });
    attach();
    const [, second, third] = [0, 1, 2].map((n) => say(n));
    await turn();
    outbox.withdraw(second as Outgoing, new Error("enough"));
    expect([...outbox.queue]).toEqual([third]);
  });

  it("cannot take back what has left", async () => {
    make();
    attach();
    const message = say("gone");
    await turn();
    outbox.withdraw(message, new Error("enough"));
    expect(line.window.held).toEqual([message]);
  });
});

describe("a link that ends", () => {
  it("lets senders go on, and keeps what they sent for the next one", async () => {
    make({ limits: { window: 1 } });
    attach();
    say(0);
    await turn();
    const waiting = fate(say(1).wait(DEPARTED));
    const confirmed = fate(say(2).wait(CONFIRMED));
    outbox.end();
    expect(await waiting).toBe("ok");
    link = new FakeLink();
    outbox.arrived(line.confirm(1) ?? []);
    attach({ resumed: true });
    outbox.confirm(2);
    outbox.flush();
    outbox.confirm(3);
    expect(link.payloads).toEqual([1, 2]);
    expect(await confirmed).toBe("ok");
  });

  it("sends again what the server lacks, before anything new", async () => {
    make();
    attach();
    for (const n of [0, 1, 2]) say(n);
    await turn();
    outbox.end();
    link = new FakeLink();
    say("new");
    outbox.arrived(line.confirm(1) ?? []);
    attach({ resumed: true }, line.window.held);
    expect(link.sent).toEqual([{ place: 1, payloads: [1, 2, "new"] }]);
  });
});

describe("a session that is gone", () => {
  const lose = () => outbox.beginAnew(line.window.reset());

  it("leaves the outcome of what was sent unknown; what was only queued is sent in the new one", async () => {
    make();
    attach();
    const request = fate(say("asked", { id: "r1" }).wait(ANSWERED));
    const confirm = fate(say("confirm").wait(CONFIRMED));
    say("told nobody");
    await turn();
    outbox.end();
    say("queued", { id: "r2" });
    lose();
    expect(await request).toBeInstanceOf(UnknownOutcome);
    expect(await confirm).toMatchObject({ code: "unknown_outcome", retry: false });
    expect(errors).toEqual([expect.any(UnknownOutcome)]);
    expect((errors[0] as UnknownOutcome).messages.map(({ payload }) => payload)).toEqual(["told nobody"]);
    link = new FakeLink();
    attach();
    expect(link.payloads).toEqual(["queued"]);
  });

  it("knows nothing of a request that was confirmed and not answered, either", async () => {
    make();
    attach();
    const request = fate(say("asked", { id: "r1" }).wait(ANSWERED));
    await turn();
    outbox.confirm(1);
    lose();
    expect(await request).toBeInstanceOf(UnknownOutcome);
  });

  it("is no matter for what may run twice: it is sent again, once", async () => {
    make();
    attach();
    const confirmed = say("confirmed", { id: "r1", idempotent: true });
    const plain = say("plain", { idempotent: true });
    await turn();
    outbox.confirm(1);
    outbox.end();
    lose();
    expect([confirmed.stage, plain.stage]).toEqual([QUEUED, QUEUED]);
    link = new FakeLink();
    attach();
    expect(link.payloads.sort()).toEqual(["confirmed", "plain"]);
    expect(errors).toEqual([]);
  });

  it.each([true, false])(
    "has done what was answered, if not confirmed, whether it may run twice: %s",
    async (idempotent) => {
      make();
      attach();
      const message = say("answered", { id: "r1", idempotent });
      await turn();
      requests.settle(new Message("reply", "yes", { re: "r1" }));
      lose();
      expect([message.stage, outbox.queue.length, errors]).toEqual([ANSWERED, 0, []]);
    },
  );

  it("does not send again what its sender has given up", async () => {
    make();
    attach();
    const message = say("given up", { id: "r1", idempotent: true });
    const told = fate(message.wait(ANSWERED));
    await turn();
    outbox.withdraw(message, new Error("enough"));
    requests.discard(message);
    lose();
    expect([await told, errors]).toEqual([new Error("enough"), []]);
    expect(outbox.queue.length).toBe(0);
  });
});

describe("what is to go first", () => {
  it("leaves before everything that waits, though there is no room for it", () => {
    make({ limits: { queue: 2 } });
    say("urgent", { priority: "critical" });
    say("queued", { priority: "critical" });
    say("joins", { id: "r1", first: true });
    attach();
    expect(link.payloads).toEqual(["joins", "urgent", "queued"]);
    expect(errors).toEqual([]);
  });

  it.each([true, false])("in a session that is gone has lost its sense, had it left: %s", async (left) => {
    make();
    attach();
    link.busy = !left;
    const told = fate(say("joins", { id: "r1", first: true }).wait(ANSWERED));
    outbox.flush();
    outbox.end();
    outbox.beginAnew(line.window.reset());
    expect(await told).toBeInstanceOf(UnknownOutcome);
    link = new FakeLink();
    attach();
    expect([link.payloads, errors]).toEqual([[], []]);
  });

  it("waits on, when the session does", () => {
    make();
    attach();
    link.busy = true;
    say("joins", { id: "r1", first: true });
    say("queued");
    outbox.end();
    link = new FakeLink();
    attach({ resumed: true });
    expect(link.payloads).toEqual(["joins", "queued"]);
  });
});

it("a client that ends lets everything fail, wherever it waits", async () => {
  make({ limits: { queue: 2, window: 1 } });
  attach();
  const priorities: (Priority | undefined)[] = [undefined, undefined, "low", undefined];
  const fates = priorities.map((priority, n) => fate(say(n, { priority }).wait(CONFIRMED)));
  await turn();
  const asked = new Outgoing("confirmed long ago", 1, { id: "r1" });
  requests.add(asked);
  fates.push(fate(asked.wait(ANSWERED)));
  const end = new RequestError("gone");
  outbox.fail(end);
  expect(await Promise.all(fates)).toEqual(Array(5).fill(end));
  expect([outbox.queue.length, line.window.held]).toEqual([0, []]);
});
