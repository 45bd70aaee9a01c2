/**
 * The outbox: messages from the moment they are sent until the server has confirmed them.
 *
 *     submit → (crowd →) queue, by priority → counted out, into the window → link → confirmed
 *
 * Rule: one flush per turn of the loop, in slices: what is urgent can overtake what still waits here. A link that is
 * busy, a full window or the server's pace leaves messages in the queue, and so does having no link. While the queue is
 * full senders wait in a crowd before it, as long as they want to.
 */

import { QueueFull, RealtimeError, RequestError, UnknownOutcome } from "./errors.js";
import type { Events } from "./events.js";
import type { Settings } from "./options.js";
import { ANSWERED, CONFIRMED, DEPARTED, type Outgoing, QUEUED, WAITING } from "./outgoing.js";
import { Pace } from "./pace.js";
import { PriorityMessageQueue } from "./queue.js";
import type { Requests } from "./requests.js";
import { later, type Timer } from "./timers.js";
import type { Link, Speech } from "./transports/link.js";
import type { Codec, Data } from "./wire/format.js";
import type { Welcome } from "./wire/hello.js";
import type { ClientLine } from "./wire/line.js";

/** Bytes handed to a link at once. */
const SLICE = 16 * 1024;
/** Senders that may wait for room, for each place in the queue: many more than any program that awaits has. */
const CROWD = 100;
/** Bytes, messages, and messages per second, where nobody names a limit. */
const UNLIMITED = 1e9;

/** What is on its way to the server. */
export class Outbox {
  readonly queue: PriorityMessageQueue<Outgoing>;
  private readonly _crowd: PriorityMessageQueue<Outgoing>;
  /** Messages, ever. */
  sent = 0;
  confirmed = 0;
  /** The server takes no more messages on this link for now; control it does. */
  held = false;
  private _link: Link | undefined;
  declare private _batch: number;
  private _maxSize = UNLIMITED;
  private _pace = new Pace(UNLIMITED, UNLIMITED);
  private _soon = false;
  private _later: Timer;

  constructor(
    private readonly _settings: Settings,
    private readonly _line: ClientLine<Outgoing>,
    private readonly _requests: Requests,
    private readonly _events: Events,
  ) {
    const { queue } = _settings.limits;
    const dropped = (message: Outgoing) =>
      this._tell(message, new QueueFull("a more urgent message has taken its place"));
    this.queue = new PriorityMessageQueue(queue, dropped);
    this._crowd = new PriorityMessageQueue(queue * CROWD, dropped);
  }

  // -- in -----------------------------------------------------------------------------------------------------------

  /**
   * Return a message's wire form, so that its sender hears of what cannot be sent.
   *
   * @throws TypeError: the payload holds something that the codec cannot express.
   * @throws RequestError: `message_too_big`, by what the server said in its welcome.
   */
  form(message: Outgoing, codec: Codec): Data {
    const data = message.form(codec);
    if (message.size > this._maxSize) {
      throw new RequestError("message_too_big", `${message.size} bytes, the server takes ${this._maxSize}`);
    }
    return data;
  }

  /**
   * Let a message wait for its turn, which is this one of the loop if it can be.
   *
   * @param isPatient it may wait for room in the queue.
   * @throws QueueFull: there is no room, and nothing that waits is less urgent.
   */
  submit(message: Outgoing, isPatient: boolean): void {
    // It is asked for by a welcome, which ends with a flush.
    if (message.options.first) return this.queue.prepend(message);
    try {
      // Who comes later does not overtake who waits already.
      if (isPatient && this._crowd.length && message.priority !== "critical") return this._crowd.enqueue(message);
      this._enqueue(message);
    } catch (error) {
      if (!isPatient || !(error instanceof QueueFull)) throw error;
      return this._crowd.enqueue(message);
    }
    if (!this._link || this._soon) return;
    if (this._batch === 1 || message.priority === "critical" || this.queue.length >= this._batch) {
      this._soon = true;
      queueMicrotask(() => this.flush());
    } else {
      this._flushLater(this._settings.batchInterval);
    }
  }

  /** Its sender gives up. A message that is still queued is never sent. */
  withdraw(message: Outgoing, error: Error): void {
    message.fail(error);
    this._crowd.remove(message);
    this.queue.remove(message);
    this._refill();
  }

  // -- out ----------------------------------------------------------------------------------------------------------

