/** A promise and the two ways to settle it. Settling again is harmless. */
export class Deferred<T> {
  declare resolve: (value: T) => void;
  declare reject: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    // Who awaits the promise hears of a failure; that nobody does is no failure of its own.
    this.promise.catch(() => {});
  }
}
