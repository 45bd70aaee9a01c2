/**
 * The client's session: a conversation that goes on across links.
 *
 *     out   outbox → link                  counted as it leaves, confirmed by acks
 *     in    link → counted, replays skipped → control is answered at once │ a reply to its request │ the rest to callbacks
 *
 * Rule: everything here is plain and happens in one turn of the loop; counting and fencing are `ClientLine`'s.
 */

import { Acks } from "./acks.js";
import { asMap, RequestError, text } from "./errors.js";
import type { Events, Gap } from "./events.js";
import type { Settings } from "./options.js";
import { Outbox } from "./outbox.js";
import type { Outgoing } from "./outgoing.js";
import { Requests } from "./requests.js";
import { asLost, type Link, LinkLost } from "./transports/link.js";
import type { Codec, Data } from "./wire/format.js";
import type { Welcome } from "./wire/hello.js";
import { ClientLine } from "./wire/line.js";
import { Control, type Item, type Message, Undecodable } from "./wire/message.js";

/** Bytes of a frame, if the server does not say. */
const MAX_SIZE = 1024 * 1024;

/** Who is told of what the session hears. */
export interface Listener {
  /** A message that is not a reply. */
  message(message: Message): void;
  /** The server knows nothing of an earlier session's rooms any more. */
  anew(): void;
  /** The `t` of a pong. */
  pong(t: unknown): void;
  /** The server wants the client to attach elsewhere within so many milliseconds. */
  move(within: number): void;
  /** The session's link has ended. */
  lost(lost: LinkLost): void;
}

/** One client's conversation. */
export class Session {
  readonly line: ClientLine<Outgoing>;
  readonly requests = new Requests();
  readonly outbox: Outbox;
  /** Carries the session; `undefined` while there is none. */
  link: Link | undefined;
  /** The last one. */
  welcome: Welcome | undefined;
  /** When something last came by the way down; `Date.now()`. */
  heard = 0;
  /** Messages, ever. */
  received = 0;
  duplicates = 0;
  missed = 0;
  private readonly _acks = new Acks(this);

  constructor(
    private readonly _settings: Settings,
    private readonly _events: Events,
    private readonly _listener: Listener,
  ) {
    const { window, windowBytes } = _settings.limits;
    this.line = new ClientLine(window, windowBytes);
    this.outbox = new Outbox(_settings, this.line, this.requests, _events);
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
    if (!taken) throw new LinkLost("stale_attach", "the welcome answers another hello");
    const old = this.link;
    this.link = link;
    this.welcome = welcome;
    this.heard = Date.now();
    this._acks.begin(welcome);
    this.outbox.arrived(taken.confirmed);
    this._speak(link, welcome, codec);
    this.outbox.resend(link, taken.resend);
    if (taken.missed) this._miss({ reason: welcome.reason ?? "overflow", n: taken.missed });
    if (taken.anew) this.outbox.beginAnew(taken.unknown);
    if (!welcome.rooms) this._listener.anew();
    this.outbox.flush();
    return old;
  }

  /** A link has ended. False if the session had left it before. */
  lose(link: Link, lost: LinkLost): boolean {
    if (!this.line.detach(link)) return false;
    this.link = undefined;
    this.outbox.end();
    this._acks.end();
    this._listener.lost(lost);
    return true;
  }

  // -- out ----------------------------------------------------------------------------------------------------------

  /**
   * Encode a message, so that its sender hears of what cannot be sent.
   *
   * @throws TypeError: the payload holds something that the codec cannot express.
   * @throws RequestError: `message_too_big`, by what the server said in its welcome.
   */
  check(message: Outgoing, codec: Codec): void {
    message.form(this.link?.codec ?? codec);
    const limit = this._limit("max_message_size");
    if (limit && message.size > limit) {
      throw new RequestError("message_too_big", `${message.size} bytes, the server takes ${limit}`);
    }
  }

  /** Write a control item now, if there is a link. */
  control(name: string, fields: Record<string, unknown>): void {
    this.link?.control(this.link.codec.encodeControl(name, fields));
  }

  // -- in -----------------------------------------------------------------------------------------------------------

  /** Take a frame, wherever it came from; what a link brings that the session has left is not heard. */
  hear(link: Link, frame: Data): void {
    if (!this.line.hears(link)) return;
    try {
      this.takeItems(link, link.codec.decode(frame), frame.length);
    } catch (error) {
      this.lose(link, asLost(error));
      void link.close();
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

  private _message(item: Message | Undecodable): void {
    if (item instanceof Undecodable) this._events.emit("error", new RequestError("undecodable", item.reason));
    else if (item.re !== undefined && this.requests.settle(item)) return;
    else if (item.type === "error" && item.re === undefined) this._refused(item.payload);
    else if (item.type === "gap" && item.sender === undefined) this._gap(asMap(item.payload));
    else this._listener.message(item);
  }

  /** A message without an id was answered with an error, which names its place in the count. */
  private _refused(payload: unknown): void {
    const error = RequestError.parse(payload);
    const { n } = asMap(payload);
    const { window } = this.line;
    const message = typeof n === "number" ? window.held[n - 1 - window.confirmed] : undefined;
    if (!message?.fail(error)) this._events.emit("error", error);
  }

  /** Messages were dropped before they were counted: the server says how many, and why. */
  private _gap({ reason, n, room }: Record<string, unknown>): void {
    this._miss({ reason: String(reason), n: Number(n ?? 1), room: text(room) });
  }

  /** Do what the server says; an unknown item is a newer server's and does no harm. */
  private _control({ name, fields }: Control): void {
    if (name === "ack") {
      if (!this.outbox.confirm(Number(fields.n) || 0))
        throw new LinkLost("bad_control", `ack: ${fields.n} were not sent`);
      this.outbox.flush();
    } else if (name === "ping") this.control("pong", "t" in fields ? { t: fields.t } : {});
    else if (name === "pong") this._listener.pong(fields.t);
    else if (name === "close") throw LinkLost.byServer(fields);
    else if (name === "move") this._listener.move((Number(fields.within) || 0) * 1000);
    else if (name === "error") this._events.emit("error", RequestError.parse(fields));
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  private _miss(gap: Gap): void {
    this.missed += gap.n;
    this._events.emit("gap", gap);
  }

  private _speak(link: Link, welcome: Welcome, codec: Codec): void {
    const { enableBatching, batchSize } = this._settings;
    const { interval, timeout } = welcome.heartbeat;
    const batch = enableBatching && welcome.batch ? batchSize : 1;
    const maxSize = this._limit("max_message_size") ?? MAX_SIZE;
    link.speak({ codec, batch, maxSize, patience: (interval + timeout) * 1000 });
    this.outbox.link = link;
    this.outbox.batch = batch;
  }

  private _limit(name: string): number | undefined {
    const value = this.welcome?.limits[name];
    return typeof value === "number" && value > 0 ? value : undefined;
  }
}
