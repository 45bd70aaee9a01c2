/**
 * The connector: what keeps the session on a link, or tries to.
 *
 *     connecting ──welcome──▶ connected ──lost──▶ reconnecting ──welcome──▶ connected
 *                                                      │ maxReconnectAttempts failed
 *                                                      ▼
 *                                                  suspended: a slow timer, connect(), or the network is back
 *     stopped: the server said not to come back. closed: the program did.
 *
 * Rule: what the server says goes before what we think: its close code decides between resume, afresh and stop, and its
 * `retryAfter` is never undercut.
 */

import type { Attacher } from "./attach.js";
import { Backoff } from "./backoff.js";
import type { Chain } from "./chain.js";
import { Deferred } from "./deferred.js";
import { NetworkError, NotConnected, type RealtimeError, type Refused, Suspended } from "./errors.js";
import type { Heartbeat } from "./heartbeat.js";
import type { State } from "./info.js";
import type { ConnectionType, Settings } from "./options.js";
import type { ConnectionQualityDetector } from "./quality.js";
import type { Session } from "./session.js";
import { asLost, type Link, LinkLost } from "./transports/link.js";

/** Links in a row that ended with frames that cannot be understood, after which both counts begin anew. */
const BROKEN = 3;
const BROKEN_CODES = ["malformed_frame", "message_too_big", "bad_control"];

/** Somebody wants the session on one of these types, the first that can be had. */
interface Wish {
  order: ConnectionType[];
  done?: Deferred<void>;
}

/** Who is told how it goes. */
export interface Watcher {
  state(state: State): void;
  /** The session is attached again, or for the first time. */
  attached(first: boolean): void;
  transport(type: ConnectionType): void;
  disconnected(code: string): void;
  failed(error: RealtimeError): void;
  /** The server said not to come back. */
  stopped(): void;
}

/** Keeps the session attached. */
export class Connector {
  state: State = "idle";
  /** The transport of the present or the last link. */
  type: ConnectionType | undefined;
  attaches = 0;
  reconnects = 0;
  /** Brings the session to links; set before anything else. */
  attacher!: Attacher;
  heartbeat!: Heartbeat;
  private readonly _backoff: Backoff;
  private _running: object | undefined;
  private _greeted = false;
  private _asked = false;
  private _broken = 0;
  private _since = 0;
  private _loss: LinkLost | undefined;
  private _climbing = false;
  private _waiter: Deferred<void> | undefined;
  private _wish: Wish | undefined;
  private _wake: () => void = () => {};

  constructor(
    private readonly _session: Session,
    private readonly _chain: Chain,
    private readonly _detector: ConnectionQualityDetector,
    private readonly _settings: Settings,
    private readonly _watcher: Watcher,
  ) {
    this._backoff = new Backoff(_settings.reconnectDelay, _settings.timing.maxReconnectDelay, _settings.random);
  }

  // -- for the client -----------------------------------------------------------------------------------------------

  /** Resolves when the session is attached; begins to attach it if nobody does. */
  connect(): Promise<void> {
    if (this.state === "connected") return Promise.resolve();
    const waiter = (this._waiter ??= new Deferred<void>());
    if (!this._running) {
      this._greeted = false;
      this._become("connecting");
      const run = (this._running = {});
      void this._run().finally(() => {
        if (this._running === run) this._running = undefined;
      });
    }
    this.retry();
    return waiter.promise;
  }

  /** There is reason to believe that the next attempt succeeds: make it now. */
  retry(): void {
    this._asked = true;
    if (this.state !== "connected") this._wake();
  }

  /** Prefer this type from now on, and move the session to it while the old link goes on. */
  async switch(type: ConnectionType): Promise<void> {
    this._chain.prefer(type);
    if (this.state !== "connected" || this.type === type) return;
    const done = new Deferred<void>();
    this._want({ order: [type], done });
    await done.promise;
  }

  /** The server drains: attach again within so many milliseconds, wherever that leads. */
  move(within: number): void {
    setTimeout(() => this._want({ order: this._chain.order() }), this._settings.random() * within);
  }

