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
import { loadMore, more } from "./beside.js";
import { Chain } from "./chain.js";
import type { Climber } from "./climb.js";
import { Deferred } from "./deferred.js";
import { NetworkError, NotConnected, RealtimeError, type Refused, Suspended } from "./errors.js";
import type { Events } from "./events.js";
import type { ConnectionInfo, Role, State } from "./info.js";
import type { ConnectionType, Settings } from "./options.js";
import type { ConnectionQualityDetector } from "./quality.js";
import type { Session } from "./session.js";
import { pageStore } from "./store.js";
import { later, now } from "./timers.js";
import { asLost, type Link, LinkLost } from "./transports/link.js";
import { prefetch } from "./transports/make.js";

/** Links in a row that ended with frames that cannot be understood, after which both counts begin anew. */
const BROKEN = 3;
const BROKEN_CODES = ["malformed_frame", "message_too_big", "bad_control"];

/** What only climbing needs of a connector. */
type Climbing = Pick<Connector, "attach" | "chain" | "climbing" | "isClosed" | "loss" | "until" | "wake">;

/** What a connector is made of. */
export type Parts = ConstructorParameters<typeof Connector>;

/** What a client needs of whoever keeps its session attached. */
export interface Connecting extends Omit<Pick<Connector, keyof Connector>, "attacher" | keyof Climbing> {
  /** Knows the codec that is asked for. */
  readonly attacher: Pick<Attacher, "codec">;
  /** This tab's part in the connection that it shares with others; `undefined` if it shares none. */
  readonly role?: Role;
}

/** Keeps the session attached. */
export class Connector {
  state: State = "idle";
  /** The transport of the present or the last link. */
  type: ConnectionType | undefined;
  attaches = 0;
  reconnects = 0;
  /** Of what `connect` began. */
  ended: Promise<void> | undefined;
  /** Brings the session to links. */
  readonly attacher: Attacher;
  /** Which transport comes when. */
  readonly chain: Chain;
  /** Why the link has ended, until that is dealt with. */
  loss: LinkLost | undefined;
  /** Another link is tried while there is one. */
  climbing = false;
  private readonly _backoff: Backoff;
  private _greeted = false;
  private _paused = false;
  private _asked = false;
  private _broken = 0;
  private _since = 0;
  private _waiter: Deferred<void> | undefined;
  private _made: Climber | undefined;
  /** End what `until` waits for. */
  wake: () => void = () => {};

