/** One direction of a slow network: what enters leaves in the same order, later. At full speed it leaves at once. */
export class Lane {
  /** Bytes that have entered and not left. */
  waiting = 0;
  #last = 0;
  /** @type {Promise<void>} */
  #tail = Promise.resolve();

  /**
   * @param {() => number} rate bytes a second, now
   * @param {() => number} delay milliseconds, now
   */
  constructor(rate, delay) {
    this.rate = rate;
    this.delay = delay;
  }

  /**
   * Call `leave` when so many bytes have got through, never if `over` is aborted before. At once if nothing is slow.
   *
   * @param {number} bytes
   * @param {AbortSignal} over
   * @param {() => void} leave
   */
  pass(bytes, over, leave) {
    if (!this.waiting && !this.delay() && performance.now() >= this.#last) {
      if (!over.aborted) leave();
      return;
    }
    this.carry(bytes, over).then(leave, () => {});
  }

  /**
   * Resolves when so many bytes have got through; rejects if it is over before.
   *
   * @param {number} bytes
   * @param {AbortSignal} over
   * @returns {Promise<void>}
   */
  carry(bytes, over) {
    const now = performance.now();
    // A transmission takes its time on the wire, then everything is under way for the same while.
    this.#last = Math.max(now, this.#last) + (bytes / this.rate()) * 1000;
    const due = this.#last + this.delay();
    this.waiting += bytes || 1;
    this.#tail = this.#tail
      .then(() => until(due))
      .then(() => {
        this.waiting -= bytes || 1;
      });
    return this.#tail.then(() => over.throwIfAborted());
  }
}

/** @param {number} due */
function until(due) {
  const rest = due - performance.now();
  return rest > 0 ? new Promise((done) => setTimeout(done, rest)) : undefined;
}
