/**
 * The pace: not to send what the server would refuse.
 *
 * The welcome says how many messages per second a session may send. The same rule as on the server, GCRA (ITU-T I.371,
 * annex A.1), a little slower, because messages that left evenly may arrive less evenly.
 */

import { now } from "./timers.js";

/** Of the server's rate and burst; what is left is for the network's jitter. */
const SHARE = 0.9;

/** Says when the next message may go. Milliseconds. */
export class Pace {
  private _next = 0;
  private readonly _interval: number;

  /**
   * @param rate messages per second that the server takes.
   * @param burst messages that it takes at once.
   */
  constructor(
    readonly rate: number,
    readonly burst: number,
  ) {
    this._interval = 1000 / (rate * SHARE);
  }

  /** Return how long until a message may go; 0 for now. */
  wait(): number {
    const tolerance = (Math.max(1, this.burst * SHARE) - 1) * this._interval;
    const wait = this._next - now() - tolerance;
    // What is left of a rounding is no time.
    return wait > 1e-6 ? wait : 0;
  }

  /** So many messages went. */
  spend(messages: number): void {
    this._next = Math.max(this._next, now()) + messages * this._interval;
  }
}
