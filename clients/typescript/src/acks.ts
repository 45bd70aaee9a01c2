/**
 * Acknowledgements: how many messages the client has received, said often enough and not more often.
 *
 * Rule: at a quarter of the server's window, at 64 KiB, or after a second, whichever comes first; also for parts of a
 * message, which would else be silence on a slow link. Only the first two are needed: the timer of a hidden page may be a
 * minute late, and then nothing is lost but a little of the server's memory.
 */

import type { Session } from "./session.js";
import { later, type Timer } from "./timers.js";
import type { Welcome } from "./wire/hello.js";
import type { Place } from "./wire/parts.js";

const BYTES = 64 * 1024;
/** Milliseconds. */
const AFTER = 1000;
/** Messages, if the server does not say how long its window is. */
const WINDOW = 100;

/** When to acknowledge on the present link. */
export class Acks {
  declare private _every: number;
  declare private _acked: number;
  declare private _bytes: number;
  private _part: Place | undefined;
  private _timer: Timer;

  constructor(private readonly _session: Session) {}

  /** A new link: its hello has said what was received, and may have said it too early. */
  begin(welcome: Welcome): void {
    this._every = Math.max(1, (welcome.limits.window ?? WINDOW) >> 2);
    this._acked = this._bytes = 0;
    this._part = this._session.line.parts?.place;
    this.end();
  }

  /** A frame of `size` bytes came. */
  due(size: number): void {
    this._bytes += size;
    if (this._session.line.received - this._acked >= this._every || this._bytes >= BYTES) this._write();
    else this._timer ??= later(AFTER, () => this._write());
  }

  /** The link is gone. */
  end(): void {
    clearTimeout(this._timer);
    this._timer = undefined;
  }

  private _write(): void {
    this.end();
    const { confirmable, parts } = this._session.line;
    const part = parts?.place;
    if (confirmable <= this._acked && part?.at === this._part?.at) return;
    this._acked = confirmable;
    this._part = part;
    this._bytes = 0;
    this._session.control("ack", { n: confirmable, part });
  }
}
