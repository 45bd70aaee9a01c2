/**
 * What a page leaves for the next one in the same tab, so that a reload resumes the session. Loaded with `resume` only.
 *
 * Rule: the session is in the store only between a page's end (or freeze) and the next page's begin, which takes it out.
 * A tab is duplicated while its page lives, so its copy of `sessionStorage` holds nothing that it could steal. A page that
 * is only frozen lives, too: what it left then is for itself, and for what the browser makes of it when it was discarded.
 */

import type { ClientLine, Credentials, KeyStore, Sized } from "./core.js";

/** A session that waits for its next page. */
export interface Parked extends Credentials {
  /** Its page may still come back. */
  frozen: boolean;
}

/** Keeps a client's session in a store while no page has it. */
export class Keeper {
  private _isParked = false;

  constructor(
    private readonly _store: KeyStore,
    private readonly _key: string,
    private readonly _line: ClientLine<Sized>,
  ) {}

  /** The page ends, or may: it is only `frozen`. Parked again is parked anew. */
  park(frozen: boolean): void {
    const { session, secret, attach } = this._line;
    if (session === undefined || secret === undefined) return;
    const parked: Parked = { session, secret, attach, frozen };
    this._isParked = true;
    try {
      this._store.setItem(this._key, JSON.stringify(parked));
    } catch {
      // Full, or forbidden: the next page begins a session of its own.
    }
  }

  /** The page begins, or comes back, which a browser may say twice: take out what is this client's. */
  unpark(): void {
    const line = this._line;
    if (line.session !== undefined && !this._isParked) return;
    this._isParked = false;
    const parked = this._take();
    if (line.session === undefined) {
      if (!parked) return;
      line.restore(parked);
    } else if (parked?.session !== line.session) {
      // Another page of this tab has taken the session meanwhile.
      line.abandon();
    }
  }

  private _take(): Parked | undefined {
    try {
      const parked: Parked = JSON.parse(this._store.getItem(this._key) as string);
      const { session, secret, frozen } = parked;
      this._store.removeItem(this._key);
      if (frozen && session !== this._line.session && !wasDiscarded()) return undefined;
      return typeof session === "string" && typeof secret === "string" ? parked : undefined;
    } catch {
      return undefined;
    }
  }
}

/** The browser has thrown the page away that was here, and loads it anew. */
function wasDiscarded(): boolean {
  return !!(globalThis.document as { wasDiscarded?: boolean } | undefined)?.wasDiscarded;
}
