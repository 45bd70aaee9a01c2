/**
 * The gate: up to where every tab that is awake has what came from the server.
 *
 * Rule: tabs are asked now and then, not with each message, and one that does not answer in time is taken to be asleep: it
 * is left out until it is heard of again. So a tab that hangs costs the server nothing.
 */

import { Deferred, later, now, type Timer } from "../core.js";

/** Messages after which tabs are asked. */
const EVERY = 16;
/** Milliseconds after which they are, in any case. */
const AFTER = 250;
/** Milliseconds in which a tab that is awake answers, and by which a timer may be late and still mean something. */
const PATIENCE = 2000;
const LATE = 1000;

/** Where the tabs are. */
export class Gate {
  /** Messages that came. */
  count: number;
  /** Messages that every tab has. */
  open: number;
  private readonly _got = new Map<string, number>();
  private readonly _asleep = new Set<string>();
  private _asked: number;
  private _soon: Timer;
  private _patience: Timer;
  private _reached: Deferred<void>[] = [];

  /**
   * @param _ask asks all tabs to say where they are.
   * @param _moved told when `open` has changed.
   */
  constructor(
    count: number,
    private readonly _ask: (n: number) => void,
    private readonly _moved: () => void,
  ) {
    this.count = this.open = this._asked = count;
  }

  /** Messages that the tab has which has the fewest, asleep or not. */
  get lowest(): number {
    return Math.min(this.count, ...this._got.values());
  }

  /** Both counts begin again. */
  begin(count: number): void {
    this.count = this.open = this._asked = count;
    for (const tab of this._got.keys()) this._got.set(tab, count);
    this._look();
  }

  /** A tab is here, and has so many. */
  join(tab: string, got: number): void {
    this._got.set(tab, got);
    this._asleep.delete(tab);
  }

  /** It is not any more. */
  leave(tab: string): void {
    this._got.delete(tab);
    this._look();
  }

  /** It is awake. */
  heard(tab: string): void {
    this._asleep.delete(tab);
  }

  got(tab: string, n: number): void {
    if (!this._got.has(tab)) return;
    this._got.set(tab, n);
    this._look();
  }

  /** So many have come. */
  came(count: number): void {
    this.count = count;
    if (!this._got.size) this._look();
    else if (count - this._asked >= EVERY) this._askNow();
    else this._soon ??= later(AFTER, () => this._askNow());
  }

  /** Resolves when every tab has all that came. */
  async reached(): Promise<void> {
    if (this.open >= this.count) return;
    const reached = new Deferred<void>();
    this._reached.push(reached);
    this._askNow();
    await reached.promise;
  }

  end(): void {
    clearTimeout(this._soon);
    clearTimeout(this._patience);
    for (const reached of this._reached.splice(0)) reached.resolve();
  }

  private _askNow(): void {
    clearTimeout(this._soon);
    this._soon = undefined;
    this._asked = this.count;
    this._ask(this.count);
    this._wait();
  }

  private _wait(): void {
    if (this._patience !== undefined) return;
    const at = now();
    const { _asked: asked } = this;
    this._patience = later(PATIENCE, () => {
      this._patience = undefined;
      // This tab may have slept, and not the others.
      const isLate = now() - at > PATIENCE + LATE;
      for (const [tab, got] of this._got) if (!isLate && got < asked) this._asleep.add(tab);
      if (isLate) this._ask(this.count);
      this._look();
      if (this.open < this._asked) this._wait();
    });
  }

  private _look(): void {
    let open = this.count;
    for (const [tab, got] of this._got) if (!this._asleep.has(tab)) open = Math.min(open, got);
    if (open > this.open) {
      this.open = open;
      this._moved();
    }
    if (this.open < this.count) return;
    clearTimeout(this._patience);
    this._patience = undefined;
    for (const reached of this._reached.splice(0)) reached.resolve();
  }
}
