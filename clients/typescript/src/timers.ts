/** Timers. A hidden page's are up to a minute late: nothing but patience may hang on one. */

/** Milliseconds by a clock that nobody sets: the time of day may be put back by an hour, and then nothing would be due. */
export const now = (): number => performance.now();

export type Timer = ReturnType<typeof setTimeout> | undefined;

/** What `setTimeout` can wait for, milliseconds; what is longer it takes for nothing at all. */
const LONGEST = 2 ** 31 - 1;

/** Call back after so many milliseconds, and not at all before some three weeks have passed. */
export function later(milliseconds: number, callback: () => void): Timer {
  return setTimeout(callback, Math.min(milliseconds, LONGEST));
}

/** Resolve when the work is done, well or not, or after so many milliseconds. */
export function atMost(milliseconds: number, work: Promise<unknown>): Promise<unknown> {
  return within(milliseconds, work, () => 0).catch(() => {});
}

/** Resolve as the work does, or reject with what `late()` returns if that takes longer. */
export function within<T>(milliseconds: number, work: Promise<T>, late: () => unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = later(milliseconds, () => reject(late()));
    work.finally(() => clearTimeout(timer)).then(resolve, reject);
  });
}
