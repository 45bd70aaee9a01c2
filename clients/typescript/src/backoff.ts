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

  /**
   * Return the pause before an attempt, counted from 0.
   *
   * @param retryAfter it is never shorter than the server's advice.
   * @param base the server's; the limit begins at no less.
   */
  delay(attempt: number, retryAfter = 0, base = 0): number {
    const limit = Math.min(this._cap, Math.max(base, this._base) * 2 ** attempt);
    return Math.max(this._random() * limit, this.around(retryAfter));
  }

  /** Return a little more, so that not everybody comes back at once. */
  around(milliseconds: number): number {
    return milliseconds * (1 + this._random() / 10);
  }
}
