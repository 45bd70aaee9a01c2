/**
 * The way up for transports whose own way is down only: `POST /rt/send`, one at a time.
 *
 * Rule: a POST says with `from` which count its first message has. So one whose answer was lost is sent again, and the
 * server skips what it knows. What was posted stays here until an answer has confirmed it.
 *
 * What failed is sent in smaller pieces, down to one message or 1 KiB of one: any link that carries that carries
 * everything. What is refused for good by something between here and the server (too large for a proxy, odd to a firewall)
 * is sent alone; if it is refused then, and a POST without it is not, its message fails and those behind it go on.
 */

import {
  asLost,
  type Codec,
  type Context,
  Control,
  type Data,
  Deferred,
  type LinkLost,
  now,
  type RealtimeError,
  RequestError,
  type Speech,
} from "../core.js";
import { type Piece, type Place, parsePlace, SMALLEST } from "../more.js";
import { bodyOf, limited, persist, post } from "./http.js";

/** Bytes that one POST carries at most, if a single message is not larger: what is cut is sent again as a whole. */
const POST_MAX = 64 * 1024;
/** Bytes for the first item of a POST and its controls. */
const SLACK = 4096;
/** Milliseconds: a POST that takes less may carry more the next time, and one that takes more is to carry less. */
const QUICK = 1000;
const SLOW = 2000;
/** How much more. */
const GROWTH = 1.25;
/** Control items that may wait. More are nonsense, or a server that has been silent for hours. */
const CONTROLS = 1000;
/** Milliseconds for a goodbye to arrive. */
const LAST = 1000;

/** What waits to be posted. Calls `lost` of its context when there is no use in going on. */
export class Upstream {
  private readonly _codec: Codec;
  private readonly _largest: number;
  /** Bytes of a POST at most: fewer than one had that was refused. */
  private _limit: number;
  // Of this attach for ever: with the next one's these POSTs would be taken for its own.
  private readonly _name: Record<string, unknown>;
  private readonly _abort = new AbortController();
  private _pieces: Piece[] = [];
  private _controls: Data[] = [];
  /** The count of the first message that is whole with one of the pieces. */
  private _first: number;
  private _bytes = 0;
  /** Bytes of the next POST. */
  private _most: number;
  /** How a refusal is looked into: 1: one piece, alone; 2: none. */
  private _doubt: 0 | 1 | 2 = 0;
  /** The last one. */
  private _blocked: LinkLost | undefined;
  /** Bytes of the POST that is under way. */
  underway = 0;
  private _running = false;
  private _idle = new Deferred<void>();

  constructor(
    private readonly _context: Context,
    private readonly _speech: Speech,
  ) {
    const { line } = _context;
    this._codec = _speech.codec;
    this._largest = this._limit = this._most = Math.max(SMALLEST, Math.min(POST_MAX, _speech.maxSize) - SLACK);
    this._first = line.window.sent;
    this._name = { session: line.session, secret: line.secret, attach: line.attached };
  }

  /** What every request of this attach says of itself. */
  get name(): Readonly<Record<string, unknown>> {
    return this._name;
  }

  /** More waits here than should: what does can no longer be overtaken. */
  get busy(): boolean {
    return this._bytes >= 2 * this._most;
  }

  /** Post messages, or parts of them; `place` is the count of the first, and follows on what waits. */
  send(pieces: readonly Piece[], place: number): void {
    if (!this._pieces.length) this._first = place;
    this._set([...this._pieces, ...pieces]);
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
    while (this._pieces.length || this._controls.length) await this._post();
    this._running = false;
    this._idle.resolve();
  }

  private _fail(error: unknown): void {
    this._idle.resolve();
    if (!this._abort.signal.aborted) this._context.lost(asLost(error));
  }

  private async _post(): Promise<void> {
    const { settings } = this._context;
    const { patience } = this._speech;
    const controls: Data[] = [];
    let pieces: Piece[] = [];
    let begun = 0;
    const ask = async (signal: AbortSignal): Promise<Data> => {
      controls.push(...this._controls.splice(0));
      pieces = this._pick();
      this.underway = weight(pieces);
      begun = now();
      const items = pieces.map((piece) => piece.item?.(this._codec) ?? piece.data);
      const body = this._codec.join([this._head(this._first), ...controls, ...items]);
      try {
        const response = await post(this._context, "send", body, this._codec, { signal });
        return await bodyOf(response, this._codec, settings.limits.frame);
      } catch (error) {
        this._most = Math.max(SMALLEST, Math.min(this._most, weight(pieces)) / 2);
        throw error;
      }
    };
    const once = (signal: AbortSignal) => limited(ask, patience, signal).finally(() => (this.underway = 0));
    let answer: Data;
    try {
      answer = await persist(once, patience, this._abort.signal, settings.random);
    } catch (error) {
      const lost = asLost(error);
      this._controls.unshift(...controls);
      if (lost.code === "gap") return this._rewind(lost);
      if (!isRefused(lost) || !pieces.length) throw lost;
      this._doubt = this._doubt ? 2 : 1;
      this._limit = this._most;
      this._blocked = lost;
      return;
    }
    if (this._abort.signal.aborted) return;
    const took = now() - begun;
    if (took > SLOW) this._most = Math.max(SMALLEST, this._most / 2);
    else if (took < QUICK) this._most = Math.min(this._limit, this._most * GROWTH);
    for (const item of this._codec.decode(answer)) {
      if (item instanceof Control && item.name === "ack")
        this._drop(Number(item.fields.n) || 0, parsePlace(item.fields.part));
    }
    if (this._doubt > 1) this._block();
    this._doubt = 0;
    this._context.aside(answer);
  }