  /** Give the link what waits, a slice at a time, until it is busy, the window is full, or it would be too quick. */
  flush(): void {
    this._stopTimers();
    const { _line: line, queue } = this;
    while (this._link && !this._link.busy && !this.held) {
      const place = line.window.sent;
      const items: Data[] = [];
      for (let size = 0; queue.length && !line.full && size < SLICE && !this._mustWait(); ) {
        const message = queue.dequeue() as Outgoing;
        this._refill();
        try {
          items.push(this.form(message, this._link.codec));
        } catch (error) {
          // Another codec had taken it, or there was none yet to ask.
          this._tell(message, error instanceof RealtimeError ? error : new RequestError("bad_payload", String(error)));
          continue;
        }
        message.place = line.put(message);
        this._pace.spend(1);
        size += message.size;
        message.reach(DEPARTED);
      }
      if (!items.length) break;
      this.sent += items.length;
      this._link.send(items, place);
    }
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
    for (const message of messages) message.reach(CONFIRMED);
  }

  // -- links and ends -----------------------------------------------------------------------------------------------

  /** A link takes what waits from now on, and first what the server lacks. */
  begin(link: Link, welcome: Welcome, { batch, maxSize }: Speech, again: readonly Outgoing[]): void {
    const rate = welcome.limits.rate_per_second || UNLIMITED;
    const burst = welcome.limits.burst || rate;
    this._link = link;
    this.held = false;
    this._batch = batch;
    this._maxSize = maxSize;
    // A session that goes on has spent what it has spent.
    if (!welcome.resumed || this._pace.rate !== rate || this._pace.burst !== burst) this._pace = new Pace(rate, burst);
    if (!again.length) return;
    const items = again.map((message) => {
      try {
        return this.form(message, link.codec);
      } catch {
        // It was counted, so something must stand in its place: the server will refuse a nameless message.
        return link.codec.encode({ type: "", id: message.id } as Outgoing);
      }
    });
    this._pace.spend(items.length);
    link.send(items, this._line.window.sent - items.length);
  }

  /** The link is gone: senders go on, and what they sent stays queued, as far as there is room. */
  end(): void {
    this._link = undefined;
    this._stopTimers();
    for (const message of this.queue) message.release(DEPARTED);
  }

  /** The session that carried these is gone. What may run twice is sent again; of the rest nobody knows. */
  beginAnew(unknown: readonly Outgoing[]): void {
    const untold: Outgoing[] = [];
    // A confirmed request whose reply will never come is as unknown as what was never confirmed.
    for (const message of new Set([...unknown, ...this._requests])) {
      // What was to go first in it has lost its sense.
      if (message.options.first) this.withdraw(message, new UnknownOutcome([message]));
      // Not sent yet, or answered, which says more than a confirmation.
      if (message.stage < DEPARTED || message.stage === ANSWERED) continue;
      if (!message.options.idempotent || message.failure) {
        if (!message.fail(new UnknownOutcome([message]))) untold.push(message);
        continue;
      }
      message.stage = WAITING;
      message.place = -1;
      try {
        this.submit(message, true);
      } catch (error) {
        this._tell(message, error as RealtimeError);
      }
    }
    if (untold.length) this._events.emit("error", new UnknownOutcome(untold));
  }

  /** The client ends: nothing that waits will come to pass. */
  fail(error: RealtimeError): void {
    const { _crowd: crowd, queue } = this;
    for (const message of [...this._line.window.reset(), ...crowd, ...queue, ...this._requests]) message.fail(error);
    while (crowd.dequeue() ?? queue.dequeue());
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  /** Who waits for room in the queue gets it. */
  private _refill(): void {
    const { _crowd: crowd, queue } = this;
    while (crowd.length && queue.length < queue.maxSize) this._enqueue(crowd.dequeue() as Outgoing);
  }

  private _enqueue(message: Outgoing): void {
    this.queue.enqueue(message);
    message.reach(QUEUED);
    // It leaves when there is a link again: its sender need not wait for that.
    if (!this._link) message.release(DEPARTED);
  }

  /** Tell whoever waits for a message that it failed; everybody, if nobody waits. */
  private _tell(message: Outgoing, error: RealtimeError): void {
    if (!message.fail(error)) this._events.emit("error", error);
  }

  /** Say whether the next message would come too soon for the server; then it goes later by itself. */
  private _mustWait(): boolean {
    const wait = this._pace.wait();
    if (wait) this._flushLater(wait);
    return wait > 0;
  }

  private _flushLater(milliseconds: number): void {
    this._later ??= later(milliseconds, () => this.flush());
  }

  private _stopTimers(): void {
    clearTimeout(this._later);
    this._later = undefined;
    this._soon = false;
  }
}
