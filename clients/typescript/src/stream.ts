/** `for await (const message of client.messages(…))`: messages as a stream. */

import { Deferred } from "./deferred.js";

/**
 * Messages from now on, in order. It ends with `return()` (which leaving the loop calls), and when the client does.
 *
 * Bounded: nothing can make a WebSocket's sender wait, so when `limit` messages wait here the oldest goes, and `dropped`
 * is called. Whoever feeds it holds it weakly, so that one which a program has forgotten goes, too; but not while somebody
 * waits for its next message: `_waits` says when that begins and ends.
 */
export class MessageStream<M> implements AsyncIterableIterator<M> {
  private _held: M[] = [];
  private _ended = false;
  private _waiting = 0;
  private _news = new Deferred<void>();

  constructor(
    private readonly _limit: number,
    private readonly _dropped: (message: M) => void,
    private readonly _end: () => void,
    private readonly _waits: (stream: MessageStream<M>, isWaiting: boolean) => void,
  ) {}

  /** A message came. */
  push(message: M): void {
    if (this._ended) return;
    this._held.push(message);
    if (this._held.length > this._limit) this._dropped(this._held.shift() as M);
    this._wake();
  }

  /** No more messages; those that wait can still be taken. */
  end(): void {
    this._ended = true;
    this._end();
    this._wake();
  }

  async next(): Promise<IteratorResult<M>> {
    if (!this._held.length && !this._ended) {
      this._waiting++;
      this._waits(this, true);
      while (!this._held.length && !this._ended) await this._news.promise;
      this._waits(this, --this._waiting > 0);
    }
    return this._held.length ? { value: this._held.shift() as M } : { done: true, value: undefined };
  }

  return(): Promise<IteratorResult<M>> {
    this.end();
    this._held = [];
    return this.next();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private _wake(): void {
    this._news.resolve();
    this._news = new Deferred();
  }
}
