/**
 * The rooms that the client is in, so that a new session finds its way back into them, and holes are filled.
 *
 * Rule: a message of a room with history reaches the application once. What is missing is asked for from where everything
 * had come: in a new session, and when the session goes on and has lost something. Only what the room's history no longer
 * has is a `gap`.
 */

import { add, holds, type Ranges } from "./cursor.js";
import { RequestError } from "./errors.js";
import type { Events, Gap } from "./events.js";
import { later } from "./timers.js";
import { asMap, type Message } from "./wire/message.js";

/** A place in a room's history: of a message, or of the answer to a join. */
export interface Place {
  offset: number;
  epoch: string;
}

/** What the server says of a room that was joined. */
export interface Joined extends Partial<Place> {
  room: string;
  members: number;
  /** Everything after this offset comes, up to `offset` and then live, where the room keeps history. */
  since?: number;
  /** Some of what was asked for is no longer there. */
  missed?: boolean;
}

/** How a room is joined. */
export interface JoinOptions {
  /** So many of its last messages are sent. */
  history?: number | undefined;
  /** Everything after this place is sent. If that is no longer all there, the answer says `missed`, and `history` holds. */
  since?: Place | undefined;
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
  /** Of its history, if it has one: the life, and what has come of it or is not missing, as what was before we began. */
  epoch?: string;
  came: Ranges;
  began: number;
  /** What has come of what was before we began, since it was asked for. */
  older: Ranges;
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

  /** @param miss told of each gap. */
  constructor(
    private readonly _ask: Ask,
    private readonly _events: Events,
    private readonly _miss: (gap: Gap) => void,
  ) {}

  /** The rooms that the client is in. */
  get names(): string[] {
    return [...this._rooms.keys()].filter((room) => this._at(room).joined);
  }

  /** Join; return what the server says. */
  async join(room: string, { history, since, name }: JoinOptions): Promise<Joined> {
    const here = this._at(room);
    const place = since && { offset: since.offset, epoch: since.epoch };
    const payload = { room, history, since: place, name };
    const answer = asMap(await this._ask("room:join", payload, { idempotent: true }));
    stand(here, answer);
    here.joined = true;
    if (name) here.name = name;
    return answer as unknown as Joined;
  }

  /** Leave; return whether the client was in the room. */
  async leave(room: string): Promise<boolean> {
    this._rooms.delete(room);
    return asMap(await this._ask("room:leave", { room }, { idempotent: true })).left === true;
  }

  /**
   * Join every room again, in a session that knows of none. All is asked in this turn and before anything that waits: what
   * was sent to a room while there was no link finds its sender a member.
   */
  rejoin(): void {
    for (const room of this.names) void this._rejoin(room, this._at(room));
  }

  /** The session goes on without `n` messages: ask each history for what we lack. What is in none of them is a gap. */
  async heal(n: number, reason: string): Promise<void> {
    const rooms = this.names.filter((room) => this._at(room).epoch);
    const found = await Promise.all(rooms.map((room) => this._rejoin(room, this._at(room))));
    for (const some of found) n -= some;
    if (n > 0) this._miss({ reason, n });
  }

  /** A message came. Say whether it is for the application: neither a place that is not for us nor one that we had. */
  saw({ type, room = "", offset, epoch, covers = [], payload }: Message): boolean {
    const here = this._rooms.get(room);
    if (here && type === "room:left" && asMap(payload).you) {
      here.joined = false;
      this._events.emit("error", new RequestError("not_a_member", room));
    }
    if (here && offset !== undefined && epoch) {
      const had = here.epoch === epoch && holds(offset > here.began ? here.came : here.older, offset);
      for (const [first, last] of [[offset, offset] as const, ...covers]) take(here, epoch, first, last);
      if (had) return false;
    }
    return type !== "room:skip";
  }

  /** The server says that something will not come: if it says up to where, there is no hole any more. */
  told({ room, offset, epoch }: Record<string, unknown>): void {
    const here = this._rooms.get(room as string);
    if (here && offset !== undefined) take(here, epoch as string, 0, offset as number);
  }

  /** Join again, from the first hole on; return how many messages were lost on their way, and not only waited. */
  private async _rejoin(room: string, here: Room): Promise<number> {
    const { name, epoch, came } = here;
    const since = epoch && { offset: came[0]?.[1], epoch };
    try {
      // `history` is for when the place is no longer there.
      const payload = { room, name, since, history: since && ALL };
      const answer = asMap(await this._ask("room:join", payload, { first: true, timeout: Number.POSITIVE_INFINITY }));
      const { offset, waiting = 0 } = answer as { offset?: number; waiting?: number };
      // What comes with the answer may have been seen before it; what waited for us at the server was not lost.
      const lost = lacks(came, offset) - waiting;
      const n = lacks(came, answer.since as number);
      stand(here, answer);
      if (answer.missed) this._miss({ reason: "history", n, room });
      return Math.max(0, lost);
    } catch (error) {
      // The session is gone again, or the client: that says nothing of the room.
      if (!(error instanceof RequestError)) return 0;
      here.joined = error.retry;
      this._events.emit("error", error);
      if (error.retry) await new Promise<void>((done) => later(error.retryAfter ?? 1000, done));
      return here.joined && this._rooms.get(room) === here ? this._rejoin(room, here) : 0;
    }
  }

  private _at(room: string): Room {
    const here = this._rooms.get(room) ?? { came: [], began: 0, older: [] };
    this._rooms.set(room, here);
    return here;
  }
}

/** The answer to a join says from where on everything comes. */
function stand(here: Room, { offset, epoch, since = offset, missed }: Partial<Joined>): void {
  if (since === undefined || !epoch) return;
  if (here.epoch !== epoch || !here.joined || missed) take(here, epoch, 0, since);
  if (since < here.began) {
    const [[, last] = [0, 0], ...rest] = here.came;
    here.came = [[0, since] as const, ...here.older].reduce(
      (came, [from, to]) => add(came, from, to),
      add(rest, here.began + 1, last),
    );
    here.began = since;
  }
}

/** These offsets have come, or are not missing. */
function take(here: Room, epoch: string, first: number, last: number): void {
  if (here.epoch !== epoch) {
    // The life of a history begins at 1, and we were there; unless it is the first that we hear of.
    here.began = here.epoch ? 0 : first ? first - 1 : last;
    here.came = [[0, here.began]];
    here.older = [];
    here.epoch = epoch;
  }
  here.came = add(here.came, first, last);
  if (first) here.older = add(here.older, first, Math.min(last, here.began));
}

/** Count what has not come, up to an offset. */
function lacks(came: Ranges, last = 0): number {
  return came.reduce((n, [from, to]) => n - Math.max(0, Math.min(to, last) - Math.max(from, 1) + 1), last);
}
