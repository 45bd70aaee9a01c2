/** Where messages wait to be sent, in order of priority. */

import { QueueFull, unexpected } from "./errors.js";
import { PRIORITIES, type Priority } from "./wire/message.js";

/** Messages taken from high, normal and low in one round, while each has some. */
const WEIGHTS = [0, 4, 2, 1];

/**
 * Messages by priority: critical overtakes everything; high, normal and low share by weight, 4 to 2 to 1.
 *
 * Within one priority the order is kept. When it is full, a message takes the place of the oldest of the least urgent
 * that is less urgent than itself; if there is none, it is refused.
 */
export class PriorityMessageQueue<M extends { readonly priority?: Priority } = { readonly priority?: Priority }> {
  /** Messages that wait. */
  length = 0;
  private readonly _lanes: M[][] = PRIORITIES.map(() => []);
  private _turn = 1;
  private _credit = 4;

  /**
   * @param maxSize messages held at most.
   * @param dropped called with each message that gave up its place.
   */
  constructor(
    readonly maxSize = 1000,
    private readonly _dropped: (message: M) => void = () => {},
  ) {}

  /** Look at everything, by priority, oldest first, without taking it. */
  *[Symbol.iterator](): IterableIterator<M> {
    for (const lane of this._lanes) yield* lane;
  }

  /**
   * Let a message wait. Without a priority it is `normal`.
   *
   * @throws QueueFull: nothing here is less urgent. TypeError: there is no such priority.
   */
  enqueue(message: M): void {
    const { priority = "normal" } = message;
    const urgency = PRIORITIES.indexOf(priority);
    const lane = this._lanes[urgency];
    if (!lane) throw unexpected("priority", PRIORITIES, priority);
    let victim: M | undefined;
    if (this.length >= this.maxSize) {
      const least = this._lanes.findLastIndex((held) => held.length);
      if (least <= urgency) throw new QueueFull(`${this.maxSize} messages wait, none less urgent`);
      victim = this._take(least);
    }
    lane.push(message);
    this.length++;
    if (victim) this._dropped(victim);
  }

  /** Let a message wait before all others, whether there is room for it or not. */
  prepend(message: M): void {
    this._lanes[0]?.unshift(message);
    this.length++;
  }

  /** Take the next message; `undefined` if there is none. */
  dequeue(): M | undefined {
    if (this._lanes[0]?.length) return this._take(0);
    if (!this.length) return undefined;
    while (!this._credit || !this._lanes[this._turn]?.length) {
      this._turn = (this._turn % 3) + 1;
      this._credit = WEIGHTS[this._turn] as number;
    }
    this._credit--;
    return this._take(this._turn);
  }

  /** Take the next one, if it is more urgent than that and `fits`. */
  overtake(priority: Priority, fits: (message: M) => boolean): M | undefined {
    const lane = this._lanes.findIndex((held) => held.length);
    const first = this._lanes[lane]?.[0];
    return first && lane < PRIORITIES.indexOf(priority) && fits(first) ? this._take(lane) : undefined;
  }

  /** Take a message out of its turn, if it is still here. */
  remove(message: M): void {
    for (const lane of this._lanes) {
      const place = lane.indexOf(message);
      if (place >= 0) this.length -= lane.splice(place, 1).length;
    }
  }

  private _take(lane: number): M | undefined {
    this.length--;
    return this._lanes[lane]?.shift();
  }
}
