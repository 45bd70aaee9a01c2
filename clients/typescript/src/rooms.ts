/**
 * The rooms that the client is in, so that a new session finds its way back into them.
 *
 * A room that keeps history is rejoined from the last message that was seen, so that what was published meanwhile comes
 * after all; where the room no longer has it, a `gap` says so.
 */

import { asMap, RequestError } from "./errors.js";
import type { Events } from "./events.js";
import type { MessageFields, Priority } from "./wire/message.js";

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

/** How rooms ask. */
type Ask = (
  type: string,
  payload: unknown,
  options: { idempotent?: boolean; priority?: Priority; timeout?: number },
) => Promise<unknown>;

/** Names of rooms, each with the place in its history that was reached. */
export class Rooms {
  private readonly _joined = new Map<string, Cursor | undefined>();

  constructor(
    private readonly _ask: Ask,
    private readonly _events: Events,
  ) {}

  /** The rooms that the client is in. */
  get names(): string[] {
    return [...this._joined.keys()];
  }

  /** Join; return what the server says. `history`: how many of the last messages are to be sent again. */
  async join(room: string, history?: number): Promise<Joined> {
    const answer = asMap(await this._ask("room:join", { room, history: history || undefined }, { idempotent: true }));
    this.restore([room]);
    this.saw({ ...answer, room });
    return answer as unknown as Joined;
  }

  /** Leave; return whether the client was in the room. */
  async leave(room: string): Promise<boolean> {
    this._joined.delete(room);
    return asMap(await this._ask("room:leave", { room }, { idempotent: true })).left === true;
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
      const options = { priority: "critical", timeout: Number.POSITIVE_INFINITY } as const;
      const answer = asMap(await this._ask("room:join", { room, since }, options));
      if (answer.missed) this._events.emit("gap", { reason: "history", n: 0, room });
      if (!since) this.saw({ ...answer, room });
    } catch (error) {
      // The session is gone again, or the client: that says nothing of the room.
      if (!(error instanceof RequestError)) return;
      if (!error.retry) this._joined.delete(room);
      this._events.emit("error", error);
    }
  }

  /**
   * A message came; if it was published to a room of ours with history, that is how far we are. So is the newest message
   * that the answer to a join names: what was asked for has come before it.
   */
  saw({ room, offset, epoch }: Pick<MessageFields, "room" | "offset" | "epoch">): void {
    if (!room || offset === undefined || !epoch || !this._joined.has(room)) return;
    const cursor = this._joined.get(room);
    if (cursor?.epoch !== epoch || cursor.offset < offset) this._joined.set(room, { offset, epoch });
  }
}
