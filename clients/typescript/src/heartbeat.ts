/**
 * The client's own heartbeat: it measures round trips, and finds a link that is dead without having ended.
 *
 * Rule: a timer that comes late proves nothing. A hidden page's timers are up to a minute late, a laptop that slept wakes
 * with all of them overdue, and what the server said meanwhile may still wait to be read. So silence counts only when the
 * timer that found it was on time, and only the second time: a large frame on a slow network is silent, too.
 */

import type { Events } from "./events.js";
import type { ConnectionQualityDetector, Quality } from "./quality.js";
import type { Session } from "./session.js";
import { LinkLost } from "./transports/link.js";

/** Milliseconds by which a timer may be late and still mean something. */
const LATE = 1000;
/** Pings in a row without a sign of life that end a link. */
const MISSES = 2;

/** Pings on the session's link, whichever it is. */
export class Heartbeat {
  /** How many pings were answered. */
  answered = 0;
  private _number = 0;
  private _misses = 0;
  private _sent = new Map<number, number>();
  private _timer: ReturnType<typeof setTimeout> | undefined;
  private _quality: Quality | undefined;
  private _interval = 0;
  private _timeout = 0;

  constructor(
    private readonly _session: Session,
    private readonly _detector: ConnectionQualityDetector,
    private readonly _events: Events,
    private readonly _dead: (lost: LinkLost) => void,
  ) {}

  /** A new link: ping it now and every `interval`; milliseconds. */
  start(interval: number, timeout: number): void {
    this._interval = interval;
    this._timeout = timeout;
    this._misses = 0;
    this._sent.clear();
    this.probe();
  }

  /** Find out now whether the link lives. */
  probe(): void {
    if (!this._session.link) return;
    this.stop();
    const at = Date.now();
    this._sent.set(++this._number, at);
    this._session.control("ping", { t: this._number });
    this._timer = setTimeout(() => this._look(at), this._timeout);
  }

  /** The link is gone. */
  stop(): void {
    clearTimeout(this._timer);
  }

  /** A pong came. */
  pong(t: unknown): void {
    const sent = this._sent.get(t as number);
    if (sent === undefined) return;
    this._sent.delete(t as number);
    this.answered++;
    this._detector.recordLatency(Date.now() - sent);
    this._judge();
  }

  private _look(at: number): void {
    if (this._session.heard >= at) {
      this._misses = 0;
      this._timer = setTimeout(() => this.probe(), Math.max(0, this._interval - this._timeout));
      return;
    }
    this._sent.clear();
    if (Date.now() - at > this._timeout + LATE) return this.probe();
    this._detector.recordPacketLoss();
    this._judge();
    if (++this._misses < MISSES) this.probe();
    else this._dead(new LinkLost("ping_timeout", `nothing was heard for ${Date.now() - this._session.heard} ms`));
  }

  private _judge(): void {
    const quality = this._detector.getConnectionQuality();
    if (quality !== this._quality) this._events.emit("quality", (this._quality = quality));
  }
}
