/** Which transport to try, in which order: preference, what worked, what keeps breaking. */

import type { ConnectionType, KeyStore } from "./options.js";
import { now } from "./timers.js";

/** A link that lives for less is short, milliseconds. */
const SHORT = 10_000;
/** So many short ones in a row, each ended by the network, and the transport is left alone for a while. */
const STRIKES = 3;
/** That while, milliseconds. */
const PENALTY = 60_000;
/** What worked so long ago says nothing about today's network, milliseconds. */
const STALE = 24 * 3600 * 1000;

/** The fallback chain, with its memory. */
export class Chain {
  private _worked: ConnectionType | undefined;
  private readonly _strikes = new Map<ConnectionType, number>();
  private readonly _until = new Map<ConnectionType, number>();

  /**
   * @param _preference the types that may be used, the preferred first.
   * @param _memory where the one that worked is remembered, under `_key`.
   */
  constructor(
    private _preference: readonly ConnectionType[],
    private readonly _memory: KeyStore | null,
    private readonly _key: string,
  ) {
    try {
      const [type, at] = JSON.parse(_memory?.getItem(_key) as string);
      if (_preference.includes(type) && Date.now() - at < STALE) this._worked = type;
    } catch {
      // Nothing there, forbidden, or somebody else's: the first attempts find out.
    }
  }

  /** Return what to try in turn: `first` if it is given, what worked last, then by preference; penalties last. */
  order(first?: ConnectionType): ConnectionType[] {
    const start = first && this._preference.includes(first) ? first : this._worked;
    const rank = (type: ConnectionType) => (this._isPenalised(type) && type !== first ? 2 : type === start ? 0 : 1);
    return [...this._preference].sort((one, other) => rank(one) - rank(other));
  }

  /** Return what is preferred to the present transport and not left alone just now, the best first. */
  better(than: ConnectionType): ConnectionType[] {
    return this._preference.slice(0, this._preference.indexOf(than)).filter((type) => !this._isPenalised(type));
  }

  /** A program has chosen: this type comes first from now on. */
  prefer(type: ConnectionType): void {
    this._preference = [...new Set([type, ...this._preference])];
    this._until.delete(type);
    this._strikes.delete(type);
  }

  /** A session was welcomed by this type. */
  worked(type: ConnectionType): void {
    this._worked = type;
    try {
      this._memory?.setItem(this._key, JSON.stringify([type, Date.now()]));
    } catch {
      // Full, or forbidden: the next page finds out by itself.
    }
  }

  /** A link of this type was cut by the network after so many milliseconds. */
  lost(type: ConnectionType, lived: number): void {
    const strikes = lived < SHORT ? (this._strikes.get(type) ?? 0) + 1 : 0;
    this._strikes.set(type, strikes % STRIKES);
    if (strikes >= STRIKES) this._until.set(type, now() + PENALTY);
  }

  private _isPenalised(type: ConnectionType): boolean {
    return (this._until.get(type) ?? 0) > now();
  }
}
