/**
 * What a page leaves for the next one in the same tab, so that a reload resumes the session.
 *
 * Rule: the session is in the store only between a page's end (or freeze) and the next page's begin, which takes it out.
 * A tab is duplicated while its page lives, so its copy of `sessionStorage` holds nothing that it could steal.
 */

import type { KeyStore } from "./options.js";
import type { Credentials } from "./wire/line.js";

/** A session that waits for its next page. */
export interface Parked extends Credentials {
  rooms: string[];
}

/** One client's place in a store. */
export class SessionStore {
  constructor(
    private readonly _store: KeyStore,
    private readonly _key: string,
  ) {}

  /** The page ends. Put again is put anew. */
  park(parked: Parked): void {
    try {
      this._store.setItem(this._key, JSON.stringify(parked));
    } catch {
      // Full, or forbidden: the next page begins a session of its own.
    }
  }

  /** Take out what was left; `undefined` if there is nothing. */
  take(): Parked | undefined {
    try {
      const parked = JSON.parse(this._store.getItem(this._key) as string);
      this._store.removeItem(this._key);
      return typeof parked?.session === "string" && typeof parked.secret === "string" ? parked : undefined;
    } catch {
      return undefined;
    }
  }
}
