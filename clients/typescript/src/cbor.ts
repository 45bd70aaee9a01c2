/**
 * CBOR (RFC 8949) as a codec: `new RealtimeClient({ url, codec: cbor() })`. Smaller than JSON, and it carries bytes.
 *
 * A frame is a CBOR sequence (RFC 8742): items one after the other. A message is a map, a control item an array.
 *
 * The subset of docs/wire.md: plain data with text keys, bytes (`Uint8Array`), whole numbers (`bigint` beyond 2^53), no
 * tags but those of large whole numbers, and no indefinite lengths. What has a `toJSON`, such as a `Date`, is written as
 * what that returns.
 */

import { asControl, type Codec, type Data, envelope, fromMap, type Item, Undecodable, WireError } from "./core.js";
import { asBytes, check, DEEPEST, refused, TOO_DEEP } from "./wire/values.js";

/** How deep maps and arrays may lie in each other for their end to be found: deeper would use up the stack. */
const ABYSS = 512;
/** Bytes of a whole number with a tag: more have too many digits to be meant. */
const NUMBER_MAX = 1787;

/** Return the codec. */
export function cbor(): Codec {
  return {
    name: "cbor",
    binary: true,
    encode: (message) => encode(envelope(message)),
    control: (name, fields) => encode([name, fields]),
    join,
    whole: wholeItems,
    decode: items,
  };
}

// -- writing --------------------------------------------------------------------------------------------------------

/**
 * Return a value as CBOR.
 *
 * @throws TypeError: it holds something that CBOR cannot express, or itself.
 */
export function encode(value: unknown): Uint8Array<ArrayBuffer> {
  const out: Uint8Array[] = [];
  write(out, value, 0, "");
  return join(out as Data[]);
}

function join(items: readonly Data[]): Uint8Array<ArrayBuffer> {
  const parts = items as readonly Uint8Array[];
  const joined = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let place = 0;
  for (const part of parts) {
    joined.set(part, place);
    place += part.length;
  }
  return joined;
}

