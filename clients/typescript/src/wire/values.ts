/**
 * Values: what a payload may be, whatever codec carries it (docs/wire.md, Values), and how JSON says those that it lacks.
 *
 * Rule: what nobody could read as what it is, is refused where it is sent: a `Map`, which JSON takes for `{}`, or half an
 * emoji. Bytes, `NaN` and the infinities are *markers* in JSON, maps of one key; a map that looks like one has one `$` more.
 */

/** Lists and maps within one another. */
export const DEEPEST = 128;
/** Digits of a whole number. */
const DIGITS = 4300;

/** Stands for a number that JSON would write or read as another one; nobody's text begins so. */
const RAW = `${Math.random()}:`;
const QUOTED = new RegExp(`"${RAW}(.*?)"`, "g");
const MARKER = /^\$+(bytes|float)$/;
const TEXT = /"(?:[^"\\]|\\.)*"/g;

/** Return the error of who sends what cannot be sent. */
export function refused(what: string, key: string): TypeError {
  return new TypeError(`${key ? `\`${key}\`` : "the payload"}: ${what} cannot be sent`);
}

/** Return the bytes of a `Uint8Array` or its like, also of another window; `undefined` if it is none. */
export function asBytes(value: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (!ArrayBuffer.isView(value) || (value as Uint8Array).BYTES_PER_ELEMENT !== 1) return undefined;
  return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
}

/**
 * Make sure that a value is nothing that would arrive as something else.
 *
 * @param key of the map that it lies in, for the error.
 * @throws TypeError: it would; the text says what it is.
 */
export function check(value: unknown, key: string): void {
  const kind = typeof value;
  if (kind === "string") {
    if (/[\ud800-\udfff]/u.test(value as string))
      throw refused("half a character, as of text that was cut in the middle,", key);
  } else if (kind === "bigint") {
    if (`${value}`.replace("-", "").length > DIGITS) throw refused(`a number of more than ${DIGITS} digits`, key);
  } else if (kind === "function" || kind === "symbol") throw refused(`a ${kind}`, key);
  else if (kind === "object" && value && !Array.isArray(value)) {
    const name = Object.prototype.toString.call(value).slice(8, -1);
    if (name !== "Object") throw refused(`a ${name}`, key);
  }
}

/**
 * Return a value as JSON.
 *
 * @throws TypeError: it holds something that cannot be sent, or itself.
 */
export function toJson(value: unknown): string {
  const text = JSON.stringify(value, said).replace(QUOTED, "$1");
  // The outermost map is the message, and the inmost may be a marker.
  if (text.length > 2 * DEEPEST && depth(text) > DEEPEST + 2) throw refused(TOO_DEEP, "");
  return text;
}

/** What is nested too deeply, in an error. */
export const TOO_DEEP = `what lies more than ${DEEPEST} lists and maps deep`;

function depth(text: string): number {
  let [now, most] = [0, 0];
  for (const bracket of text.replace(TEXT, "").replace(/[^[\]{}]/g, "")) {
    now += bracket === "[" || bracket === "{" ? 1 : -1;
    most = Math.max(most, now);
  }
  return most;
}

/** Return what `JSON.stringify` is to write in the place of a value. */
function said(this: Record<string, unknown>, key: string, value: unknown): unknown {
  // As it was before its `toJSON`, which Node's buffers have.
  const bytes = asBytes(this[key]);
  if (bytes) return { $bytes: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")) };
  check(value, key);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) return { $float: `${value}` };
    if (Object.is(value, -0)) return `${RAW}-0.0`;
    // It is a float, and as digits it would be read as a whole number.
    return Number.isInteger(value) && !Number.isSafeInteger(value) ? RAW + value.toExponential() : value;
  }
  if (typeof value === "bigint") return RAW + value;
  if (typeof value !== "object" || !value || Array.isArray(value)) return value;
  const keys = Object.keys(value);
  for (const one of keys) check(one, key);
  const [only] = keys as [string];
  return keys.length === 1 && MARKER.test(only) ? { [`$${only}`]: (value as Record<string, unknown>)[only] } : value;
}

/**
 * Return what JSON says. Whole numbers are exact: those beyond 2^53 are of the type `bigint`.
 *
 * @throws SyntaxError: it says nothing.
 */
export function fromJson(text: string): unknown {
  const exact = /\d{16}/.test(text) ? text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.e+-]*/gi, exactly) : text;
  return JSON.parse(exact, exact !== text || /"(\$|\\u0024)/i.test(text) ? meant : undefined);
}

function exactly(token: string): string {
  return /^-?\d{16,}$/.test(token) ? `{"${RAW}":"${token}"}` : token;
}

/** Return what a value stands for that `JSON.parse` has read, the inmost first. */
function meant(_: string, value: unknown): unknown {
  if (typeof value !== "object" || !value || Array.isArray(value) || asBytes(value)) return value;
  const keys = Object.keys(value);
  const [key] = keys as [string];
  const said = (value as Record<string, unknown>)[key];
  if (keys.length !== 1) return value;
  if (key === RAW) return Number.isSafeInteger(Number(said)) ? Number(said) : BigInt(said as string);
  if (!MARKER.test(key)) return value;
  if (key[1] === "$") return { [key.slice(1)]: said };
  if (typeof said !== "string") return value;
  if (key === "$float") return /^(NaN|-?Infinity)$/.test(said) ? Number(said) : value;
  const isBase64 = said.length % 4 === 0 && /^[A-Za-z\d+/]*={0,2}$/.test(said);
  return isBase64 ? Uint8Array.from(atob(said), (character) => character.charCodeAt(0)) : value;
}