  /** The session's link has ended. */
  lost(lost: LinkLost): void {
    this._loss = lost;
    this.heartbeat.stop();
    // The server ends the old link when it takes the new one's hello: its welcome is on the way.
    if (this._climbing && !(lost.refusal && this._isOurs(lost.refusal))) this.attacher.abort();
    this._wake();
  }

  /** Attach no more. The link, if there is one, is left to the caller: there may be more to say. */
  close(): void {
    this._become("closed");
    this.attacher.abort();
    this.heartbeat.stop();
    this._refuse(new NotConnected("the client was closed"));
    this._wake();
  }

  // -- the loop -----------------------------------------------------------------------------------------------------

  private async _run(): Promise<void> {
    let attempt = 0;
    let first: ConnectionType | undefined;
    for (;;) {
      const before = this._use();
      let lost: LinkLost;
      try {
        await this._attach(this._chain.order(first));
        lost = await this._stay();
        first = lost.code === "ping_timeout" ? this._detector.getSuggestedConnectionType() : undefined;
      } catch (error) {
        lost = asLost(error);
      }
      if (this._isClosed() || this._ends(lost)) return;
      // A link that brought nothing and soon broke is a failure too, or a server that welcomes and breaks would be asked
      // for ever without a pause.
      attempt = this._use() === before ? attempt + 1 : 0;
      const suspend = attempt > this._settings.maxReconnectAttempts;
      if (suspend) this._suspend(lost.retryAfter);
      const pause = suspend
        ? this._backoff.delay(0, Math.max(this._settings.timing.suspendedDelay, lost.retryAfter ?? 0))
        : this._backoff.delay(attempt, lost.retryAfter);
      if (await this._pause(pause)) attempt = 0;
      if (this._isClosed()) return;
    }
  }

  /** Return what changes when a link is of use: messages either way, or a heartbeat's answer. */
  private _use(): string {
    const { received, window } = this._session.line;
    return `${received} ${window.confirmed} ${this.heartbeat.answered}`;
  }

  /** Try these types in turn, until the session is attached or the server itself refuses. */
  private async _attach(order: readonly ConnectionType[]): Promise<void> {
    let failure = new LinkLost("NETWORK_ERROR", "no transport to try");
    let advice = 0;
    for (const type of order) {
      try {
        return await this.attacher.attach(type);
      } catch (error) {
        failure = asLost(error);
        if (failure.refusal && failure.code !== "unsupported_codec") break;
        advice = Math.max(advice, failure.retryAfter ?? 0);
        if (this._isClosed() || (this._climbing && this._loss)) break;
      }
    }
    if (advice) failure.retryAfter = Math.max(advice, failure.retryAfter ?? 0);
    throw failure;
  }

  /** Wait until the link is lost. Meanwhile do what is wished, and climb to a better transport if one may be had. */
  private async _stay(): Promise<LinkLost> {
    const { climb, maxClimb } = this._settings.timing;
    for (let pause = climb; ; ) {
      if (!this._loss && !this._wish && !this._isClosed()) await this._until(this._backoff.around(pause));
      if (this._isClosed()) return new LinkLost("bye");
      if (this._loss) return this._left(this._loss);
      const wish: Wish = this._wish ?? { order: this._better() };
      this._wish = undefined;
      if (!wish.order.length) continue;
      this._climbing = true;
      try {
        await this._attach(wish.order);
        wish.done?.resolve();
        pause = climb;
      } catch (error) {
        const { reason, retryAfter } = asLost(error);
        wish.done?.reject(new NetworkError(reason, { retryAfter }));
        pause = Math.min(pause * 2, maxClimb);
      } finally {
        this._climbing = false;
      }
    }
  }

  /** Return what is worth a climb: nothing while the connection is bad, whatever carries it. */
  private _better(): ConnectionType[] {
    if (!this.type || this._detector.getConnectionQuality() === "poor") return [];
    return this._chain.better(this.type);
  }