/** @param depth lists and maps around it: one more than the payload has of its own, since the message is one. */
function write(out: Uint8Array[], value: unknown, depth: number, key: string): void {
  const bytes = asBytes(value);
  if (bytes) return void out.push(head(2, bytes.length), bytes);
  const { toJSON } = (value ?? {}) as { toJSON?: (key: string) => unknown };
  if (typeof toJSON === "function") value = toJSON.call(value, key);
  check(value, key);
  if (typeof value === "string") text(out, value);
  else if (typeof value === "number") out.push(number(value));
  else if (typeof value === "bigint") out.push(...whole(value));
  else if (value === true || value === false) out.push(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (value === null || value === undefined) out.push(Uint8Array.of(0xf6));
  else if (depth > DEEPEST) throw refused(TOO_DEEP, key);
  else if (Array.isArray(value)) {
    out.push(head(4, value.length));
    for (const [place, one] of value.entries()) write(out, one, depth + 1, `${place}`);
  } else map(out, value, depth);
}

function map(out: Uint8Array[], value: object, depth: number): void {
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  out.push(head(5, entries.length));
  for (const [key, one] of entries) {
    check(key, "");
    text(out, key);
    write(out, one, depth + 1, key);
  }
}

function text(out: Uint8Array[], value: string): void {
  const bytes = new TextEncoder().encode(value);
  out.push(head(3, bytes.length), bytes);
}

function number(value: number): Uint8Array {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return value < 0 ? head(1, -1 - value) : head(0, value);
  const bytes = new Uint8Array(9);
  bytes[0] = 0xfb;
  new DataView(bytes.buffer).setFloat64(1, value);
  return bytes;
}

/** Return a `bigint`: a number of up to 64 bits, or tag 2 or 3 and its bytes. */
function whole(value: bigint): Uint8Array[] {
  const [major, n] = value < 0n ? [1, -1n - value] : [0, value];
  if (n < 1n << 64n) return [big(major, n)];
  const hex = n.toString(16);
  const bytes = Uint8Array.from(hex.padStart(hex.length + (hex.length % 2), "0").match(/../g) ?? [], (pair) =>
    Number.parseInt(pair, 16),
  );
  return [Uint8Array.of(0xc2 + major), head(2, bytes.length), bytes];
}

function big(major: number, value: bigint): Uint8Array {
  const bytes = new Uint8Array(9);
  bytes[0] = (major << 5) | 27;
  new DataView(bytes.buffer).setBigUint64(1, value);
  return bytes;
}

/** Return the head of an item: its major type, and a length or a number in as few bytes as it takes. */
function head(major: number, n: number): Uint8Array {
  if (n >= 2 ** 32) return big(major, BigInt(n));
  const more = n < 24 ? 0 : n < 256 ? 1 : n < 65536 ? 2 : 4;
  const bytes = new Uint8Array(1 + more);
  bytes[0] = (major << 5) | (more ? 23 + (more === 4 ? 3 : more) : n);
  const view = new DataView(bytes.buffer);
  if (more === 1) view.setUint8(1, n);
  else if (more === 2) view.setUint16(1, n);
  else if (more) view.setUint32(1, n);
  return bytes;
}

// -- reading --------------------------------------------------------------------------------------------------------

/** The bytes cannot be cut into items. */
const cut = (reason: string) => new WireError("malformed_frame", `CBOR: ${reason}`);

function items(frame: Data): Item[] {
  const reader = new Reader(frame as Uint8Array<ArrayBuffer>);
  const found: Item[] = [];
  while (reader.place < reader.size) {
    const isMap = reader.peek() >> 5 === 5;
    const value = reader.read();
    if (!isMap) found.push(asControl(reader.odd ? undefined : value));
    else found.push(reader.odd ? new Undecodable(reader.odd) : fromMap(value));
  }
  return found;
}

function wholeItems(frame: Uint8Array<ArrayBuffer>): number {
  const reader = new Reader(frame);
  let end = 0;
  try {
    for (; reader.place < reader.size; end = reader.place) reader.read();
  } catch {
    // The last one is not.
  }
  return end;
}

/**
 * Return the value that bytes hold.
 *
 * @throws WireError: they are not one CBOR item of the subset.
 */
export function decode(bytes: Uint8Array<ArrayBuffer>): unknown {
  const reader = new Reader(bytes);
  const value = reader.read();
  if (reader.odd || reader.place < reader.size) throw cut(reader.odd || "bytes after the end");
  return value;
}

const BREAK = Symbol("break");

/** Reads one item after the other. `odd` says what is not of the subset in the last one, which could still be cut out. */
class Reader {
  place = 0;
  odd = "";
  readonly size: number;
  private readonly _view: DataView;

  constructor(private readonly _bytes: Uint8Array<ArrayBuffer>) {
    this.size = _bytes.length;
    this._view = new DataView(_bytes.buffer, _bytes.byteOffset, _bytes.length);
  }

  peek(): number {
    return this._bytes[this.place] ?? 0;
  }

  read(): unknown {
    this.odd = "";
    return this._inner(-1);
  }

  /** Read an item that lies in another one, and is no break. */
  private _inner(depth: number): unknown {
    const value = this._value(depth + 1);
    if (value === BREAK) throw cut("a break where none may be");
    return value;
  }

  private _value(depth: number): unknown {
    if (depth > ABYSS) throw cut("nested too deeply");
    const first = this._take(1)[0] as number;
    const major = first >> 5;
    const info = first & 31;
    if (major === 7) return this._simple(info);
    if (info === 31) return this._indefinite(major, depth);
    const n = this._length(info);
    if (major === 0) return n;
    if (major === 1) return n < Number.MAX_SAFE_INTEGER ? -1 - Number(n) : -1n - BigInt(n);
    if (major === 2) return this._take(Number(n)).slice();
    if (major === 3) return this._text(this._take(Number(n)));
    if (major === 6) return this._tagged(n, this._inner(depth));
    const length = Number(n);
    if (length > this.size - this.place) throw cut("more items than bytes");
    // The message around the payload is a map, too.
    if (depth > DEEPEST) this.odd = TOO_DEEP;
    if (major === 4) return Array.from({ length }, () => this._inner(depth));
    return Object.fromEntries(Array.from({ length }, () => [this._key(depth), this._inner(depth)]));
  }

  /** Return the whole number that a tag and its bytes are; anything else is odd. */
  private _tagged(tag: number | bigint, value: unknown): unknown {
    if ((tag === 2 || tag === 3) && value instanceof Uint8Array && value.length < NUMBER_MAX) {
      const n = BigInt(`0x${Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("") || 0}`);
      return plain(tag === 2 ? n : -1n - n);
    }
    this.odd = "a tag";
    return undefined;
  }

  private _key(depth: number): string {
    const key = this._inner(depth);
    if (typeof key !== "string") this.odd = "a key that is no text";
    return String(key);
  }

  private _length(info: number): number | bigint {
    if (info < 24) return info;
    if (info > 27) throw cut(`additional information ${info}`);
    const size = 1 << (info - 24);
    const at = this.place;
    this._take(size);
    if (size === 1) return this._view.getUint8(at);
    if (size === 2) return this._view.getUint16(at);
    if (size === 4) return this._view.getUint32(at);
    return plain(this._view.getBigUint64(at));
  }

  private _simple(info: number): unknown {
    const at = this.place;
    if (info === 31) return BREAK;
    if (info > 27) throw cut(`simple value ${info}`);
    if (info > 23) this._take(1 << (info - 24));
    if (info === 25) return half(this._view.getUint16(at));
    if (info === 26) return this._view.getFloat32(at);
    if (info === 27) return this._view.getFloat64(at);
    if (info < 20 || info > 22) this.odd = "a simple value";
    return info === 22 ? null : info === 21;
  }

  /** Read to the break, only to find the end. */
  private _indefinite(major: number, depth: number): unknown {
    if (major < 2 || major === 6) throw cut("an indefinite length where none may be");
    this.odd = "an indefinite length";
    while (this._value(depth + 1) !== BREAK);
    return undefined;
  }

  private _text(bytes: Uint8Array): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      this.odd = "a text that is not UTF-8";
      return "";
    }
  }

  private _take(length: number): Uint8Array {
    if (length > this.size - this.place) throw cut("cut short");
    this.place += length;
    return this._bytes.subarray(this.place - length, this.place);
  }
}

/** Return a whole number as a `number`, if it is one exactly. */
function plain(n: bigint): number | bigint {
  return Number.isSafeInteger(Number(n)) ? Number(n) : n;
}

/** Return the number that 16 bits are (RFC 8949, appendix D). */
function half(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 31) return mantissa ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (mantissa + 1024) * 2 ** (exponent - 25);
}
