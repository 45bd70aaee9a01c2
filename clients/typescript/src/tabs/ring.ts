/** The last messages from the server, for a tab that comes back: as many as its own session would have kept for it. */

import type { Batch, Came } from "./posts.js";

/** Messages, and bytes. */
const MOST = 1000;
const MOST_BYTES = 1024 * 1024;

/** Messages by their number in the session's count. */
export class Ring {
  private _first = 0;
  private _items: Came[] = [];
  private _sizes: number[] = [];
  private _bytes = 0;

  /** All that is here. */
  get all(): Batch[] {
    const { _first: first, _items: items, _bytes: size } = this;
    return items.length ? [{ first, items, size }] : [];
  }

  /** Nothing before the next batch is known. */
  clear(): void {
    this._items = [];
    this._sizes = [];
    this._bytes = 0;
  }

  /** These came; what came before already is skipped. */
  add({ first, items, size }: Batch): void {
    const next = this._first + this._items.length;
    if (first > next || !this._items.length) {
      this.clear();
      this._first = first;
    }
    const known = Math.max(0, this._first + this._items.length - first);
    const each = size / items.length;
    for (const item of items.slice(known)) {
      this._items.push(item);
      this._sizes.push(each);
      this._bytes += each;
    }
    while (this._items.length > MOST || this._bytes > MOST_BYTES) {
      this._items.shift();
      this._bytes -= this._sizes.shift() as number;
      this._first++;
    }
  }

  /** Return what came from a number on, and how much of it is no longer here. */
  since(number: number, count: number): { lost: number; batches: Batch[] } {
    const first = this._items.length ? Math.max(number, this._first) : count;
    const items = this._items.slice(first - this._first);
    return { lost: Math.max(0, first - number), batches: items.length ? [{ first, items, size: 0 }] : [] };
  }
}