  /** Wait for a wake-up or the time. */
  private _until(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this._wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Wait before the next attempt. True if somebody asked for it now. */
  private async _pause(milliseconds: number): Promise<boolean> {
    this._asked = false;
    await this._until(milliseconds);
    return this._asked;
  }

  // -- links come and go --------------------------------------------------------------------------------------------

  /** The session has moved to a link. */
  adopt(link: Link, old: Link | undefined): void {
    void old?.close();
    const { heartbeat: beat } = this._session.welcome ?? { heartbeat: { interval: 30, timeout: 5 } };
    const { heartbeatInterval, pingTimeout } = this._settings;
    this._loss = undefined;
    this._since = Date.now();
    this.attaches++;
    this._chain.worked(link.type);
    if (this.type !== link.type) {
      this.type = link.type;
      this._detector.reset();
      this._watcher.transport(link.type);
    }
    const was = this.state;
    this._become("connected");
    this.heartbeat.start(Math.min(heartbeatInterval, beat.interval * 1000), Math.min(pingTimeout, beat.timeout * 1000));
    if (was !== "connected") {
      if (this._greeted) this.reconnects++;
      const first = !this._greeted;
      this._greeted = true;
      this._watcher.attached(first);
    }
    this._waiter?.resolve();
    this._waiter = undefined;
  }

  /** The link is lost: tell, and remember what it says about its transport. */
  private _left(lost: LinkLost): LinkLost {
    this._loss = undefined;
    this._become("reconnecting");
    if (!lost.refusal && this.type) this._chain.lost(this.type, Date.now() - this._since);
    this._broken = BROKEN_CODES.includes(lost.code) ? this._broken + 1 : 0;
    if (this._broken >= BROKEN) this.attacher.forget = true;
    this._want();
    this._watcher.disconnected(lost.code);
    return lost;
  }

  /** Wish for something else than what is wished now, or for nothing any more. */
  private _want(wish?: Wish): void {
    this._wish?.done?.reject(new NetworkError("given up"));
    this._wish = wish;
    if (this.state === "connected") this._wake();
    else if (wish) this._want();
  }

  // -- ends ---------------------------------------------------------------------------------------------------------

  /** Do what a loss asks for. True if it is the end. */
  private _ends({ refusal, reason, retryAfter }: LinkLost): boolean {
    if (refusal?.next === "afresh") this._session.line.abandon();
    if (refusal?.next === "stop" && !this._isOurs(refusal)) this._stop(refusal);
    else if (!this._settings.autoReconnect) this._stop(refusal ?? new NetworkError(reason, { retryAfter }));
    else return false;
    return true;
  }

  /** Another connection took the session, and it was this client's own newer hello. */
  private _isOurs({ code, details }: Refused): boolean {
    const { line } = this._session;
    if (code !== "superseded") return false;
    return typeof details.attach === "number" ? line.isMine(details.attach) : line.attach > line.attached;
  }

  private _stop(error: RealtimeError): void {
    this._running = undefined;
    this._become("stopped");
    this._session.line.abandon();
    this._session.outbox.fail(error);
    const awaited = this._refuse(error);
    if (!awaited) this._watcher.failed(error);
    this._watcher.stopped();
  }

  private _suspend(retryAfter: number | undefined): void {
    const error = new Suspended(`${this._settings.maxReconnectAttempts} attempts to reconnect have failed`, {
      retryAfter,
    });
    const awaited = this._refuse(error);
    if (this.state !== "suspended" && !awaited) this._watcher.failed(error);
    this._become("suspended");
  }

  /** Tell all who wait for a connection that there is none. False if nobody does. */
  private _refuse(error: Error): boolean {
    const waiter = this._waiter;
    this._waiter = undefined;
    waiter?.reject(error);
    return !!waiter;
  }

  private _isClosed(): boolean {
    return this.state === "closed";
  }

  private _become(state: State): void {
    if (state === this.state) return;
    this.state = state;
    this._watcher.state(state);
  }
}