  /** Return what the next POST carries: what may go together, one piece at least. */
  private _pick(): Piece[] {
    const { _pieces: pieces } = this;
    const most = this._doubt ? SMALLEST : this._most;
    const [first] = pieces;
    if (first?.split && first.size > most) pieces.splice(0, 1, ...first.split(most));
    let size = 0;
    const end = pieces.findIndex((piece, n) => (size += piece.size + 1) > most && n);
    return pieces.slice(0, this._doubt ? 2 - this._doubt : end < 0 ? undefined : end);
  }

  private _head(from: number): Data {
    return this._codec.control("send", { ...this._name, from });
  }

  /** The server lacks what was posted before: nothing here can make that good unless it still waits here. */
  private _rewind(gap: LinkLost): void {
    const { expected, part } = gap.refusal?.details ?? {};
    const { length } = this._pieces;
    if (typeof expected === "number" && expected >= this._first) this._drop(expected, parsePlace(part));
    if (this._pieces.length === length) throw gap;
  }

  /** The server has so many messages, and so much of another one: those need no other POST. */
  private _drop(confirmed: number, there?: Place): void {
    const pieces = [...this._pieces];
    const has = ({ place, size, ends }: Piece) =>
      place && there && !ends && place.of === there.of && place.at + size <= there.at;
    while (pieces[0] && (this._first < confirmed || has(pieces[0]))) if (pieces.shift()?.ends) this._first++;
    this._set(pieces);
  }

  /** The first piece does not pass, though a POST without it does. */
  private _block(): void {
    const { reason, code } = this._blocked as LinkLost;
    const [first] = this._pieces;
    if (!first) return;
    const of = first.place?.of;
    const large = code === "message_too_big" || reason.endsWith(" 413");
    const error = new RequestError(large ? "message_too_big" : "blocked", `something on the way: ${reason}`);
    const blank = block(this._context, this._codec, error, this._first, of);
    // It was not the size.
    this._limit = this._largest;
    const kept: Piece[] = [];
    const stand = blank && { data: blank, size: blank.length, ends: true };
    let stands = !stand;
    for (const piece of this._pieces) {
      if (of ? piece.place?.of !== of : piece !== first) kept.push(piece);
      else if (stand && piece.ends) {
        kept.push(stand);
        stands = true;
      }
    }
    // Its last part has not come here, and will not.
    if (!stands) kept.unshift(stand as Piece);
    this._set(kept);
  }

  private _set(pieces: Piece[]): void {
    const wasBusy = this.busy;
    this._pieces = pieces;
    this._bytes = weight(pieces);
    if (wasBusy && !this.busy) this._context.drained();
  }
}

/**
 * A message cannot pass, nor can a smaller piece of it: it fails.
 *
 * @param of what its parts call it; of one that travels whole it is `place`, in the count, that names it.
 * @returns what takes its place; `undefined` if it was not counted yet, so that it has none.
 */
export function block(
  { outbox, line }: Pick<Context, "line" | "outbox">,
  codec: Codec,
  error: RealtimeError,
  place: number,
  of?: string,
): Data | undefined {
  const { half } = outbox;
  const { held, confirmed } = line.window;
  const message = of ? [half?.message, ...held].find((one) => one?.of === of) : held[place - confirmed];
  if (!message) return undefined;
  outbox.tell(message, error);
  if (half && message === half.message) {
    outbox.half = undefined;
    if (!half.again) return undefined;
    outbox.place++;
  }
  outbox.blanks.add(message.place);
  return message.blank(codec);
}

function weight(pieces: readonly Piece[]): number {
  return pieces.reduce((bytes, { size }) => bytes + size, 0);
}

/** Something has answered that does not want this, and will not want it the next time. */
function isRefused({ passing, refusal, code }: LinkLost): boolean {
  return !passing && (!refusal || ["message_too_big", "malformed_frame"].includes(code));
}
