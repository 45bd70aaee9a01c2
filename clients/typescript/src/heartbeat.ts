/**
 * The client's own heartbeat: it measures round trips, and finds a link that is dead without having ended.
 *
 * Rule: a timer that comes late proves nothing. A hidden page's timers are up to a minute late, a laptop that slept wakes
 * with all of them overdue, and what the server said meanwhile may still wait to be read. So silence counts only when the
 * timer that found it was on time, and only the second time: a large frame on a slow network is silent, too. A ping that
 * waits behind a POST has the time that this takes on a bad network besides, and a link that comes after one which died with
 * something under way has more patience, until it brings something.
 */

import type { Events } from "./events.js";
import type { ConnectionQualityDetector, Quality } from "./quality.js";
import type { Session } from "./session.js";
import { later, now, type Timer } from "./timers.js";
import { LinkLost } from "./transports/link.js";

/** Milliseconds by which a timer may be late and still mean something. */
const LATE = 1000;
/** Pings in a row without a sign of life that end a link. */
const MISSES = 2;
/** Times the usual patience, at most, for a link that comes after one which died with something under way. */
const PATIENCE = 8;
/** Bytes in a millisecond that the worst network carries: 16 KiB a second. */
const RATE = 16;
/** Milliseconds for an answer, where there is reason to doubt; and round trips, if those are longer. */
const DOUBT = [2000, 4] as const;

/** Pings on the session's link, whichever it is. */
export class Heartbeat {
  /** How many pings were answered. */
  answered = 0;
  private _number = 0;
  /** When the last ping went out that may still be answered. */
  private _at: number | undefined;
  declare private _misses: number;
  private _timer: Timer;
  private _quality: Quality | undefined;
  private _times = 1;
  declare private _interval: number;
  declare private _timeout: number;

  constructor(
    private readonly _session: Session,
    private readonly _detector: ConnectionQualityDetector,
    private readonly _events: Events,
  ) {}

  /** A new link: ping it now and every `interval`; milliseconds. */
  start(interval: number, timeout: number): void {
    this._interval = interval;
    this._timeout = timeout * this._times;
    this._misses = 0;
    this.probe();
  }

  /**
   * Find out now whether the link lives.
   *
   * @param inDoubt there is reason to believe that it does not: then no answer within a moment asks for another link.
   */
  probe(inDoubt = false): void {
    const { link } = this._session;
    if (!link) return;
    this.stop();
    const at = (this._at = now());
    const moment = Math.max(DOUBT[0], DOUBT[1] * (this._detector.latency ?? 0));
    const timeout = (inDoubt ? Math.min(moment, this._timeout) : this._timeout) + (link.underway ?? 0) / RATE;
    this._session.control("ping", { t: ++this._number });
    this._timer = later(timeout, () => this._look(at, timeout, inDoubt));
  }

  /** The link is gone. */
  stop(): void {
    clearTimeout(this._timer);
  }

  /** A pong came. */
  pong(t: unknown): void {
    if (t !== this._number || this._at === undefined) return;
    this.answered++;
    this._detector.recordLatency(now() - this._at);
    this._at = undefined;
    this._judge();
  }

  private _look(at: number, timeout: number, inDoubt: boolean): void {
    const { link, heard } = this._session;
    const time = now();
    // An answer may have come in the millisecond of the ping, and the welcome before it.
    if (heard > at || this._at === undefined) {
      this._misses = 0;
      this._timeout /= this._times;
      this._times = 1;
      this._timer = later(this._interval - timeout, () => this.probe());
    } else if (time - at > timeout + LATE) this.probe(inDoubt);
    else {
      this._detector.recordPacketLoss();
      this._judge();
      if (++this._misses < MISSES) {
        this.probe();
        if (inDoubt) this._session.doubt();
      } else {
        const { window, parts } = this._session.line;
        if (window.held.length || parts?.place) this._times = Math.min(PATIENCE, this._times * 2);
        void this._session.end(link, new LinkLost(`silence for ${Math.round(time - heard)} ms`, "ping_timeout"));
      }
    }
  }

  private _judge(): void {
    const quality = this._detector.getConnectionQuality();
    if (quality !== this._quality) this._events.emit("quality", (this._quality = quality));
  }
}
