/**
 * How long to wait before the next attempt, milliseconds.
 *
 * Full jitter: a uniform choice between nothing and a limit that doubles. It spreads a crowd that was disconnected
 * together better than any other rule ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export class Backoff {
  /**
   * @param base the limit of the first delay.
   * @param cap no delay is longer, unless the server asks for it.
   * @param random a number from 0 to 1.
   */
  constructor(
    private readonly _base: number,
    private readonly _cap: number,
    private readonly _random: () => number,
  ) {}

  /** Return the pause before an attempt, counted from 0; never shorter than the server's advice. */
  delay(attempt: number, retryAfter = 0): number {
    const own = this._random() * Math.min(this._cap, this._base * 2 ** attempt);
    return retryAfter ? Math.max(own, this.around(retryAfter)) : own;
  }

  /** Return a little more, so that not everybody comes back at once. */
  around(milliseconds: number): number {
    return milliseconds * (1 + this._random() / 10);
  }
}
