/**
 * Lanes: where messages wait, in order of priority.
 *
 * Critical overtakes everything; the other three share by weight, so that low is slow and never starved. Only what
 * waits here may be reordered or dropped; what has left is counted and stays as it is.
 */

import { PRIORITIES, type Priority } from "./message.js";

/** Messages taken from high, normal and low in one round, while each has some. */
const WEIGHTS = [0, 4, 2, 1];

/** A bounded priority queue. What has no priority is `normal`. */
export class Lanes<M extends { readonly priority?: Priority }> {
  length = 0;
  private readonly _lanes: M[][] = PRIORITIES.map(() => []);
  private _turn = 1;
  private _credit = 4;

  /** @param limit messages held at most. */
  constructor(readonly limit = Number.POSITIVE_INFINITY) {}

  /** Look at everything that waits, by lane, oldest first, without taking it. */
  *[Symbol.iterator](): IterableIterator<M> {
    for (const lane of this._lanes) yield* lane;
  }

  /**
   * Let a message wait in its lane. When all is full the oldest of the least urgent lane goes.
   *
   * @returns what had to go, which is the message itself if nothing that waits is less urgent.
   */
  append(message: M): M | undefined {
    const lane = PRIORITIES.indexOf(message.priority ?? "normal");
    let victim: M | undefined;
    if (this.length >= this.limit) {
      const least = this._lanes.findLastIndex((held) => held.length);
      if (least <= lane) return message;
      victim = this._take(least);
    }
    (this._lanes[lane] as M[]).push(message);
    this.length++;
    return victim;
  }

  /** Take the next message; `undefined` if nothing waits. */
  popleft(): M | undefined {
    if (this._lanes[0]?.length) return this._take(0);
    if (!this.length) return undefined;
    while (!this._credit || !this._lanes[this._turn]?.length) {
      this._turn = (this._turn % 3) + 1;
      this._credit = WEIGHTS[this._turn] as number;
    }
    this._credit--;
    return this._take(this._turn);
  }

  private _take(lane: number): M | undefined {
    this.length--;
    return this._lanes[lane]?.shift();
  }
}
