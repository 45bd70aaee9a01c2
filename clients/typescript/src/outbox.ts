/**
 * The outbox: messages from the moment they are sent until the server has confirmed them.
 *
 *     submit → queue, by priority → counted out, into the window → link → confirmed
 *
 * Rule: one flush per turn of the loop, in slices: what is urgent can overtake what still waits here. A link that is
 * busy, or a full window, leaves messages in the queue; a full queue makes senders wait, or refuses them while offline.
 */

import { Deferred } from "./deferred.js";
import { QueueFull, type RealtimeError, RequestError, UnknownOutcome } from "./errors.js";
import type { Events } from "./events.js";
import type { Settings } from "./options.js";
import type { Outgoing } from "./outgoing.js";
import { PriorityMessageQueue } from "./queue.js";
import type { Requests } from "./requests.js";
import type { Link } from "./transports/link.js";
import type { Data } from "./wire/format.js";
import type { ClientLine } from "./wire/line.js";

/** Bytes handed to a link at once. */
const SLICE = 16 * 1024;

/** What is on its way to the server. */
export class Outbox {
  readonly queue: PriorityMessageQueue<Outgoing>;
  /** Takes it; `undefined` while there is none. */
  link: Link | undefined;
  /** Messages that share a frame at most; 1 when batching was not agreed on. */
  batch = 1;
  /** Messages, ever. */
  sent = 0;
  confirmed = 0;
  private _soon = false;
  private _later: ReturnType<typeof setTimeout> | undefined;
  private _room = new Deferred<void>();

  constructor(
    private readonly _settings: Settings,
    private readonly _line: ClientLine<Outgoing>,
    private readonly _requests: Requests,
    private readonly _events: Events,
  ) {
    this.queue = new PriorityMessageQueue(_settings.limits.queue, (message) =>
      this.tell(message, new QueueFull("a more urgent message has taken its place")),
    );
  }

  // -- in -----------------------------------------------------------------------------------------------------------

  /**
   * Let a message wait for its turn, which is this one of the loop if it can be.
   *
   * @throws QueueFull: nothing that waits is less urgent.
   */
  submit(message: Outgoing): void {
    this.queue.enqueue(message);
    if (!this.link || this._soon) return;
    if (this.batch === 1 || message.priority === "critical" || this.queue.length >= this.batch) {
      this._soon = true;
      queueMicrotask(() => this.flush());
    } else {
      this._later ??= setTimeout(() => this.flush(), this._settings.batchInterval);
    }
  }

  /** Resolves when something has left the queue, or the link is gone. */
  room(): Promise<void> {
    return this._room.promise;
  }

  // -- out ----------------------------------------------------------------------------------------------------------

  /** Give the link what waits, a slice at a time, until it is busy or the window is full. */
  flush(): void {
    this._stopTimers();
    const { _line: line, queue, sent } = this;
    while (this.link && queue.length && !line.full && !this.link.busy) {
      const place = line.window.sent;
      const items: Data[] = [];
      for (let size = 0; queue.length && !line.full && size < SLICE; ) {
        const message = queue.dequeue() as Outgoing;
        const item = this._encode(message, this.link);
        if (item === undefined) continue;
        line.put(message);
        items.push(item);
        size += message.size;
        message.depart();
      }
      this.sent += items.length;
      if (items.length) this.link.send(items, place);
    }
    if (this.sent !== sent) this._wakeSenders();
  }

  /** Send again what the server lacks. It was counted, so something must stand in the place of each. */
  resend(link: Link, messages: readonly Outgoing[]): void {
    const items = messages.map((message) => {
      try {
        return message.form(link.codec);
      } catch {
        return link.codec.encode({ type: "", id: message.id } as Outgoing);
      }
    });
    if (items.length) link.send(items, this._line.window.sent - items.length);
  }

  /** The server has received so many messages. False if that cannot be. */
  confirm(n: number): boolean {
    const arrived = this._line.confirm(n);
    this.arrived(arrived ?? []);
    return !!arrived;
  }

  /** These are confirmed. */
  arrived(messages: readonly Outgoing[]): void {
    this.confirmed += messages.length;
    for (const message of messages) message.confirm();
  }

  // -- links and ends -----------------------------------------------------------------------------------------------

  /** The link is gone: senders go on, and what they sent stays queued. */
  end(): void {
    this.link = undefined;
    this._stopTimers();
    for (const message of this.queue) message.release();
    this._wakeSenders();
  }

  /** The session that carried these is gone. What may run twice is sent again; of the rest nobody knows. */
  beginAnew(unknown: readonly Outgoing[]): void {
    // A confirmed request whose reply will never come is as unknown as what was never confirmed.
    const lost = new Set([...unknown, ...this._requests.messages.filter((message) => message.hasDeparted)]);
    const untold: Outgoing[] = [];
    for (const message of lost) {
      if (message.idempotent) {
        message.requeue();
        try {
          this.queue.enqueue(message);
        } catch (error) {
          this.tell(message, error as RealtimeError);
        }
      } else if (!this._fail(message, new UnknownOutcome([message]))) untold.push(message);
    }
    if (untold.length) this._events.emit("error", new UnknownOutcome(untold));
  }

  /** The client ends: nothing that waits will come to pass. */
  fail(error: RealtimeError): void {
    for (const message of [...this._line.window.reset(), ...this.queue]) message.fail(error);
    while (this.queue.dequeue());
    this._requests.fail(() => error);
    this._wakeSenders();
  }

  /** Tell whoever waits for a message that it failed; everybody, if nobody waits. */
  tell(message: Outgoing, error: RealtimeError): void {
    if (!this._fail(message, error)) this._events.emit("error", error);
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  /** Let a message fail, and its request, if it is one. False if nobody waits to hear that. */
  private _fail(message: Outgoing, error: RealtimeError): boolean {
    const told = message.fail(error);
    if (message.id === undefined) return told;
    this._requests.fail((pending) => (pending === message ? error : undefined));
    return true;
  }

  /** Return a message's item; `undefined` if it is not to be sent, and its sender knows why. */
  private _encode(message: Outgoing, link: Link): Data | undefined {
    if (message.withdrawn) return undefined;
    try {
      return message.form(link.codec);
    } catch (error) {
      // Another codec had taken it.
      this.tell(message, new RequestError("bad_payload", String(error)));
      return undefined;
    }
  }

  private _stopTimers(): void {
    clearTimeout(this._later);
    this._later = undefined;
    this._soon = false;
  }

  private _wakeSenders(): void {
    this._room.resolve();
    this._room = new Deferred();
  }
}
