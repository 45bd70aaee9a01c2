/**
 * A tab's rooms: the session is in a room once, for all tabs, and each tab hears of its own.
 *
 * Rule: what comes of a room before the answer to the tab's first join is not the tab's yet: the session may have been in
 * it for another tab. It is held until the answer says what of it the history will bring.
 */

import { asMap, type Message } from "../core.js";
import type { Sent } from "./posts.js";

/** Messages of a room that are held until the answer to its join. Beyond them the oldest goes: its tab was not in yet. */
const HELD = 1000;
/** Who comes and goes. */
const COMINGS = /^room:(joined|left|crowded)$/;

/** A join that is not answered yet. */
interface Asked {
  room: string;
  /** With it come earlier messages, after its answer. */
  history: boolean;
}

/** The rooms of one tab. */
export class Memberships {
  /** Rooms whose comings and goings the tab asked to be told of. */
  readonly watched = new Set<string>();
  /** What is held of a room until the tab's first join is answered; `undefined` after that. */
  private readonly _rooms = new Map<string, Message[] | undefined>();
  private readonly _asked = new Map<string, Asked>();

  /** @param _changed called when the server has put the tab out of a room. */
  constructor(private readonly _changed: () => void) {}

  /** The rooms that the tab is in, or on its way into. */
  get rooms(): string[] {
    return [...this._rooms.keys()];
  }

  /** The answers to what was asked will not come. */
  forgetAsked(): void {
    this._asked.clear();
  }

  /** A message goes out. Return what the leader must know of it. */
  goes({ type, id, payload }: Message): Pick<Sent, "join" | "leave" | "id" | "watch"> {
    const { room, history, since, watch } = asMap(payload);
    if (typeof room !== "string" || id === undefined) return {};
    if (type === "room:join") {
      if (!this._rooms.has(room)) this._rooms.set(room, []);
      this._asked.set(id, { room, history: !!(history || since) });
      return { join: room };
    }
    if (type === "room:leave") {
      this._leave(room);
      return { leave: room, id };
    }
    if (type !== "room:members" || typeof watch !== "boolean") return {};
    this.watched[watch ? "add" : "delete"](room);
    return { watch: { room, on: watch } };
  }

  /**
   * A message came. Return what the tab is to hear now.
   *
   * @param isElsewhere says whether another tab is in a room.
   */
  comes(message: Message, isElsewhere: (room: string) => boolean): Message[] {
    const { type, re, room, payload } = message;
    const asked = re === undefined ? undefined : this._asked.get(re);
    if (asked) {
      this._asked.delete(re as string);
      return [message, ...this._answered(asked, type === "error", payload)];
    }
    if (room === undefined || re !== undefined) return [message];
    if (COMINGS.test(type) && message.sender === undefined) {
      if (asMap(payload).you) {
        this._leave(room);
        this._changed();
      } else if (!this.watched.has(room)) return [];
    }
    const held = this._rooms.get(room);
    if (!held) return this._rooms.has(room) || !isElsewhere(room) ? [message] : [];
    held.push(message);
    if (held.length > HELD) held.shift();
    return [];
  }

  /** The answer to a join. Return what was held for it. */
  private _answered({ room, history }: Asked, isError: boolean, payload: unknown): Message[] {
    const { retry, offset: last } = asMap(payload);
    const held = this._rooms.get(room);
    if (isError) {
      if (!held && retry) return [];
      this._leave(room);
      this._changed();
      return [];
    }
    // Left again, meanwhile.
    if (!held) return [];
    this._rooms.set(room, undefined);
    return held.filter(({ offset }) => !history || offset === undefined || offset > (last as number));
  }

  private _leave(room: string): void {
    this._rooms.delete(room);
    this.watched.delete(room);
  }
}
