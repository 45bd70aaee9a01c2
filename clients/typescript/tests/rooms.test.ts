/** Rooms by themselves: what is asked, and how a new session finds its way back. */

import { beforeEach, describe, expect, it, vi } from "vitest";
import { Deferred } from "../src/deferred.js";
import { Events } from "../src/events.js";
import { type Gap, Message, NotConnected, type RealtimeError, RequestError, UnknownOutcome } from "../src/index.js";
import { Rooms } from "../src/rooms.js";
import type { MessageFields } from "../src/wire/message.js";

type Payload = { room: string; since?: { offset: number; epoch: string } };

let asked: [string, Payload, { idempotent?: boolean; first?: boolean; timeout?: number }][];
let answers: ((payload: Payload) => unknown)[];
let rooms: Rooms;
let gaps: Gap[];
let errors: RealtimeError[];

beforeEach(() => {
  asked = [];
  answers = [];
  gaps = [];
  errors = [];
  const events = new Events();
  events.on("gap", (gap) => gaps.push(gap));
  events.on("error", (error) => errors.push(error));
  rooms = new Rooms(
    async (type, payload, options) => {
      asked.push([type, payload as Payload, options]);
      const answer = answers.shift();
      return answer ? answer(payload as Payload) : { room: (payload as Payload).room, members: 1 };
    },
    events,
    (gap) => events.emit("gap", gap),
  );
});

const turn = () => new Promise<void>((done) => setImmediate(done));
const refuse = (error: Error) => () => {
  throw error;
};
const rejoined = () => asked.filter(([, , { first }]) => first).map(([, payload]) => payload);
/** Messages of a room come; return whether each is for the application. */
const saw = (
  room: string,
  offsets: number[],
  { type = "chat", epoch = "e1", ...fields }: MessageFields & { type?: string } = {},
) => offsets.map((offset) => rooms.saw(new Message(type, null, { room, offset, epoch, ...fields })));
const stands =
  (offset: number, epoch = "e1") =>
  () => ({ offset, epoch });

describe("a room", () => {
  it("is joined, and the server's answer returned", async () => {
    answers.push(({ room }) => ({ room, members: 3, offset: 9, epoch: "e1", missed: true }));
    expect(await rooms.join("lobby", { history: 20 })).toEqual({
      room: "lobby",
      members: 3,
      offset: 9,
      epoch: "e1",
      missed: true,
    });
    expect(asked).toEqual([["room:join", { room: "lobby", history: 20 }, { idempotent: true }]]);
    expect(rooms.names).toEqual(["lobby"]);
  });

  it("is not joined when the server refuses", async () => {
    answers.push(refuse(new RequestError("room_full")));
    await expect(rooms.join("lobby", {})).rejects.toMatchObject({ code: "room_full" });
    expect(rooms.names).toEqual([]);
  });

  it("that was asked for twice at once is joined by the second answer, whatever the first was", async () => {
    answers.push(refuse(new RequestError("rate_limited")));
    const first = rooms.join("lobby", {});
    const second = rooms.join("lobby", {});
    await expect(first).rejects.toMatchObject({ code: "rate_limited" });
    await second;
    expect(rooms.names).toEqual(["lobby"]);
  });

  it("that was left is not entered by an answer that comes late, and one that was entered again is not left by it", async () => {
    const late = [new Deferred<unknown>(), new Deferred<unknown>()] as const;
    answers.push(
      () => late[0].promise,
      () => ({ left: true }),
      () => late[1].promise,
    );
    const first = rooms.join("lobby", {});
    await rooms.leave("lobby");
    late[0].resolve({ room: "lobby", members: 1 });
    await first;
    expect(rooms.names).toEqual([]);
    const second = rooms.join("lobby", {});
    await rooms.leave("lobby");
    await rooms.join("lobby", {});
    late[1].reject(new RequestError("room_full"));
    await expect(second).rejects.toMatchObject({ code: "room_full" });
    expect(rooms.names).toEqual(["lobby"]);
  });

  it("is left, whether the server knows of it or not", async () => {
    await rooms.join("lobby", {});
    answers.push(
      () => ({ room: "lobby", left: true }),
      () => ({ room: "lobby", left: false }),
      () => null,
    );
    expect(await rooms.leave("lobby")).toBe(true);
    expect(rooms.names).toEqual([]);
    expect(await rooms.leave("lobby")).toBe(false);
    expect(await rooms.leave("lobby")).toBe(false);
  });
});