  /**
   * @param _info makes what the events `connect` and `reconnect` carry.
   * @param _stopped called when the server said not to come back.
   */
  constructor(
    private readonly _session: Session,
    private readonly _detector: ConnectionQualityDetector,
    private readonly _settings: Settings,
    private readonly _events: Events,
    private readonly _info: () => ConnectionInfo,
    private readonly _stopped: () => void,
  ) {
    const { connectionType, fallbackTypes, memory, base, reconnectDelay, timing, random } = _settings;
    this.chain = new Chain(
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
    this.wake();
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

  /**
   * Prefer this type from now on, and move the session to it while the old link goes on.
   *
   * @throws NetworkError: it cannot be had, or its code cannot.
   */
  async switch(type: ConnectionType): Promise<void> {
    this.chain.prefer(type);
    if (this.state !== "connected" || this.type === type) return;
    const done = new Deferred<void>();
    await loadMore();
    if (!this._climber) throw new NetworkError("the code for that cannot be loaded");
    this._climber.want([type], done);
    await done.promise;
  }

  /** The link may be dead: attach again beside it. Whichever brings something first carries the session. */
  doubt(): void {
    this._climber?.again(this.chain.order());
  }

  /** The server drains: attach again within so many milliseconds, wherever that leads. */
  move(within: number): void {
    this._climber?.move(within);
  }

  /** The session's link has ended. */
  lost(lost: LinkLost): void {
    this.loss = lost;
    // What was asked for while there was a link is no reason to be quick now.
    this._asked = false;
    // The server ends the old link when it takes the new one's hello: its welcome is on the way.
    if (this.climbing && !this._isOurs(lost.refusal)) this.attacher.abort();
    this.wake();
  }

  /** Attach no more. The link, if there is one, is left to the caller: there may be more to say. */
  close(): void {
    this._become("closed");
    this._events.isClosed = true;
    this._paused = false;
    this._climber?.end();
    this.attacher.abort();
    this._session.heartbeat.stop();
    this._refuse(new NotConnected("the client was closed"));
    this.wake();
  }

  // -- the loop -----------------------------------------------------------------------------------------------------

  private async _run(ready: () => Promise<void>): Promise<void> {
    await ready();
    const { maxReconnectAttempts, timing } = this._settings;
    let attempt = 0;
    let first: ConnectionType | undefined;
    while (!this.isClosed) {
      if (this._paused) {
        attempt = 0;
        this._become("paused");
        await this.until(Number.POSITIVE_INFINITY);
        continue;
      }
      this._asked = false;
      const before = this._use();
      const lost = await this.attach(this.chain.order(first)).then(() => this._stay(), asLost);
      const { code, retryAfter = 0 } = lost;
      if (this._paused) continue;
      if (this.isClosed || this._ends(lost)) return;
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
      if (!this._asked) await this.until(pause);
      if (this._asked) attempt = 0;
      // Not even what was asked for comes sooner than the server has said.
      while (!this.isClosed && now() < earliest) await this.until(earliest - now());
    }
  }

  /** Return what changes when a link is of use: messages or parts of them, either way, or a heartbeat's answer. */
  private _use(): number {
    const { received, outbox, heartbeat, parts } = this._session;
    return received + outbox.confirmed + heartbeat.answered + parts;
  }

  /** Try these types in turn, until the session is attached or the server itself refuses. */
  async attach(order: readonly ConnectionType[]): Promise<void> {
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
        if (code === "no_token" || this.isClosed || this._paused || (this.climbing && this.loss)) break;
      }
    }
    const cause = failures.length > 1 ? new AggregateError(failures) : failures[0]?.cause;
    throw new LinkLost(failures.map(({ reason }) => reason).join("; "), code, undefined, advice, true, cause);
  }

  /** Wait until the link is lost. Meanwhile climb to a better transport if one may be had. */
  private async _stay(): Promise<LinkLost> {
    // Later, if not yet.
    if (!more) void loadMore().then(() => this.wake());
    while (!this.loss && !this.isClosed) await (this._climber?.step() ?? this.until(Number.POSITIVE_INFINITY));
    return this._left(this.loss ?? new LinkLost("closed", "bye"));
  }

  /** Moves the session that is attached; `undefined` as long as its code is not here. */
  private get _climber(): Climber | undefined {
    this._made ??= more && new more.Climber(this, this._detector, this._settings);
    return this._made;
  }

  /** Wait for a wake-up or the time. */
  until(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = later(milliseconds, resolve);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // -- links come and go --------------------------------------------------------------------------------------------

  /** The session has moved to a link. */
  private _adopt(link: Link, old: Link | undefined): void {
    void old?.close();
    this.loss = undefined;
    this._since = now();
    this.chain.worked(link.type);
    if (!this.attaches++) prefetch(this.chain.order());
    if (this.type !== link.type) {
      this.type = link.type;
      this._detector.reset();
      this._climber?.begin();
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
  private _left(lost: LinkLost): LinkLost {
    this.loss = undefined;
    this._climber?.want();
    if (this.isClosed) return lost;
    this._become("reconnecting");
    if (!lost.refusal && this.type) this.chain.lost(this.type, now() - this._since);
    this._broken = BROKEN_CODES.includes(lost.code) ? this._broken + 1 : 0;
    if (this._broken >= BROKEN) this.attacher.forget = true;
    this._events.emit("disconnect", lost.code);
    return lost;
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

  private _stop(error: RealtimeError): void {
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
  private _refuse(error: Error): boolean {
    const waiter = this._waiter;
    this._waiter = undefined;
    waiter?.reject(error);
    return !!waiter;
  }

  get isClosed(): boolean {
    return this.state === "closed";
  }

  private _become(state: State): void {
    if (state === this.state) return;
    this.state = state;
    this._events.emit("state", state);
  }
}
