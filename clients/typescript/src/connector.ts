/**
 * The connector: what keeps the session on a link, or tries to.
 *
 *     connecting ──welcome──▶ connected ──lost──▶ reconnecting ──welcome──▶ connected
 *                                                      │ maxReconnectAttempts failed
 *                                                      ▼
 *                                                  suspended: a slow timer, connect(), or the network is back
 *     stopped: the server said not to come back. closed: the program did. paused: it did, for a while.
 *
 * Rule: what the server says goes before what we think: its close code decides between resume, afresh and stop, and its
 * `retryAfter` is never undercut.
 */

import { Attacher } from "./attach.js";
import { Backoff } from "./backoff.js";
import { Chain } from "./chain.js";
import { Deferred } from "./deferred.js";
import { NetworkError, NotConnected, RealtimeError, type Refused, Suspended } from "./errors.js";
import type { Events } from "./events.js";
import type { ConnectionInfo, Role, State } from "./info.js";
import type { ConnectionType, Settings } from "./options.js";
import type { ConnectionQualityDetector } from "./quality.js";
import type { Session } from "./session.js";
import { pageStore } from "./store.js";
import { later, now, type Timer } from "./timers.js";
import { asLost, type Link, LinkLost } from "./transports/link.js";
import { prefetch } from "./transports/make.js";

/** Links in a row that ended with frames that cannot be understood, after which both counts begin anew. */
const BROKEN = 3;
const BROKEN_CODES = ["malformed_frame", "message_too_big", "bad_control"];

/** Somebody wants the session on one of these types, the first that can be had. */
interface Wish {
  order: ConnectionType[];
  done?: Deferred<void>;
}

/** What a connector is made of. */
export type Parts = ConstructorParameters<typeof Connector>;

/** Keeps the session attached. */
export class Connector {
  state: State = "idle";
  /** The transport of the present or the last link. */
  type: ConnectionType | undefined;
  attaches = 0;
  reconnects = 0;
  /** Of what `connect` began. */
  ended: Promise<void> | undefined;
  /** This tab's part in the connection that it shares with others; `undefined` if it shares none. */
  role: Role | undefined;
  /** Brings the session to links. */
  readonly attacher: Attacher;
  private readonly _chain: Chain;
  private readonly _backoff: Backoff;
  private _greeted = false;
  protected _paused = false;
  private _asked = false;
  private _broken = 0;
  private _since = 0;
  private _loss: LinkLost | undefined;
  private _climbing = false;
  protected _waiter: Deferred<void> | undefined;
  private _wish: Wish | undefined;
  private _moving: Timer;
  private _wake: () => void = () => {};

  /**
   * @param _info makes what the events `connect` and `reconnect` carry.
   * @param _stopped called when the server said not to come back.
   */
  constructor(
    protected readonly _session: Session,
    protected readonly _detector: ConnectionQualityDetector,
    protected readonly _settings: Settings,
    protected readonly _events: Events,
    private readonly _info: () => ConnectionInfo,
    private readonly _stopped: () => void,
  ) {
    const { connectionType, fallbackTypes, memory, base, reconnectDelay, timing, random } = _settings;
    this._chain = new Chain(
      [...new Set([connectionType, ...fallbackTypes])],
      memory === undefined ? pageStore("localStorage") : memory,
      `rtcore:transport:${base}`,
    );
    this._backoff = new Backoff(reconnectDelay, timing.maxReconnectDelay, random);
    this.attacher = new Attacher(_session, _settings, (link, old) => this._adopt(link, old));
  }

  // -- for the client -----------------------------------------------------------------------------------------------

  /** Resolves when the session is attached; begins to attach it if nobody does, once it is `ready`. */
  async connect(ready: () => Promise<void>): Promise<void> {
    const { state } = this;
    if (state === "connected") return;
    const waiter = (this._waiter ??= new Deferred<void>());
    if (["idle", "stopped", "closed"].includes(state)) {
      this._greeted = this._events.isClosed = false;
      this._become("connecting");
      // A bug, if anything: nobody will attach any more, so nobody may wait for it.
      this.ended = this._run(ready).catch((error) =>
        this._stop(new RealtimeError("internal", String(error), { cause: error })),
      );
    }
    this.resume();
    await waiter.promise;
  }

  /** There is reason to believe that the next attempt succeeds: make it now. One that waits for a token begins anew. */
  retry(): void {
    this._asked = true;
    if (this.state === "connected") return;
    this.attacher.hurry();
    this._wake();
  }