describe("a new session", () => {
  it("joins every room again, before anything that waits, and as long as it lives", async () => {
    await rooms.join("a", {});
    await rooms.join("b", {});
    rooms.rejoin();
    expect(asked.slice(2)).toEqual(
      ["a", "b"].map((room) => [
        "room:join",
        { room, name: undefined, since: undefined, history: undefined },
        { first: true, timeout: Number.POSITIVE_INFINITY },
      ]),
    );
  });

  it("goes on from the first hole, where a room keeps history, and takes nothing twice", async () => {
    answers.push(stands(3));
    await rooms.join("kept", {});
    await rooms.join("plain", {});
    expect(saw("kept", [4, 5, 8, 9, 12])).toEqual([true, true, true, true, true]);
    expect(rooms.saw(new Message("chat", null, { room: "plain" }))).toBe(true);
    expect(saw("elsewhere", [1, 1])).toEqual([true, true]);
    answers.push(stands(13));
    rooms.rejoin();
    expect(rejoined()).toEqual([
      { room: "kept", since: { offset: 5, epoch: "e1" }, history: 1_000_000 },
      { room: "plain" },
    ]);
    expect(saw("kept", [6, 7, 8, 9, 10, 11, 12, 13])).toEqual([true, true, false, false, true, true, false, true]);
    await turn();
    rooms.rejoin();
    expect(rejoined()[2]?.since).toEqual({ offset: 13, epoch: "e1" });
    expect(gaps).toEqual([]);
  });

  it("asks again from the same place when the session is gone before the answer, and takes nothing twice", async () => {
    answers.push(stands(0));
    await rooms.join("kept", {});
    saw("kept", [1, 4]);
    answers.push(refuse(new UnknownOutcome([])));
    rooms.rejoin();
    expect(saw("kept", [2, 4, 5])).toEqual([true, false, true]);
    await turn();
    rooms.rejoin();
    expect(rejoined().map(({ since }) => since?.offset)).toEqual([1, 2]);
    expect(saw("kept", [3, 4, 5, 6])).toEqual([true, false, false, true]);
  });

  it("counts what stands for others, and what is not for us", async () => {
    answers.push(stands(0));
    await rooms.join("kept", {});
    expect(
      saw("kept", [4], {
        covers: [
          [1, 1],
          [3, 3],
          [9, 7],
        ],
      }),
    ).toEqual([true]);
    expect(saw("kept", [2])).toEqual([true]);
    expect(saw("kept", [5], { type: "room:skip" })).toEqual([false]);
    expect(saw("kept", [6])).toEqual([true]);
    rooms.rejoin();
    expect(rejoined()[0]?.since).toEqual({ offset: 6, epoch: "e1" });
  });

  it("counts what comes before the answer to a join, and in the same turn as that", async () => {
    answers.push(() => {
      saw("kept", [4, 5]);
      queueMicrotask(() => saw("kept", [6, 8]));
      return { offset: 5, epoch: "e1" };
    });
    await rooms.join("kept", { history: 2 });
    rooms.rejoin();
    expect(rejoined()[0]?.since).toEqual({ offset: 6, epoch: "e1" });
  });

  it("does not take a message that overtakes others, right after a join, for all of them", async () => {
    answers.push(() => {
      queueMicrotask(() => saw("kept", [8]));
      return { offset: 5, epoch: "e1" };
    });
    await rooms.join("kept", {});
    rooms.rejoin();
    expect(rejoined()[0]?.since).toEqual({ offset: 5, epoch: "e1" });
  });

  it("follows a history that has begun anew from its beginning", async () => {
    answers.push(stands(600));
    await rooms.join("kept", {});
    saw("kept", [601]);
    rooms.rejoin();
    await turn();
    expect(saw("kept", [2], { epoch: "e2" })).toEqual([true]);
    rooms.rejoin();
    expect(rejoined()[1]?.since).toEqual({ offset: 0, epoch: "e2" });
    expect(saw("kept", [1, 2], { epoch: "e2" })).toEqual([true, false]);
  });

  it("is given what was before it began, if it asks for that, and not what it had", async () => {
    answers.push(stands(5));
    await rooms.join("kept", {});
    expect(saw("kept", [6, 7])).toEqual([true, true]);
    answers.push(() => {
      // With the answer, and before anybody can look at that.
      expect(saw("kept", [4])).toEqual([true]);
      return { offset: 7, epoch: "e1", since: 3 };
    });
    await rooms.join("kept", { history: 4 });
    expect(saw("kept", [4])).toEqual([false]);
    rooms.rejoin();
    expect(rejoined()[0]?.since).toEqual({ offset: 4, epoch: "e1" });
    expect(saw("kept", [5, 6, 7, 8])).toEqual([true, false, false, true]);
  });

  it("is asked for what follows a place that the application names", async () => {
    answers.push(() => ({ offset: 9, epoch: "e1", since: 4 }));
    const place = new Message("chat", null, { room: "kept", offset: 4, epoch: "e1" }) as {
      offset: number;
      epoch: string;
    };
    await rooms.join("kept", { since: place });
    expect(asked[0]?.[1]).toEqual({ room: "kept", since: { offset: 4, epoch: "e1" } });
    expect(saw("kept", [5, 5])).toEqual([true, false]);
  });

  it("is in no room that it was on its way into, and whose join failed", async () => {
    answers.push(() => {
      saw("kept", [4]);
      throw new RequestError("room_full");
    });
    await expect(rooms.join("kept", {})).rejects.toMatchObject({ code: "room_full" });
    rooms.rejoin();
    expect(rejoined()).toEqual([]);
  });

  it("has holes still when it was let in again: some of what it asked for may be overtaken by the answer", async () => {
    answers.push(stands(0));
    await rooms.join("kept", {});
    saw("kept", [1, 3]);
    answers.push(stands(4));
    rooms.rejoin();
    saw("kept", [4]);
    await turn();
    rooms.rejoin();
    expect(rejoined()[1]?.since).toEqual({ offset: 1, epoch: "e1" });
  });

  it("tells of a gap where the history no longer has what was missed", async () => {
    await rooms.join("kept", {});
    answers.push(({ room }) => ({ room, members: 1, missed: true }));
    rooms.rejoin();
    await turn();
    expect(gaps).toEqual([{ reason: "history", n: 0, room: "kept" }]);
  });

  it("goes on from where the history stands, after such a gap", async () => {
    answers.push(stands(0));
    await rooms.join("kept", {});
    saw("kept", [1, 5, 6]);
    answers.push(() => ({ offset: 90, epoch: "e1", missed: true }));
    rooms.rejoin();
    await turn();
    expect(gaps.length).toBe(1);
    rooms.rejoin();
    expect(rejoined()[1]?.since).toEqual({ offset: 90, epoch: "e1" });
  });

  it("forgets a room that refuses it for good, and keeps one that may take it later", async () => {
    await rooms.join("gone", {});
    await rooms.join("full", {});
    answers.push(refuse(new RequestError("forbidden")), refuse(new RequestError("room_full", "", { retry: true })));
    rooms.rejoin();
    await turn();
    expect(rooms.names).toEqual(["full"]);
    expect(errors.map(({ code }) => code)).toEqual(["forbidden", "room_full"]);
  });

  it("asks again when a room can take it later, until it does", async () => {
    vi.useFakeTimers();
    await rooms.join("full", {});
    const full = (retryAfter: number) => refuse(new RequestError("room_full", "", { retry: true, retryAfter }));
    answers.push(full(300), full(500), stands(7));
    rooms.rejoin();
    await vi.advanceTimersByTimeAsync(299);
    expect(rejoined().length).toBe(1);
    await vi.advanceTimersByTimeAsync(501);
    expect(rejoined().length).toBe(3);
    expect([rooms.names, errors.length]).toEqual([["full"], 2]);
    answers.push(full(300));
    rooms.rejoin();
    await vi.advanceTimersByTimeAsync(0);
    await rooms.leave("full");
    await vi.advanceTimersByTimeAsync(1000);
    expect(rejoined().length).toBe(4);
    vi.useRealTimers();
  });

  it("does not forget a room that was joined by hand meanwhile, when the first answer refuses it", async () => {
    await rooms.join("a", {});
    const late = new Deferred<unknown>();
    answers.push(() => late.promise);
    rooms.rejoin();
    await rooms.leave("a");
    await rooms.join("a", {});
    late.reject(new RequestError("forbidden"));
    await turn();
    expect([rooms.names, errors.map(({ code }) => code)]).toEqual([["a"], ["forbidden"]]);
  });

  it("does not forget a room because the session was lost again meanwhile, or the client ended", async () => {
    await rooms.join("a", {});
    await rooms.join("b", {});
    answers.push(refuse(new UnknownOutcome([])), refuse(new NotConnected("closed")));
    rooms.rejoin();
    await turn();
    expect([rooms.names, errors]).toEqual([["a", "b"], []]);
  });
});

