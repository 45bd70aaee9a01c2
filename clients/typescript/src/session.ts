/**
 * The client's session: a conversation that goes on across links.
 *
 *     out   outbox → link                  counted as it leaves, confirmed by acks
 *     in    link → counted, replays skipped → control is answered at once │ a reply to its request │ the rest to callbacks
 *
 * Rule: everything here is plain and happens in one turn of the loop; counting and fencing are `ClientLine`'s.
 */

import { Acks } from "./acks.js";
import { RequestError, text } from "./errors.js";
import type { Events, Gap } from "./events.js";
import { Heartbeat } from "./heartbeat.js";
import type { Settings } from "./options.js";
import { Outbox } from "./outbox.js";
import { CONFIRMED, type Outgoing } from "./outgoing.js";
import type { ConnectionQualityDetector } from "./quality.js";
import { Requests } from "./requests.js";
import { now } from "./timers.js";
import { asLost, type Link, LinkLost } from "./transports/link.js";
import type { Codec, Data } from "./wire/format.js";
import type { Welcome } from "./wire/hello.js";
import { ClientLine } from "./wire/line.js";
import { asMap, Control, type Item, type Message, Undecodable } from "./wire/message.js";

/** Bytes of a frame, if the server does not say. */
const MAX_SIZE = 1024 * 1024;

/** Who is told of what the session hears. */
export interface Listener {
  /** A message that is not a reply. */
  message(message: Message): void;
  /** The server knows nothing of an earlier session's rooms any more, or lets them rest since the counts begin again. */
  anew(): void;
  /** The session goes on without so many messages. */
  missed(n: number, reason: string): void;
  /** The payload of a `gap`, of which the application hears next. */
  gap(fields: Record<string, unknown>): void;
  /** The server wants the client to attach elsewhere within so many milliseconds. */
  move(within: number): void;
  /** The session's link may be dead. */
  doubt(): void;
  /** The session's link has ended. */
  lost(lost: LinkLost): void;
}

/** One client's conversation. */
export class Session {
  readonly requests = new Requests();
  readonly outbox: Outbox;
  readonly heartbeat: Heartbeat;
  /** Carries the session; `undefined` while there is none. */
  link: Link | undefined;
  /** The last one. */
  welcome: Welcome | undefined;
  /** When something last came by the way down; `now()`. */
  heard = 0;
  /** Messages, ever. */
  received = 0;
  duplicates = 0;
  missed = 0;
  protected readonly _acks = new Acks(this);

  constructor(
    private readonly _settings: Settings,
    private readonly _events: Events,
    detector: ConnectionQualityDetector,
    private readonly _listener: Listener,
    readonly line = new ClientLine<Outgoing>(_settings.limits.window, _settings.limits.windowBytes),
  ) {
    this.outbox = new Outbox(_settings, this.line, this.requests, _events);
    this.heartbeat = new Heartbeat(this, detector, _events);
  }

  // -- links --------------------------------------------------------------------------------------------------------

  /**
   * Move to the link that a welcome came by, and send again what the server lacks.
   *
   * @returns the link that was left; the caller closes it.
   * @throws WireError: the counts do not fit. LinkLost: the welcome answers another hello. Nothing has changed.
   */
  take(link: Link, welcome: Welcome, codec: Codec): Link | undefined {
    const taken = this.line.takeWelcome(link, welcome);
    if (!taken) throw new LinkLost("the welcome answers another hello", "stale_attach");
    const { enableBatching, batchSize, heartbeatInterval, pingTimeout } = this._settings;
    const { heartbeat, limits } = welcome;
    const [interval, timeout] = [heartbeat.interval * 1000, heartbeat.timeout * 1000];
    const speech = {
      codec,
      batch: enableBatching && welcome.batch ? batchSize : 1,
      maxSize: limits.max_message_size || MAX_SIZE,
      patience: interval + timeout,
    };
    const old = this.link;
    this.link = link;
    this.welcome = welcome;
    this.heard = now();
    this._acks.begin(welcome);
    link.speak(speech);
    this.outbox.arrived(taken.confirmed);
    if (taken.anew) this.requests.givenUp.clear();
    // Before the server gets more to do.
    this._cancel([...this.requests.givenUp.values()]);
    this.outbox.begin(link, welcome, speech, taken.resend);
    if (taken.anew) this.outbox.beginAnew(taken.unknown);
    if (taken.anew || !welcome.rooms) this._listener.anew();
    const { missed: n } = taken;
    const { reason = "overflow" } = welcome;
    if (n && taken.anew) this.miss({ reason, n });
    else if (n) this._listener.missed(n, reason);
    this.outbox.flush();
    this.heartbeat.start(Math.min(heartbeatInterval, interval), Math.min(pingTimeout, timeout));
    return old;
  }

