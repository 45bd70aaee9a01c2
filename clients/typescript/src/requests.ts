/** Requests that wait for their reply. */

import { RequestError } from "./errors.js";
import { ANSWERED, type Outgoing } from "./outgoing.js";
import type { Message } from "./wire/message.js";

/** Requests that were given up and are not answered yet: the oldest is told of no more. */
const GIVEN_UP = 1000;

/**
 * Pending requests by id.
 *
 * Ids are unique: no other client has the same, nor the next page that goes on with the session. A request that is sent
 * again, because it may run twice, keeps its id, so that its handler can tell.
 */
export class Requests {
  /** What every id begins with. */
  prefix = `${Math.random().toString(36).slice(2, 10)}.`;
  /** Those that the server has or is about to have, and whose answer nobody waits for any more. */
  readonly givenUp = new Map<string, Outgoing>();
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

  /** Nobody waits for the answer to this one, which was sent: remember it until there is one. */
  giveUp(message: Outgoing): void {
    this.givenUp.set(message.id as string, message);
    if (this.givenUp.size > GIVEN_UP) this.givenUp.delete(this.givenUp.keys().next().value as string);
  }

  /** Look at those that wait. */
  [Symbol.iterator](): IterableIterator<Outgoing> {
    return this._pending.values();
  }

  /** Give an answer to who waits for it. False if nobody does: it is late, or of a count that has begun again. */
  settle(answer: Message): boolean {
    const id = answer.re as string;
    this.givenUp.delete(id);
    const message = this._pending.get(id);
    this._pending.delete(id);
    if (answer.type === "error") message?.fail(RequestError.parse(answer.payload));
    else message?.reach(ANSWERED, answer.payload);
    return !!message;
  }
}
