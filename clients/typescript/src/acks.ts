/**
 * Acknowledgements: how many messages the client has received, said often enough and not more often.
 *
 * Rule: at a quarter of the server's window, at 64 KiB, or after a second, whichever comes first. Only the first two are
 * needed: the timer of a hidden page may be a minute late, and then nothing is lost but a little of the server's memory.
 */

import type { Session } from "./session.js";
import { later, type Timer } from "./timers.js";
import type { Welcome } from "./wire/hello.js";

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
  private _timer: Timer;

  constructor(private readonly _session: Session) {}

  /** A new link: its hello has said what was received, and may have said it too early. */
  begin(welcome: Welcome): void {
    this._every = Math.max(1, (welcome.limits.window ?? WINDOW) >> 2);
    this._acked = this._bytes = 0;
    this.end();
  }

  /** A frame of `size` bytes came, after which so many messages have been received in all. */
  due(received: number, size: number): void {
    if (received === this._acked) return;
    this._bytes += size;
    if (received - this._acked >= this._every || this._bytes >= BYTES) this._write();
    else this._timer ??= later(AFTER, () => this._write());
  }

  /** The link is gone. */
  end(): void {
    clearTimeout(this._timer);
    this._timer = undefined;
  }

  private _write(): void {
    this.end();
    const { confirmable } = this._session.line;
    if (confirmable <= this._acked) return;
    this._acked = confirmable;
    this._bytes = 0;
    this._session.control("ack", { n: confirmable });
  }
}
