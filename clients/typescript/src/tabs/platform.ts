/** What a browser gives its tabs to find each other: locks, of which each has one holder, and a channel. */

/** The part of `BroadcastChannel` that is used. */
export interface Channel {
  onmessage: ((event: MessageEvent) => void) | null;
  postMessage(post: unknown): void;
  close(): void;
}

/** The part of a page or worker that is used. */
export interface Platform {
  readonly BroadcastChannel: new (name: string) => Channel;
  readonly navigator: { readonly locks: Pick<LockManager, "request" | "query"> };
  readonly addEventListener?: typeof addEventListener;
  readonly removeEventListener?: typeof removeEventListener;
}

/** Say what is missing for a shared connection here; `undefined` if nothing is. */
export function lacks(platform: Partial<Platform> & { origin?: string }): string | undefined {
  if (!platform.BroadcastChannel) return "BroadcastChannel";
  // In pages that are not secure it is not there, in those without an origin of their own it may not be used.
  return !platform.navigator?.locks || platform.origin === "null" ? "Web Locks" : undefined;
}

/** A lock that is held, or waited for, until `release`. */
export class Lock {
  private readonly _abort = new AbortController();
  private _end: () => void = () => {};
  private _ended = false;

  /**
   * @param held called when it is had; what it returns is waited for before the lock can be released.
   * @param lost called when it was taken away.
   */
  constructor(
    platform: Platform,
    readonly name: string,
    held: () => unknown = () => {},
    { steal = false, lost = () => {} }: { steal?: boolean; lost?: (error: unknown) => void } = {},
  ) {
    const until = new Promise<void>((end) => {
      this._end = end;
    });
    const hold = async () => {
      if (this._ended) return;
      void held();
      await until;
    };
    const options = steal ? { steal } : { signal: this._abort.signal };
    platform.navigator.locks.request(name, options, hold).catch((error) => this._ended || lost(error));
  }

  /** Let it go, or wait for it no longer. */
  release(): void {
    this._ended = true;
    this._abort.abort();
    this._end();
  }
}

/** Return the names of the locks that are held, each with who holds it. */
export async function holders(platform: Platform): Promise<Map<string, string>> {
  const found = await platform.navigator.locks.query();
  // The build gives a short name to a member of ours that is called so, and to no text.
  // biome-ignore lint/complexity/useLiteralKeys: see above
  return new Map((found["held"] ?? []).map(({ name = "", clientId = "" }) => [name, clientId]));
}
