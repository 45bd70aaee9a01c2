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

/** How a room is joined. */
export interface JoinOptions {
  /** So many of its last messages are sent again. */
  history?: number | undefined;
  /** How the other members may see this one: see `room:members`. It stays as it is without one. */
  name?: string | undefined;
}

/** What a room is joined with again: the place in its history that was reached, where it has one, and our name there. */
interface Membership {
  since?: { offset: number; epoch: string };
  name?: string;
}

/** How rooms ask. */
type Ask = (
  type: string,
  payload: unknown,
  options: { idempotent?: boolean; priority?: Priority; timeout?: number },
) => Promise<unknown>;

/** The rooms, by name. */
export class Rooms {
  private readonly _joined = new Map<string, Membership>();

  constructor(
    private readonly _ask: Ask,
    private readonly _events: Events,
  ) {}

  /** The rooms that the client is in. */
  get names(): string[] {
    return [...this._joined.keys()];
  }

  /** Join; return what the server says. */
  async join(room: string, { history, name }: JoinOptions): Promise<Joined> {
    const answer = asMap(await this._ask("room:join", { room, history, name }, { idempotent: true }));
    this.restore([room], name);
    this.saw({ ...answer, room });
    return answer as unknown as Joined;
  }

  /** Leave; return whether the client was in the room. */
  async leave(room: string): Promise<boolean> {
    this._joined.delete(room);
    return asMap(await this._ask("room:leave", { room }, { idempotent: true })).left === true;
  }

  /** The session that goes on is in these rooms, under this name or the one that it had. */
  restore(rooms: readonly string[], name?: string): void {
    for (const room of rooms) this._joined.set(room, { ...this._joined.get(room), ...(name && { name }) });
  }

  /**
   * Join every room again, in a session that knows of none. All is asked in this turn and before anything that waits: what
   * was sent to a room while there was no link finds its sender a member.
   */
  rejoin(): void {
    for (const [room, membership] of this._joined) void this._rejoin(room, membership);
  }

  private async _rejoin(room: string, membership: Membership): Promise<void> {
    try {
      const { since } = membership;
      const options = { priority: "critical", timeout: Number.POSITIVE_INFINITY } as const;
      const answer = asMap(await this._ask("room:join", { room, ...membership }, options));
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
  saw({ room = "", offset, epoch }: Pick<MessageFields, "room" | "offset" | "epoch">): void {
    const membership = this._joined.get(room);
    if (!membership || offset === undefined || !epoch) return;
    const { since } = membership;
    if (since?.epoch !== epoch || since.offset < offset) membership.since = { offset, epoch };
  }
}
