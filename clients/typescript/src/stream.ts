/** `for await (const message of client.messages(…))`: messages as a stream. */

import { Deferred } from "./deferred.js";

/**
 * Messages from now on, in order. It ends with `return()` (which leaving the loop calls), and when the client does.
 *
 * Bounded: nothing can make a WebSocket's sender wait, so when `limit` messages wait here the oldest goes, and `dropped`
 * is called.
 */
export class MessageStream<M> implements AsyncIterableIterator<M> {
  private _held: M[] = [];
  private _waiting: Deferred<IteratorResult<M>>[] = [];
  private _ended = false;

  constructor(
    private readonly _limit: number,
    private readonly _dropped: (message: M) => void,
    private readonly _end: (stream: MessageStream<M>) => void,
  ) {}

  /** A message came. */
  push(message: M): void {
    if (this._ended) return;
    const waiting = this._waiting.shift();
    if (waiting) return waiting.resolve({ done: false, value: message });
    this._held.push(message);
    if (this._held.length > this._limit) this._dropped(this._held.shift() as M);
  }

  /** No more messages; those that wait can still be taken. */
  end(): void {
    if (this._ended) return;
    this._ended = true;
    this._end(this);
    for (const waiting of this._waiting) waiting.resolve({ done: true, value: undefined });
  }

  next(): Promise<IteratorResult<M>> {
    if (this._held.length) return Promise.resolve({ done: false, value: this._held.shift() as M });
    if (this._ended) return Promise.resolve({ done: true, value: undefined });
    const waiting = new Deferred<IteratorResult<M>>();
    this._waiting.push(waiting);
    return waiting.promise;
  }

  return(): Promise<IteratorResult<M>> {
    this.end();
    this._held = [];
    return this.next();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
