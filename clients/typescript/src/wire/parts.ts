/**
 * Parts: a message too large for one frame travels in several, and a connection that breaks costs one of them.
 *
 *     ["part", {"of": "x7Yw", "at": 16384, "size": 40000, "data": …}]
 *
 * `of` names the encoded message, `size` is the bytes of its item and `at` the place of `data` in it. Each end says in
 * hello, welcome, polls and acks how far it is, and the next connection goes on there. Loaded beside the first connection,
 * whose hello says whether it is here.
 *
 * Rule: parts are control and not counted; their message is, with its last part, on both sides.
 */

import {
  asMap,
  type Codec,
  Control,
  type Data,
  type Fields,
  type Item,
  type Message,
  nonce,
  now,
  type Outgoing,
  sizeOf,
  text,
  Undecodable,
  type Welcome,
  WireError,
} from "../core.js";

/** Bytes of an item that travels whole, and of the data of one part. */
export const PART = 16 * 1024;
/** Bytes of the parts that a bad link is reduced to. */
export const SMALLEST = 1024;
/** Characters of a name. */
const NAME = 64;
/**
 * Bytes of parts that may be under way, before the other end says that it has some of them; how many more each time that
 * it says so soon. What is under way can no longer be overtaken, and a system takes megabytes before a socket says that
 * it is full. Acks come for 64 KiB or after a second.
 */
const UNDER_WAY = 80 * 1024;
const MORE = 64 * 1024;
const MOST_UNDER_WAY = 1024 * 1024;
/** Milliseconds between two acks of a link that takes more than is under way. */
const SOON = 900;

/** How far a message has come. */
export interface Place {
  of: string;
  /** Bytes of it that are there, from its beginning. */
  at: number;
}

/** What has come of a message: its last part, and those before it. Never changed. */
interface Held {
  readonly place: Place;
  readonly size: number;
  readonly data: Data;
  readonly before: Held | undefined;
}

/** What a link is given to send: an encoded message, or a part of one. */
export interface Piece {
  /** The item; of a part, its bytes of the message's item. */
  readonly data: Data;
  /** Bytes of that. */
  readonly size: number;
  /** Its message is whole with it, and counts. */
  readonly ends: boolean;
  /** Of a part: of which message, and where in it. */
  readonly place?: Place;
  /** Of a part: make an item of it. */
  item?(codec: Codec): Data;
  /** Of a part: cut it in two, the first of about so many bytes. */
  split?(bytes: number): [Piece, Piece];
}

/** A message that is half out: some of its parts have left. */
export interface Half {
  readonly message: Outgoing;
  /** It was counted out before, on another link. */
  readonly again: boolean;
  /** Take the next part. */
  next(): Piece;
}

const utf8 = new TextEncoder();
// A mark of the byte order is a character like any other in the middle of a text.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function bytesOf(data: Data): Uint8Array<ArrayBuffer> {
  return typeof data === "string" ? utf8.encode(data) : data;
}

function dataOf(bytes: Uint8Array<ArrayBuffer>, binary: boolean): Data {
  return binary ? bytes : decoder.decode(bytes);
}

/** Read the place that another end has named; `undefined` if it has none. */
export function parsePlace(value: unknown): Place | undefined {
  const { of, at } = asMap(value);
  return text(of) && typeof at === "number" ? { of: of as string, at } : undefined;
}

/** The messages of one session that come and go in parts. */
export class Parts {
  /** Bytes that travel whole, and those of a part; no bound if the server takes no parts. */
  stride = Number.POSITIVE_INFINITY;
  private _held: Held | undefined;
  /** It was held when hello was said, and may be whole by now: the server has only the hello's word. */
  private _told: Held | undefined;
  /** What the server holds of a message of ours, until one has begun. */
  private _there: Place | undefined;
  /** How large parts are after links that carried none. */
  private _most = PART;
  private _mark = "";
  private _busy = false;
  /** Of all parts on this link: bytes that have left, those that are known to have arrived, and those that may be between. */
  private _left = 0;
  private _arrived = 0;
  private _limit = UNDER_WAY;
  private _acked = 0;
  /** The message whose parts leave, and where in all of them it begins. */
  private _of: string | undefined;
  private _base = 0;

  // -- in -----------------------------------------------------------------------------------------------------------

  /** What is here of a message that is not all here. */
  get place(): Place | undefined {
    return this._held?.place;
  }

  /** Return what a hello says of it: nothing, if that says that all is forgotten. */
  hello(forget: boolean): Place | undefined {
    this._told = forget ? undefined : this._held;
    return this._told?.place;
  }

