/**
 * The sharer: a tab's connector. It attaches its client's session to the port instead of to a server, whenever the tab that
 * leads has a connection; so the client is one as any other, with its handlers, rooms, requests and queue.
 */

import {
  type ConnectionType,
  Connector,
  Control,
  type Credentials,
  Deferred,
  type Item,
  JSON_CODEC,
  LinkLost,
  type Parts,
  type Quality,
  RealtimeError,
} from "../core.js";
import type { Welcome } from "../wire/hello.js";
import { Hub } from "./hub.js";
import { PortLink } from "./link.js";
import type { Platform } from "./platform.js";
import { type Client, Port } from "./port.js";
import type { Told } from "./posts.js";
import { hearOf } from "./told.js";

/** Attaches a session to what tabs share. */
export class Sharer extends Connector implements Client {
  private _port: Port | undefined;
  private _link: PortLink | undefined;
  /** Of the counts in which the session was attached last. */
  private _life = 0;
  private _quality: Quality | undefined;
  private readonly _heard: Record<string, (event: Event) => void> = {
    // The page goes, or will not run for a while; what is kept for the next page is not gone.
    pagehide: (event) => {
      const comesBack = (event as PageTransitionEvent).persisted || this._settings.resume;
      void this._port?.leave(comesBack ? "away" : "bye");
    },
    freeze: () => void this._port?.leave(),
    pageshow: (event) => (event as PageTransitionEvent).persisted && this._show(),
    resume: () => this._show(),
  };

  /** @param _group names those who share. */
  constructor(
    private readonly _platform: Platform,
    private readonly _group: string,
    parts: Parts,
  ) {
    super(...parts);
  }

  /** End the session of all tabs. */
  async end(): Promise<void> {
    await this._askFor("end");
  }

  /** The tab is one of those who share. */
  get isOpen(): boolean {
    return !!this._port?.isOpen;
  }

  // -- for the client -----------------------------------------------------------------------------------------------

  override retry(): void {
    if (this._isLeft) this._show();
    else if (this.isOpen) this._port?.wish(this.state === "connected" ? "retry" : "connect");
  }

  override pause(): void {
    super.pause();
    void this._port?.leave();
    if (!this._session.link) this._become("paused");
  }

  override async switch(type: ConnectionType): Promise<void> {
    const { connectionType, fallbackTypes } = this._settings;
    const others = [connectionType, ...fallbackTypes].filter((other) => other !== type);
    Object.assign(this._settings, { connectionType: type, fallbackTypes: others });
    if (this.state === "connected") await this._askFor({ type });
  }

  override lost(lost: LinkLost): void {
    this._left(lost);
    if (this._paused) this._become("paused");
  }

  override close(): void {
    super.close();
    this._listen("removeEventListener");
    if (!this._session.link) void this._port?.leave("bye");
  }

  protected override async _run(ready: () => Promise<void>): Promise<void> {
    await ready();
    if (this.state === "closed") return;
    if (!this._port || this._port.isGone) {
      const { _settings: settings } = this;
      const codec = settings.codec ?? JSON_CODEC;
      this._port = new Port(this._platform, this._group, settings, codec, this, (port) => new Hub(port));
      this._session.requests.prefix = `${this._port.tab}.`;
      this._listen("addEventListener");
    }
    if (this._port.isOpen) this._port.wish("connect");
    else if (!this._paused) this._port.open();
  }

  // -- what the port says -------------------------------------------------------------------------------------------

  up(kept: boolean, lost: number): void {
    const { _session: session, _port: port } = this;
    const { line } = session;
    const { facts, done } = (port as Port).ledger;
    const { welcome, type, life, attach } = facts;
    if (!port || !welcome || !type || this._paused) return;
    const isSame = line.session === facts.session && this._life === life;
    const reason = this._reason(isSame, lost);
    const taken: Welcome = {
      ...welcome,
      attach: 0,
      session: facts.session as string,
      secret: facts.secret as string,
      resumed: isSame && !lost,
      received: isSame ? (done[port.tab] ?? 0) : 0,
      from: isSame ? line.received + lost : lost,
      rooms: kept,
    };
    if (reason === undefined) delete taken.reason;
    else taken.reason = reason;
    const link = new PortLink(port, type);
    this._link = link;
    this._life = life;
    line.hello(link);
    session.take(link, taken, port.codec);
    // That nothing comes for a while is for the leader to judge.
    session.heard = Number.POSITIVE_INFINITY;
    // What a page leaves for the next one names the last hello.
    line.attach = Math.max(line.attach, attach);
    this._adopt(link, undefined);
    this.samples();
  }

