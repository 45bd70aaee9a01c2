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

/** Something that happens again and again, and those who wait for the next time. */
export class Signal {
  private _next = new Deferred<void>();

  /** Resolves when it happens next. */
  wait(): Promise<void> {
    return this._next.promise;
  }

  /** It happens. */
  wake(): void {
    this._next.resolve();
    this._next = new Deferred();
  }
}