  /** A welcome was taken. Say whether the server has more than at the last one. */
  welcome({ session, received, part, limits }: Welcome, anew: boolean): boolean {
    if (anew) this._held = undefined;
    else if (this._told && this.place?.of !== this._told.place.of) this._held = this._told;
    this._there = part;
    // What a link was lost over before it had carried anything is cut smaller the next time.
    const mark = JSON.stringify([session, received, part]);
    const isMore = mark !== this._mark;
    if (isMore) this._most = Math.min(PART, this._most * 2);
    else if (this._busy) this._most = Math.max(SMALLEST, this._most / 2);
    this._mark = mark;
    this._busy = false;
    this._left = this._arrived = 0;
    this._limit = UNDER_WAY;
    this.stride = limits.part ? Math.min(limits.part, this._most) : Number.POSITIVE_INFINITY;
    return isMore;
  }

  /**
   * Take a part. Bytes that are here already are left out: what was sent twice is the same.
   *
   * @param limit bytes of an item.
   * @returns its message, if that is whole now.
   * @throws WireError: it does not continue what is held (`bad_part`), or its message is too large.
   */
  take(fields: Fields, codec: Codec, limit: number): Message | Undecodable | undefined {
    const held = (this._held = takePart(this._held, fields, codec.binary, limit));
    if (held.place.at < held.size) return undefined;
    this._held = undefined;
    let items: Item[] = [];
    try {
      items = codec.decode(whole(held));
    } catch {
      // It is counted, whatever is in it.
    }
    const [item, more] = items;
    return !item || more || item instanceof Control ? new Undecodable("its parts make no message") : item;
  }

  // -- out ----------------------------------------------------------------------------------------------------------

  /** As much is under way as may be. */
  get full(): boolean {
    return this._left - this._arrived >= this._limit;
  }

  /** The other end has so much of a message, or of none. */
  acked(part: unknown): void {
    const place = parsePlace(part);
    const soon = now() - this._acked < SOON;
    this._limit = Math.min(MOST_UNDER_WAY, Math.max(UNDER_WAY, soon ? this._limit + MORE : this._limit / 2));
    this._acked = now();
    if (!place) this._arrived = this._of === undefined ? this._left : this._base;
    else if (place.of === this._of) this._arrived = this._base + place.at;
  }

  /** Begin to send a message in parts, or go on with it where the server is. */
  begin(message: Outgoing, data: Data, again: boolean): Half {
    const { _there: there } = this;
    this._there = undefined;
    this._busy = true;
    message.of ??= nonce();
    const { of } = message;
    const bytes = bytesOf(data);
    let at = there?.of === of && there.at < bytes.length ? there.at : 0;
    this._of = of;
    this._base = this._left - at;
    const next = () => {
      const piece = cut(bytes.subarray(at), { of, at }, bytes.length, this.stride);
      at += piece.size;
      this._left += piece.size;
      if (piece.ends) this._of = undefined;
      return piece;
    };
    return { message, again, next };
  }
}

/** Return the first bytes of what begins at a place in an item of `size` bytes, `most` or a few less, as a part. */
function cut(bytes: Uint8Array<ArrayBuffer>, place: Place, size: number, most: number): Piece {
  let end = Math.min(Math.floor(most), bytes.length);
  // Not within a character. In a binary codec that does no harm, either.
  while (end < bytes.length && end > most - 4 && ((bytes[end] as number) & 0xc0) === 0x80) end--;
  const { of, at } = place;
  const data = bytes.subarray(0, end);
  return {
    data,
    size: end,
    ends: at + end === size,
    place,
    item: (codec) => codec.control("part", { of, at, size, data: dataOf(data, codec.binary) }),
    split(most) {
      const first = cut(data, place, size, most);
      return [first, cut(data.subarray(first.size), { of, at: at + first.size }, size, end)];
    },
  };
}

/** Return what is held with a part. @throws WireError: see `take`. */
export function takePart(held: Held | undefined, fields: Fields, binary: boolean, limit: number): Held {
  const { of, at, size, data } = fields as unknown as Place & Held;
  const fits = binary ? data instanceof Uint8Array : typeof data === "string";
  const end = fits ? at + sizeOf(data) : Number.NaN;
  const before = held?.place.of === of ? held : undefined;
  const here = before?.place.at ?? 0;
  const goesOn = at <= here && (!before || size === before.size);
  if (!(text(of) && of.length <= NAME && at >= 0 && end > at && end <= size && goesOn)) {
    throw new WireError("bad_part", `part: ${at} to ${end} of ${size} bytes, ${here} are here`);
  }
  if (size > limit) throw new WireError("message_too_big", `${size} bytes in parts, more than ${limit}`);
  if (before && end <= here) return before;
  const news = at < here ? dataOf(bytesOf(data).subarray(here - at), binary) : data;
  return { place: { of, at: end }, size, data: news, before };
}

/** Return the item whose parts have all come. */
export function whole(held: Held): Data {
  const texts: Data[] = [];
  const bytes = typeof held.data === "string" ? undefined : new Uint8Array(held.size);
  for (let one: Held | undefined = held; one; one = one.before) {
    texts.push(one.data);
    bytes?.set(one.data as Uint8Array, one.place.at - one.data.length);
  }
  return bytes ?? texts.reverse().join("");
}