  synced(): void {
    const { up, status } = this._port?.ledger.facts ?? {};
    // Nobody connects what the server has stopped, or what has failed for long, unless a program wants it.
    if (!up && this._waiter && /^s/.test(status?.state ?? "")) this._port?.wish("connect");
  }

  changed(): void {
    const { state, code = "NETWORK_ERROR", error: told } = this._port?.ledger.facts.status ?? {};
    if (this.state === "closed" || this._paused) return;
    if (state === "reconnecting") return this._down(new LinkLost(code, code));
    if (!told) return;
    const error = hearOf(told);
    this._down(new LinkLost(error.reason, error.code));
    if (state === "stopped" && (this._waiter || this.state !== "stopped")) this._stop(error);
    else if (state === "suspended" && this.state !== "stopped") {
      if (!this._refuse(error) && this.state !== "suspended") this._events.emit("error", error);
      this._become("suspended");
    }
  }

  items(items: Item[]): void {
    const { link } = this._session;
    if (link && link === this._link) this._session.takeItems(link, items, 0);
  }

  confirmed(): void {
    const { _session: session, _port: port } = this;
    if (!port || !session.link || this._life !== port.ledger.facts.life) return;
    this.items([new Control("ack", { n: port.ledger.done[port.tab] })]);
  }

  drained(): void {
    // The leader is in the middle of giving places, perhaps in this tab.
    queueMicrotask(() => this._session.outbox.flush());
  }

  samples(): void {
    const { _detector: detector } = this;
    const samples = this._port?.ledger.facts.samples ?? [];
    detector.reset();
    for (const sample of samples) {
      if (sample === null) detector.recordPacketLoss();
      else detector.recordLatency(sample);
    }
    const quality = detector.getConnectionQuality();
    if (!samples.length || quality === this._quality) return;
    this._quality = quality;
    this._events.emit("quality", quality);
  }

  error(told: Told): void {
    this._events.emit("error", hearOf(told));
  }

  leads(isLeader: boolean): void {
    this.role = isLeader ? "leader" : "follower";
  }

  parked(): Credentials | undefined {
    const { session, secret, attach } = this._session.line;
    return session !== undefined && secret !== undefined ? { session, secret, attach } : undefined;
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  /** The tab was here, and comes back. */
  private get _isLeft(): boolean {
    return !!this._port && !this._port.isOpen && !this._port.isGone;
  }

  private async _askFor(wish: "end" | { type: ConnectionType }): Promise<void> {
    const done = new Deferred<void>();
    if (!this.isOpen) throw new RealtimeError("not_connected", "this tab shares no connection just now");
    this._port?.wish(wish, (error) => (error ? done.reject(hearOf(error)) : done.resolve()));
    await done.promise;
  }

  /** Say why the session is not what it was for this tab. */
  private _reason(isSame: boolean, lost: number): string | undefined {
    const { line } = this._session;
    const { session, welcome } = this._port?.ledger.facts ?? {};
    if (isSame) return lost ? "overflow" : undefined;
    if (line.session === undefined) return undefined;
    return line.session === session ? "reset" : (welcome?.reason ?? "expired");
  }

  /** The leader has lost its link. */
  private _down(lost: LinkLost): void {
    const { _link: link } = this;
    if (!link) return;
    link.isBound = false;
    this._link = undefined;
    void this._session.end(link, lost);
  }

  private _show(): void {
    if (this._isLeft && !this._paused && this.state !== "closed") this._port?.open();
    else void this._port?.hub?.look();
  }

  private _listen(change: "addEventListener" | "removeEventListener"): void {
    for (const name in this._heard) this._platform[change]?.(name, this._heard[name] as EventListener, true);
  }
}
