/** Rooms by themselves: what is asked, and how a new session finds its way back. */

import { beforeEach, describe, expect, it } from "vitest";
import { Events } from "../src/events.js";
import { type Gap, NotConnected, type RealtimeError, RequestError, UnknownOutcome } from "../src/index.js";
import { Rooms } from "../src/rooms.js";

let asked: [string, unknown, { idempotent?: boolean; priority?: string; timeout?: number }][];
let answers: ((payload: { room: string }) => unknown)[];
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
  rooms = new Rooms(async (type, payload, options) => {
    asked.push([type, payload, options]);
    const answer = answers.shift();
    return answer ? answer(payload as { room: string }) : { room: (payload as { room: string }).room, members: 1 };
  }, events);
});

const turn = () => new Promise<void>((done) => setImmediate(done));
const refuse = (error: Error) => () => {
  throw error;
};
const rejoined = () => asked.filter(([, , { priority }]) => priority === "critical").map(([, payload]) => payload);

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
        { room, since: undefined },
        { priority: "critical", timeout: Number.POSITIVE_INFINITY },
      ]),
    );
  });

  it("goes on from the last message that was seen, where a room keeps history", async () => {
    answers.push(({ room }) => ({ room, members: 1, offset: 4, epoch: "e1" }));
    await rooms.join("kept", {});
    await rooms.join("plain", {});
    rooms.saw({ room: "kept", offset: 6, epoch: "e1" });
    rooms.saw({ room: "kept", offset: 5, epoch: "e1" });
    rooms.saw({ room: "plain" });
    rooms.saw({ room: "elsewhere", offset: 1, epoch: "e" });
    rooms.rejoin();
    expect(rejoined()).toEqual([
      { room: "kept", since: { offset: 6, epoch: "e1" } },
      { room: "plain", since: undefined },
    ]);
  });

  it("follows a history that has begun anew", async () => {
    await rooms.join("kept", {});
    rooms.saw({ room: "kept", offset: 600, epoch: "e1" });
    rooms.saw({ room: "kept", offset: 2, epoch: "e2" });
    rooms.rejoin();
    expect(rejoined()).toEqual([{ room: "kept", since: { offset: 2, epoch: "e2" } }]);
  });

  it("tells of a gap where the history no longer has what was missed", async () => {
    await rooms.join("kept", {});
    answers.push(({ room }) => ({ room, members: 1, missed: true }));
    rooms.rejoin();
    await turn();
    expect(gaps).toEqual([{ reason: "history", n: 0, room: "kept" }]);
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

  it("does not forget a room because the session was lost again meanwhile, or the client ended", async () => {
    await rooms.join("a", {});
    await rooms.join("b", {});
    answers.push(refuse(new UnknownOutcome([])), refuse(new NotConnected("closed")));
    rooms.rejoin();
    await turn();
    expect([rooms.names, errors]).toEqual([["a", "b"], []]);
  });

  it("knows the rooms that the page before was in, and their places when it sees them", async () => {
    rooms.restore(["a", "b"]);
    rooms.saw({ room: "a", offset: 3, epoch: "e" });
    rooms.restore(["a"]);
    expect(rooms.names).toEqual(["a", "b"]);
    rooms.rejoin();
    expect(rejoined()[0]).toEqual({ room: "a", since: { offset: 3, epoch: "e" } });
  });
});