  /** Attach no more until `resume`; the session waits for that. The caller ends its link. */
  pause(): void {
    this._paused = true;
    this.attacher.abort();
  }

  /** The same as `retry`, and the end of a pause. */
  resume(): void {
    this._paused = false;
    this.retry();
  }

  /** Prefer this type from now on, and move the session to it while the old link goes on. */
  async switch(type: ConnectionType): Promise<void> {
    this._chain.prefer(type);
    if (this.state !== "connected" || this.type === type) return;
    const done = new Deferred<void>();
    this._want({ order: [type], done });
    await done.promise;
  }

  /** The link may be dead: attach again beside it. Whichever brings something first carries the session. */
  doubt(): void {
    if (!this._wish) this._want({ order: this._chain.order() });
  }

  /** The server drains: attach again within so many milliseconds, wherever that leads. */
  move(within: number): void {
    clearTimeout(this._moving);
    this._moving = later(this._settings.random() * within, () => this.doubt());
  }

  /** The session's link has ended. */
  lost(lost: LinkLost): void {
    this._loss = lost;
    // What was asked for while there was a link is no reason to be quick now.
    this._asked = false;
    // The server ends the old link when it takes the new one's hello: its welcome is on the way.
    if (this._climbing && !this._isOurs(lost.refusal)) this.attacher.abort();
    this._wake();
  }

  /** Attach no more. The link, if there is one, is left to the caller: there may be more to say. */
  close(): void {
    this._become("closed");
    this._events.isClosed = true;
    this._paused = false;
    clearTimeout(this._moving);
    this.attacher.abort();
    this._session.heartbeat.stop();
    this._refuse(new NotConnected("the client was closed"));
    this._wake();
  }

  // -- the loop -----------------------------------------------------------------------------------------------------

  protected async _run(ready: () => Promise<void>): Promise<void> {
    await ready();
    const { maxReconnectAttempts, timing } = this._settings;
    let attempt = 0;
    let first: ConnectionType | undefined;
    while (!this._isClosed()) {
      if (this._paused) {
        attempt = 0;
        this._become("paused");
        await this._until(Number.POSITIVE_INFINITY);
        continue;
      }
      this._asked = false;
      const before = this._use();
      const lost = await this._attach(this._chain.order(first)).then(() => this._stay(), asLost);
      const { code, retryAfter = 0 } = lost;
      if (this._paused) continue;
      if (this._isClosed() || this._ends(lost)) return;
      first = code === "ping_timeout" ? this._detector.getSuggestedConnectionType() : undefined;
      // A link that brought nothing and soon broke is a failure too, or a server that welcomes and breaks would be asked
      // for ever without a pause.
      attempt = this._use() === before ? attempt + 1 : 0;
      const { attempts = 0, delay = 0 } = this._session.welcome?.reconnect ?? {};
      const limit = Math.max(maxReconnectAttempts, attempts);
      const suspend = attempt > limit;
      if (suspend) this._suspend(limit, lost);
      const pause = suspend
        ? this._backoff.around(Math.max(timing.suspendedDelay, retryAfter))
        : this._backoff.delay(attempt, retryAfter, delay * 1000);
      const earliest = now() + retryAfter;
      if (!this._asked) await this._until(pause);
      if (this._asked) attempt = 0;
      // Not even what was asked for comes sooner than the server has said.
      while (!this._isClosed() && now() < earliest) await this._until(earliest - now());
    }
  }

  /** Return what changes when a link is of use: messages either way, or a heartbeat's answer. */
  private _use(): number {
    const { received, outbox, heartbeat } = this._session;
    return received + outbox.confirmed + heartbeat.answered;
  }

  /** Try these types in turn, until the session is attached or the server itself refuses. */
  private async _attach(order: readonly ConnectionType[]): Promise<void> {
    const failures: NetworkError[] = [];
    let code: string | undefined;
    let advice: number | undefined;
    for (const type of order) {
      try {
        return await this.attacher.attach(type);
      } catch (error) {
        const lost = asLost(error);
        const { refusal, reason, retryAfter, cause } = lost;
        if (retryAfter !== undefined) advice = Math.max(advice ?? 0, retryAfter);
        if (refusal) {
          // The others may be why it was asked.
          if (failures.length) refusal.cause ??= new AggregateError(failures);
          lost.retryAfter = advice;
          throw lost;
        }
        code = lost.code;
        failures.push(new NetworkError(`${type}: ${reason}`, { retryAfter, cause }));
        // Another transport has no other token.
        if (code === "no_token" || this._isClosed() || this._paused || (this._climbing && this._loss)) break;
      }
    }
    const cause = failures.length > 1 ? new AggregateError(failures) : failures[0]?.cause;
    throw new LinkLost(failures.map(({ reason }) => reason).join("; "), code, undefined, advice, true, cause);
  }