describe("a session that goes on without some messages", () => {
  const lost = async (n: number) => {
    await rooms.heal(n, "overflow");
    return gaps.map(({ reason, n, room }) => [reason, n, room]);
  };

  it("asks each history for what it lacks, and tells nobody, if that is all", async () => {
    answers.push(stands(0), stands(0));
    await rooms.join("kept", {});
    await rooms.join("other", {});
    await rooms.join("plain", {});
    saw("kept", [1, 2, 5]);
    answers.push(() => ({ offset: 7, epoch: "e1", since: 2, waiting: 2 }), stands(0));
    expect(await lost(2)).toEqual([]);
    expect(rejoined().map(({ room, since }) => [room, since?.offset])).toEqual([
      ["kept", 2],
      ["other", 0],
    ]);
    expect(saw("kept", [3, 4, 5, 6, 7])).toEqual([true, true, false, true, true]);
  });

  it("tells of what was in no history", async () => {
    answers.push(stands(0));
    await rooms.join("kept", {});
    answers.push(() => ({ offset: 3, epoch: "e1", since: 0 }));
    expect(await lost(5)).toEqual([["overflow", 2, undefined]]);
  });

  it("tells of what a history no longer has as that, and once", async () => {
    answers.push(stands(0));
    await rooms.join("kept", {});
    saw("kept", [3]);
    answers.push(() => ({ offset: 9, epoch: "e1", since: 6, missed: true }));
    expect(await lost(8)).toEqual([["history", 5, "kept"]]);
  });

  it("tells of all, if it is in no room with a history", async () => {
    expect(await lost(4)).toEqual([["overflow", 4, undefined]]);
  });
});

