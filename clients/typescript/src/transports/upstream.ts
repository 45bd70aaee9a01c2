/**
 * The way up for transports whose own way is down only: `POST /rt/send`, one at a time.
 *
 * Rule: a POST says with `from` which count its first message has. So one whose answer was lost is sent again as it is,
 * and the server skips what it knows. What was posted stays here until an answer has confirmed it.
 */

import {
  asLost,
  type Codec,
  type Context,
  Control,
  type Data,
  Deferred,
  type LinkLost,
  type Speech,
  sizeOf,
} from "../core.js";
import { bodyOf, limited, persist, post } from "./http.js";

/** Bytes that may wait here. */
const HIGH_WATER = 128 * 1024;
/** Bytes that one POST carries at most, if a single message is not larger: what is cut is sent again as a whole. */
const POST_MAX = 64 * 1024;
/** Bytes for the first item of a POST and its controls. */
const SLACK = 4096;
/** Control items that may wait. More are nonsense, or a server that has been silent for hours. */
const CONTROLS = 1000;
/** Milliseconds for a goodbye to arrive. */
const LAST = 1000;

/** What waits to be posted. Calls `lost` of its context when there is no use in going on. */
export class Upstream {
  private readonly _codec: Codec;
  private readonly _most: number;
  // Of this attach for ever: with the next one's these POSTs would be taken for its own.
  private readonly _name: Record<string, unknown>;
  private readonly _abort = new AbortController();
  private _items: Data[] = [];
  private _controls: Data[] = [];
  private _first: number;
  private _bytes = 0;
  private _running = false;
  private _idle = new Deferred<void>();

  constructor(
    private readonly _context: Context,
    private readonly _speech: Speech,
  ) {
    const { line } = _context;
    this._codec = _speech.codec;
    this._most = Math.max(1, Math.min(POST_MAX, _speech.maxSize) - SLACK);
    this._first = line.window.sent;
    this._name = { session: line.session, secret: line.secret, attach: line.attached };
  }

  /** What every request of this attach says of itself. */
  get name(): Readonly<Record<string, unknown>> {
    return this._name;
  }

  /** More waits here than should. */
  get busy(): boolean {
    return this._bytes >= HIGH_WATER;
  }

  /** Post messages; `place` is the count of the first, and follows on what waits. */
  send(items: readonly Data[], place: number): void {
    if (!this._items.length) this._first = place;
    for (const item of items) {
      this._items.push(item);
      this._bytes += item.length;
    }
    this._start();
  }

  /** Post a control item with the next messages, or alone. */
  control(item: Data): void {
    this._controls.push(item);
    if (this._controls.length > CONTROLS) this._controls.shift();
    this._start();
  }

  /** Resolves when everything was posted and answered, or the link is lost. */
  flush(): Promise<void> {
    return this._running ? this._idle.promise : Promise.resolve();
  }

  /** Post nothing more, but for a last item, which leaves even a page that goes. Resolves when it has arrived. */
  async close(last?: Data): Promise<void> {
    this._abort.abort();
    this._idle.resolve();
    if (last === undefined) return;
    // `from` claims nothing that may be missing: no message follows.
    const body = this._codec.join([this._head(this._context.line.window.confirmed), last]);
    const say = (signal: AbortSignal) =>
      post(this._context, "send", body, this._codec, { signal, keepalive: true }).catch(() => {});
    await limited(say, LAST);
  }

  private _start(): void {
    if (this._running || this._abort.signal.aborted) return;
    this._running = true;
    this._idle = new Deferred();
    // What is sent in the same turn goes into the same POST.
    queueMicrotask(() => this._run().catch((error) => this._fail(error)));
  }

  private async _run(): Promise<void> {
    while (this._items.length || this._controls.length) await this._post();
    this._running = false;
    this._idle.resolve();
  }

  private _fail(error: unknown): void {
    this._idle.resolve();
    if (!this._abort.signal.aborted) this._context.lost(asLost(error));
  }

  private async _post(): Promise<void> {
    const { settings } = this._context;
    const controls = this._controls.splice(0);
    const items: Data[] = [];
    let size = 0;
    for (const item of this._items) {
      size += sizeOf(item) + 1;
      if (items.length && size > this._most) break;
      items.push(item);
    }
    const body = this._codec.join([this._head(this._first), ...controls, ...items]);
    const { patience } = this._speech;
    const ask = async (signal: AbortSignal): Promise<Data> => {
      const response = await post(this._context, "send", body, this._codec, { signal });
      return bodyOf(response, this._codec, settings.limits.frame);
    };
    const once = (signal: AbortSignal) => limited(ask, patience, signal);
    let answer: Data;
    try {
      answer = await persist(once, patience, this._abort.signal, settings.random);
    } catch (error) {
      const lost = asLost(error);
      if (lost.code !== "gap") throw lost;
      this._controls.unshift(...controls);
      return this._rewind(lost);
    }
    if (this._abort.signal.aborted) return;
    for (const item of this._codec.decode(answer)) {
      if (item instanceof Control && item.name === "ack") this._drop(Number(item.fields.n) || 0);
    }
    this._context.aside(answer);
  }

  private _head(from: number): Data {
    return this._codec.control("send", { ...this._name, from });
  }

  /** The server lacks what was posted before: nothing here can make that good unless it still waits here. */
  private _rewind(gap: LinkLost): void {
    const expected = gap.refusal?.details.expected;
    if (typeof expected !== "number" || expected < this._first) throw gap;
    this._drop(expected);
  }

  /** The server has so many messages: those need no other POST. */
  private _drop(confirmed: number): void {
    const wasBusy = this.busy;
    for (const item of this._items.splice(0, Math.max(0, confirmed - this._first))) {
      this._first++;
      this._bytes -= item.length;
    }
    if (wasBusy && !this.busy) this._context.drained();
  }
}
