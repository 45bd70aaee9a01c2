/**
 * The rooms that the client is in, so that a new session finds its way back into them.
 *
 * A room that keeps history is rejoined from the last message that was seen, so that what was published meanwhile comes
 * after all; where the room no longer has it, a `gap` says so.
 */

import { asMap, type RealtimeError } from "./errors.js";
import type { Events } from "./events.js";
import type { Message, Priority } from "./wire/message.js";

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

interface Cursor {
  offset: number;
  epoch: string;
}

/** How a room is joined. */
export interface JoinOptions {
  /** So many of its last messages are sent again. */
  history?: number | undefined;
  /** How the other members may see this one: see `room:members`. It stays as it is without one. */
  name?: string | undefined;
}

/** Names of rooms, each with the place in its history that was reached. */
export class Rooms {
  private readonly _joined = new Map<string, Cursor | undefined>();
  private readonly _as = new Map<string, string>();

  constructor(
    private readonly _ask: (type: string, payload: unknown, options?: { priority: Priority }) => Promise<unknown>,
    private readonly _events: Events,
  ) {}

  /** The rooms that the client is in. */
  get names(): string[] {
    return [...this._joined.keys()];
  }

  /** Join; return what the server says. */
  async join(room: string, { history, name }: JoinOptions): Promise<Joined> {
    const answer = asMap(await this._ask("room:join", { room, history, name }));
    if (name) this._as.set(room, name);
    this.restore([room]);
    this._reached(room, answer);
    return answer as unknown as Joined;
  }

  /** Leave; return whether the client was in the room. */
  async leave(room: string): Promise<boolean> {
    this._joined.delete(room);
    this._as.delete(room);
    return asMap(await this._ask("room:leave", { room })).left === true;
  }

  /** The session that goes on is in these rooms. */
  restore(rooms: readonly string[]): void {
    for (const room of rooms) if (!this._joined.has(room)) this._joined.set(room, undefined);
  }

  /**
   * Join every room again, in a session that knows of none. All is asked in this turn and before anything that waits: what
   * was sent to a room while there was no link finds its sender a member.
   */
  rejoin(): void {
    for (const [room, since] of this._joined) void this._rejoin(room, since);
  }

  private async _rejoin(room: string, since: Cursor | undefined): Promise<void> {
    try {
      const asked = { room, since, name: this._as.get(room) };
      const answer = asMap(await this._ask("room:join", asked, { priority: "critical" }));
      if (answer.missed) this._events.emit("gap", { reason: "history", n: 0, room });
      if (!since) this._reached(room, answer);
    } catch (error) {
      if (!(error as RealtimeError).retry) this._joined.delete(room);
      this._events.emit("error", error as RealtimeError);
    }
  }

  /** A message came; if it was published to a room of ours with history, that is how far we are. */
  saw({ room, offset, epoch }: Message): void {
    if (room === undefined || offset === undefined || epoch === undefined || !this._joined.has(room)) return;
    const cursor = this._joined.get(room);
    if (cursor?.epoch !== epoch || cursor.offset < offset) this._joined.set(room, { offset, epoch });
  }

  /** The answer to a join names the newest message that was there; what was asked for has come before it. */
  private _reached(room: string, { offset, epoch }: Readonly<Record<string, unknown>>): void {
    if (typeof offset === "number" && typeof epoch === "string" && this._joined.has(room)) {
      this._joined.set(room, { offset, epoch });
    }
  }
}