  /** Wait until the link is lost. Meanwhile do what is wished, and climb to a better transport if one may be had. */
  private async _stay(): Promise<LinkLost> {
    const { climb, maxClimb } = this._settings.timing;
    for (let pause = climb; ; ) {
      if (!this._loss && !this._wish && !this._isClosed()) await this._until(this._backoff.around(pause));
      if (this._loss || this._isClosed()) return this._left(this._loss ?? new LinkLost("closed", "bye"));
      const wish: Wish = this._wish ?? { order: this._better() };
      this._wish = undefined;
      if (!wish.order.length) continue;
      this._climbing = true;
      try {
        await this._attach(wish.order);
        wish.done?.resolve();
        pause = climb;
      } catch (error) {
        wish.done?.reject(asLost(error).error);
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
      const timer = later(milliseconds, resolve);
      this._wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // -- links come and go --------------------------------------------------------------------------------------------

  /** The session has moved to a link. */
  protected _adopt(link: Link, old: Link | undefined): void {
    void old?.close();
    this._loss = undefined;
    this._since = now();
    this._chain.worked(link.type);
    if (!this.attaches++) prefetch(this._chain.order());
    if (this.type !== link.type) {
      this.type = link.type;
      this._detector.reset();
      this._events.emit("transport", link.type);
    }
    if (this.state !== "connected") {
      const again = this._greeted;
      this._greeted = true;
      this._become("connected");
      if (again) this.reconnects++;
      this._events.emit(again ? "reconnect" : "connect", this._info());
    } else if (!this._session.welcome?.resumed) {
      // Nobody was told of a loss, and yet it is not the session that it was.
      this.reconnects++;
      this._events.emit("reconnect", this._info());
    }
    this._waiter?.resolve();
    this._waiter = undefined;
  }

  /** The link is lost: tell, and remember what it says about its transport. */
  protected _left(lost: LinkLost): LinkLost {
    this._loss = undefined;
    this._want();
    if (this._isClosed()) return lost;
    this._become("reconnecting");
    if (!lost.refusal && this.type) this._chain.lost(this.type, now() - this._since);
    this._broken = BROKEN_CODES.includes(lost.code) ? this._broken + 1 : 0;
    if (this._broken >= BROKEN) this.attacher.forget = true;
    this._events.emit("disconnect", lost.code);
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
  private _ends({ refusal, error, code }: LinkLost): boolean {
    if (refusal?.next === "afresh") this._session.line.abandon();
    if (refusal?.next === "stop" && !this._isOurs(refusal)) this._stop(refusal);
    else if (!this._settings.autoReconnect && code !== "paused") this._stop(error);
    else return false;
    return true;
  }

  /** Another connection took the session, and it was this client's own newer hello. */
  private _isOurs(refusal: Refused | undefined): boolean {
    if (refusal?.code !== "superseded") return false;
    const { line } = this._session;
    const { attach } = refusal.details;
    return typeof attach === "number" ? line.isMine(attach) : line.attach > line.attached;
  }

  protected _stop(error: RealtimeError): void {
    this._session.line.abandon();
    this._session.outbox.fail(error);
    this._stopped();
    const awaited = this._refuse(error);
    // The last thing: who is told may connect again.
    this._become("stopped");
    if (!awaited) this._events.emit("error", error);
  }

  private _suspend(attempts: number, { reason, retryAfter, error }: LinkLost): void {
    const cause = error.cause ?? error;
    const suspended = new Suspended(`${attempts} more attempts have failed: ${reason}`, { retryAfter, cause });
    if (!this._refuse(suspended) && this.state !== "suspended") this._events.emit("error", suspended);
    this._become("suspended");
  }

  /** Tell all who wait for a connection that there is none. False if nobody does. */
  protected _refuse(error: Error): boolean {
    const waiter = this._waiter;
    this._waiter = undefined;
    waiter?.reject(error);
    return !!waiter;
  }

  private _isClosed(): boolean {
    return this.state === "closed";
  }

  protected _become(state: State): void {
    if (state === this.state) return;
    this.state = state;
    this._events.emit("state", state);
  }
}
