/** Requests that wait for their reply. */

import { Deferred } from "./deferred.js";
import { RequestError } from "./errors.js";
import type { Outgoing } from "./outgoing.js";
import type { Message } from "./wire/message.js";

/** Pending requests by id. A reply that nobody waits for any more is an ordinary message. */
export class Requests {
  private readonly _pending = new Map<string, { message: Outgoing; reply: Deferred<unknown> }>();
  private _number = 0;

  /** Return an id that no request of this client has had. */
  nextId(): string {
    return `r${++this._number}`;
  }

  /** Expect a reply; its payload becomes the result, an error what is thrown. */
  add(message: Outgoing): Promise<unknown> {
    const reply = new Deferred<unknown>();
    this._pending.set(message.id as string, { message, reply });
    return reply.promise;
  }

  /** Nobody waits for this reply any more. */
  discard(message: Outgoing): void {
    this._pending.delete(message.id as string);
  }

  /** Give an answer to who waits for it. False if nobody does. */
  settle(answer: Message): boolean {
    const pending = this._pending.get(answer.re as string);
    if (!pending) return false;
    this.discard(pending.message);
    if (answer.type === "error") pending.reply.reject(RequestError.parse(answer.payload));
    else pending.reply.resolve(answer.payload);
    return true;
  }

  /** The requests that wait. */
  get messages(): Outgoing[] {
    return [...this._pending.values()].map(({ message }) => message);
  }

  /** Let those fail for which `error` returns an error. */
  fail(error: (message: Outgoing) => Error | undefined): void {
    for (const { message, reply } of [...this._pending.values()]) {
      const failure = error(message);
      if (failure) {
        this.discard(message);
        reply.reject(failure);
      }
    }
  }
}
