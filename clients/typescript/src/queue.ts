/** The queue of messages that wait to be sent: `Lanes` with an answer when it is full. */

import { QueueFull } from "./errors.js";
import { Lanes } from "./wire/lanes.js";
import type { Priority } from "./wire/message.js";

/**
 * Messages by priority: critical overtakes everything; high, normal and low share by weight, 4 to 2 to 1.
 *
 * Within one priority the order is kept. When it is full, a message takes the place of the oldest of the least urgent
 * that is less urgent than itself; if there is none, it is refused.
 */
export class PriorityMessageQueue<M extends { readonly priority?: Priority } = { readonly priority?: Priority }> {
  private readonly _lanes: Lanes<M>;

  /**
   * @param maxSize messages held at most.
   * @param dropped called with each message that gave up its place.
   */
  constructor(
    readonly maxSize = 1000,
    private readonly _dropped: (message: M) => void = () => {},
  ) {
    this._lanes = new Lanes(maxSize);
  }

  get length(): number {
    return this._lanes.length;
  }

  /** Look at everything, by priority, oldest first, without taking it. */
  [Symbol.iterator](): IterableIterator<M> {
    return this._lanes[Symbol.iterator]();
  }

  /**
   * Let a message wait. Without a priority it is `normal`.
   *
   * @throws QueueFull: nothing here is less urgent.
   */
  enqueue(message: M): void {
    const victim = this._lanes.append(message);
    if (victim === message) throw new QueueFull(`${this.maxSize} messages wait, none of them less urgent`);
    if (victim) this._dropped(victim);
  }

  /** Take the next message; `undefined` if there is none. */
  dequeue(): M | undefined {
    return this._lanes.popleft();
  }
}
