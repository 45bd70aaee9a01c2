/**
 * The rooms that the client is in, so that a new session finds its way back into them.
 *
 * A room that keeps history is rejoined from where everything had come, so that what is missing since then comes after
 * all, and nothing twice; where the room no longer has it, a `gap` says so.
 */

import { add, holds, type Ranges } from "./cursor.js";
import { RequestError } from "./errors.js";
import type { Events } from "./events.js";
import { asMap, type Message } from "./wire/message.js";

/** What the server says of a room that was joined. */
export interface Joined {
  room: string;
  members: number;
  /** The newest message, where the room keeps history. */
  offset?: number;
  epoch?: string;
  /** Some of what was asked for is no longer there. */
  missed?: boolean;
}

/** How a room is joined. */
export interface JoinOptions {
  /** So many of its last messages are sent again. */
  history?: number | undefined;
  /** How the other members may see this one: see `room:members`. It stays as it is without one. */
  name?: string | undefined;
}

/** Messages of a history that is too short for us: all that it has. */
const ALL = 1_000_000;

/** A room. */
interface Room {
  /** We are in it, the server has said. Its first messages may come before that; one that refuses us is kept, and harmless. */
  joined?: boolean;
  /** Our name there. */
  name?: string | undefined;
  /** Of its history, if it has one: the life, and what has come of it. */
  epoch?: string;
  came: Ranges;
  /** What had come when we last asked to be let in again: it may be sent again, and is not taken twice. */
  had: Ranges;
}

/** How rooms ask. */
type Ask = (
  type: string,
  payload: unknown,
  options: { idempotent?: boolean; first?: boolean; timeout?: number },
) => Promise<unknown>;

/** The rooms, by name. */
export class Rooms {
  private readonly _rooms = new Map<string, Room>();

  constructor(
    private readonly _ask: Ask,
    private readonly _events: Events,
  ) {}

  /** The rooms that the client is in. */
  get names(): string[] {
    return [...this._rooms.keys()].filter((room) => this._at(room).joined);
  }

  /** Join; return what the server says. */
  async join(room: string, { history, name }: JoinOptions): Promise<Joined> {
    const here = this._at(room);
    // What is asked for comes, also what we had.
    if (history) here.had = [];
    const answer = asMap(await this._ask("room:join", { room, history, name }, { idempotent: true }));
    if (!here.joined) stand(here, answer);
    here.joined = true;
    if (name) here.name = name;
    return answer as unknown as Joined;
  }

  /** Leave; return whether the client was in the room. */
  async leave(room: string): Promise<boolean> {
    this._rooms.delete(room);
    return asMap(await this._ask("room:leave", { room }, { idempotent: true })).left === true;
  }

  /** The session that goes on is in these rooms. */
  restore(rooms: readonly string[]): void {
    for (const room of rooms) this._at(room).joined = true;
  }

  /**
   * Join every room again, in a session that knows of none. All is asked in this turn and before anything that waits: what
   * was sent to a room while there was no link finds its sender a member.
   */
  rejoin(): void {
    for (const room of this.names) void this._rejoin(room, this._at(room));
  }

  /** A message came. Say whether it is for the application: neither a place that is not for us nor one that we had. */
  saw({ type, room = "", offset, epoch, covers = [] }: Message): boolean {
    const here = this._rooms.get(room);
    if (here && offset !== undefined && epoch) {
      for (const [first, last] of [[offset, offset] as const, ...covers]) take(here, epoch, first, last);
      if (holds(here.had, offset)) return false;
    }
    return type !== "room:skip";
  }

  private async _rejoin(room: string, here: Room): Promise<void> {
    const { name, epoch, came } = here;
    const since = epoch && { offset: came[0]?.[1], epoch };
    here.had = came;
    try {
      // `history` is for when the place is no longer there.
      const payload = { room, name, since, history: since && ALL };
      const answer = asMap(await this._ask("room:join", payload, { first: true, timeout: Number.POSITIVE_INFINITY }));
      if (answer.missed) this._events.emit("gap", { reason: "history", n: 0, room });
      if (answer.missed || !since) stand(here, answer);
    } catch (error) {
      // The session is gone again, or the client: that says nothing of the room.
      if (!(error instanceof RequestError)) return;
      if (!error.retry) here.joined = false;
      this._events.emit("error", error);
    }
  }

  private _at(room: string): Room {
    const here = this._rooms.get(room) ?? { came: [], had: [] };
    this._rooms.set(room, here);
    return here;
  }
}

/** The answer to a join says where the history stands: what was before it is not missing to us. */
function stand(here: Room, { offset, epoch }: Partial<Joined>): void {
  if (offset !== undefined && epoch) take(here, epoch, 0, offset);
}

/** These offsets have come, or were stood for. */
function take(here: Room, epoch: string, first: number, last: number): void {
  if (here.epoch !== epoch) {
    // The life of a history begins at 1, and we were there; unless it is the first that we hear of.
    here.came = here.epoch ? [[0, 0]] : [];
    here.had = [];
    here.epoch = epoch;
  }
  here.came = add(here.came, first, last);
}