  /** The link has ended, or must: leave it, with a goodbye if there is one to say. Nothing if it was left before. */
  async end(link: Link | undefined, why: unknown, goodbye?: "bye" | "away"): Promise<void> {
    if (!link || !this.line.detach(link)) return;
    this.link = undefined;
    this.outbox.end();
    this._acks.end();
    this.heartbeat.stop();
    this._listener.lost(asLost(why));
    await link.close(goodbye && link.codec.control(goodbye, {}));
  }

  /** The link says nothing: another one would do no harm. */
  doubt(): void {
    this._listener.doubt();
  }

  /**
   * Nobody waits for the answer to a request that was sent: tell the server, and again until it has answered. While there is
   * no link, or the request itself may still be on its way, the server cannot know what is meant.
   */
  cancel(message: Outgoing): void {
    this.requests.giveUp(message);
    this._cancel([message]);
  }

  private _cancel(messages: readonly Outgoing[]): void {
    for (const { id } of messages) this.control("cancel", { id });
  }

  /** Write a control item now, if there is a link. */
  control(name: string, fields: Record<string, unknown>): void {
    this.link?.control(this.link.codec.control(name, fields));
  }

  // -- in -----------------------------------------------------------------------------------------------------------

  /** Take a frame, wherever it came from; what a link brings that the session has left is not heard. */
  hear(link: Link, frame: Data): void {
    if (!this.line.hears(link)) return;
    try {
      this.takeItems(link, link.codec.decode(frame), frame.length);
    } catch (error) {
      void this.end(link, error);
    }
  }

  /**
   * Take the items of one frame of `size` bytes.
   *
   * @throws LinkLost: the server has closed the connection, or what it says cannot be.
   */
  takeItems(link: Link, items: readonly Item[], size: number): void {
    for (const item of items) {
      if (item instanceof Control) this._control(item);
      else if (this.line.take(link)) {
        this.received++;
        this._message(item);
      } else this.duplicates++;
    }
    if (!link.confirms) this._acks.due(this.line.received, size);
  }

  /** A message came, and is counted. */
  protected _message(item: Message | Undecodable): void {
    if (item instanceof Undecodable) return this._events.emit("error", new RequestError("undecodable", item.reason));
    const { type, payload, re, sender } = item;
    if (re !== undefined) return void this.requests.settle(item);
    // What has a sender is a member's, whatever it is called.
    if (type === "error" && sender === undefined) this._refused(payload);
    else if (type === "gap" && sender === undefined) {
      // Messages were dropped before they were counted: the server says how many, and why.
      const fields = asMap(payload);
      const { reason, n, room } = fields;
      this._listener.gap(fields);
      this.miss({ reason: String(reason), n: Number(n ?? 1), room: text(room) });
    } else this._listener.message(item);
  }

  /** A message without an id was answered with an error, which names its place in the count. */
  private _refused(payload: unknown): void {
    const error = RequestError.parse(payload);
    const { n } = asMap(payload);
    const { window } = this.line;
    const at = Number(n) - 1;
    // The answer to a POST may have confirmed it before.
    const message = window.held[at - window.confirmed] ?? [...this.requests].find(({ place }) => place === at);
    if (!message?.fail(error)) this._events.emit("error", error);
  }

  /** Do what the server says; an unknown item is a newer server's and does no harm. */
  private _control({ name, fields }: Control): void {
    if (name === "ack") {
      const underway = [...this.requests.givenUp.values()].filter(({ stage }) => stage < CONFIRMED);
      if (!this.outbox.confirm(Number(fields.n) || 0))
        throw new LinkLost(`ack: ${fields.n} were not sent`, "bad_control");
      this._cancel(underway.filter(({ stage }) => stage >= CONFIRMED));
      this.outbox.flush();
    } else if (name === "ping") this.control("pong", "t" in fields ? { t: fields.t } : {});
    else if (name === "pong") this.heartbeat.pong(fields.t);
    else if (name === "flow") {
      this.outbox.held = fields.active === false;
      this.outbox.flush();
    } else if (name === "close") throw LinkLost.byServer(fields);
    else if (name === "move") this._listener.move((Number(fields.within) || 0) * 1000);
    else if (name === "error") this._events.emit("error", RequestError.parse(fields));
  }

  /** Messages will never come. */
  miss(gap: Gap): void {
    this.missed += gap.n;
    this._events.emit("gap", gap);
  }
}
