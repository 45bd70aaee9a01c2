/** Requests that wait for their reply. */

import { RequestError } from "./errors.js";
import { ANSWERED, type Outgoing } from "./outgoing.js";
import type { Message } from "./wire/message.js";

/** Pending requests by id. A reply that nobody waits for any more is an ordinary message. */
export class Requests {
  /** What every id begins with. */
  prefix = "r";
  private readonly _pending = new Map<string, Outgoing>();
  private _number = 0;

  /** Return an id that no request of this client has had. */
  nextId(): string {
    return `${this.prefix}${++this._number}`;
  }

  add(message: Outgoing): void {
    this._pending.set(message.id as string, message);
  }

  /** Nobody waits for this reply any more. */
  discard(message: Outgoing): void {
    this._pending.delete(message.id as string);
  }

  /** Look at those that wait. */
  [Symbol.iterator](): IterableIterator<Outgoing> {
    return this._pending.values();
  }

  /** Give an answer to who waits for it: its payload, or an error. False if nobody does. */
  settle(answer: Message): boolean {
    const message = this._pending.get(answer.re as string);
    if (!message) return false;
    this.discard(message);
    if (answer.type === "error") message.fail(RequestError.parse(answer.payload));
    else message.reach(ANSWERED, answer.payload);
    return true;
  }
}
