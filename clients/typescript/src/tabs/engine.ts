/**
 * The engine: the session of all tabs, in the tab that leads. It is a client's session as any other; what comes is not for
 * callbacks but for the hub, and what goes has come from tabs.
 */

import {
  ClientLine,
  CONFIRMED,
  type Codec,
  ConnectionQualityDetector,
  type Data,
  DEPARTED,
  type Events,
  type Item,
  type Link,
  type Listener,
  type Message,
  Outgoing,
  Session,
  type Settings,
  sizeOf,
  type Undecodable,
} from "../core.js";
import type { Hello, Welcome } from "../wire/hello.js";
import type { HelloOptions, Resumption } from "../wire/line.js";
import type { Ledger } from "./ledger.js";
import type { Place } from "./posts.js";

/** What the engine tells its hub. */
export interface Owner {
  /** Messages that every tab has. */
  readonly gate: number;
  /** Resolves when that is all of them. */
  reached(): Promise<void>;
  /** A hello is about to leave. */
  greets(attach: number): void;
  /** The session moves; nothing was said on its new link yet. `anew`: both counts begin again. */
  moves(welcome: Welcome, anew: boolean): void;
  /** It has moved. */
  moved(link: Link, welcome: Welcome): void;
  came(item: Message | Undecodable): void;
  /** Those were all of one frame of so many bytes. */
  cameAll(size: number): void;
  placed(message: Relayed): void;
  confirmed(): void;
  failed(message: Relayed, error: Error): void;
  sampled(): void;
}

/** A tab's message on its way through the leader. */
export class Relayed extends Outgoing {
  /**
   * @param whose its place in its tab's count.
   * @param _wire its wire form, in the codec `_from`.
   */
  constructor(
    private readonly _owner: Owner,
    readonly whose: Readonly<Place>,
    private readonly _wire: Data,
    private readonly _from: Codec,
  ) {
    super("", undefined, {});
  }

  override form(codec: Codec): Data {
    const { _wire: wire, _from: from } = this;
    const data = codec.name === from.name ? wire : codec.encode(from.decode(wire)[0] as Message);
    this.size = sizeOf(data);
    return data;
  }

  override reach(stage: number, reply?: unknown): void {
    super.reach(stage, reply);
    if (stage === DEPARTED) this._owner.placed(this);
    else if (stage === CONFIRMED) this._owner.confirmed();
  }

  override fail(error: Error): boolean {
    this._owner.failed(this, error);
    return true;
  }
}

/** Counts, of which the hub is told before the server. */
class SharedLine extends ClientLine<Outgoing> {
  constructor(
    { window, windowBytes }: Settings["limits"],
    private readonly _owner: Owner,
  ) {
    super(window, windowBytes);
  }

  override get confirmable(): number {
    return Math.min(this.received, this._owner.gate);
  }

  override settled(): Promise<void> {
    return this._owner.reached();
  }

  override hello(connection: object, options?: HelloOptions): Hello {
    const hello = super.hello(connection, options);
    this._owner.greets(hello.attach);
    return hello;
  }

  override takeWelcome(connection: object, welcome: Welcome): Resumption<Outgoing> | undefined {
    const taken = super.takeWelcome(connection, welcome);
    if (taken) this._owner.moves(welcome, taken.anew);
    return taken;
  }
}

/** Round trips, of which every tab is told. */
export class SharedDetector extends ConnectionQualityDetector {
  /** Of the last heartbeats; `null` for one that was lost. */
  samples: (number | null)[] = [];

  constructor(private readonly _owner: Pick<Owner, "sampled">) {
    super();
  }

  override recordLatency(milliseconds: number): void {
    super.recordLatency(milliseconds);
    this._take(Math.round(milliseconds));
  }

  override recordPacketLoss(): void {
    super.recordPacketLoss();
    this._take(null);
  }

  override reset(): void {
    super.reset();
    this.samples = [];
  }

  private _take(sample: number | null): void {
    this.samples = [...this.samples.slice(-19), sample];
    this._owner.sampled();
  }
}

/** The session of all tabs. */
export class Engine extends Session {
  constructor(
    settings: Settings,
    events: Events,
    detector: SharedDetector,
    listener: Listener,
    private readonly _owner: Owner,
  ) {
    super(settings, events, detector, listener, new SharedLine(settings.limits, _owner));
  }

  /** Go on where another leader has stopped: with its counts, and what it had sent. */
  restore({ facts, places, confirmed, sent }: Ledger, codec: Codec): void {
    const { line, _owner: owner } = this;
    const { window } = line;
    const { session, secret, attach, gate } = facts;
    Object.assign(line, { session, secret, attach, received: gate });
    window.sent = confirmed;
    for (const place of places) {
      if (place.data === undefined) continue;
      const message = new Relayed(owner, place, place.data, codec);
      message.form(codec);
      message.stage = DEPARTED;
      message.place = line.put(message);
    }
    if (window.sent !== sent) throw new Error("places do not add up");
  }

  /** Tell the server what every tab has. */
  acknowledge(): void {
    if (this.link && !this.link.confirms) this._acks.due(this.line.received, 0);
  }

  override take(link: Link, welcome: Welcome, codec: Codec): Link | undefined {
    const old = super.take(link, welcome, codec);
    this._owner.moved(link, welcome);
    return old;
  }

  override takeItems(link: Link, items: readonly Item[], size: number): void {
    try {
      super.takeItems(link, items, size);
    } finally {
      this._owner.cameAll(size);
    }
  }

  protected override _message(item: Message | Undecodable): void {
    this._owner.came(item);
  }
}