it("a hole that the server gives up is none any more", async () => {
  answers.push(stands(0));
  await rooms.join("kept", {});
  saw("kept", [1, 9]);
  rooms.told({ reason: "history", n: 6, room: "kept", offset: 7, epoch: "e1" });
  saw("kept", [8]);
  rooms.rejoin();
  expect(rejoined()[0]?.since).toEqual({ offset: 9, epoch: "e1" });
  rooms.told({ reason: "buffer_full", n: 6, room: "kept" });
  rooms.told({ reason: "history", n: 6, room: "elsewhere", offset: 7, epoch: "e1" });
});

describe("a membership that the server ends", () => {
  const left = (payload: object) =>
    rooms.saw(new Message("room:left", { room: "lobby", ...payload }, { room: "lobby" }));

  it("is told of, forgotten and not renewed", async () => {
    await rooms.join("lobby", {});
    expect(left({ member: "bob", members: 1 })).toBe(true);
    expect(rooms.names).toEqual(["lobby"]);
    expect(left({ you: true, reason: "off topic" })).toBe(true);
    expect(rooms.names).toEqual([]);
    expect(errors).toMatchObject([{ code: "not_a_member", message: expect.stringContaining("lobby") }]);
    rooms.rejoin();
    await turn();
    expect(rejoined()).toEqual([]);
  });

  it("may be begun again", async () => {
    await rooms.join("lobby", {});
    left({ you: true });
    await rooms.join("lobby", {});
    expect(rooms.names).toEqual(["lobby"]);
  });
});
