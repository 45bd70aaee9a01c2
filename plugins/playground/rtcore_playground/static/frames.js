/**
 * Frames, read for people: which items one holds (docs/wire.md, "Frames and items"), and what it says without its secrets.
 *
 * Rule: nothing of a frame is kept but what was read and masked here. One that cannot be read is a size and no more.
 */

/**
 * One item of a frame.
 *
 * @typedef {object} Item
 * @property {"control" | "message"} kind
 * @property {string} name a control item's name, or a message's type
 * @property {Record<string, any>} fields masked
 */

/**
 * A frame that was read.
 *
 * @typedef {object} Read
 * @property {number} bytes as it crossed
 * @property {boolean} packed it was compressed
 * @property {Item[]} items none, if it was empty or cannot be read
 * @property {boolean} readable
 */

/** Worth something to whoever reads over a shoulder, wherever it stands. */
const SECRETS = new Set(["secret", "token", "nonce", "password", "authorization", "cookie"]);
const MASK = "•••";

/**
 * Read a frame. Compressed ones take a while.
 *
 * @param {string | Uint8Array<ArrayBuffer>} data
 * @returns {Read | Promise<Read>}
 */
export function read(data) {
  if (typeof data === "string") return readText(data, new TextEncoder().encode(data).length, false);
  if (data[0] !== 1) return { bytes: data.length, packed: false, items: [], readable: false };
  return inflated(data.slice(1)).then(
    (text) => readText(text, data.length, true),
    () => ({ bytes: data.length, packed: true, items: [], readable: false }),
  );
}

/**
 * Return an item as it may be shown: one line of JSON.
 *
 * @param {Item} item
 */
export function written({ kind, name, fields }) {
  return JSON.stringify(kind === "control" ? [name, fields] : fields);
}

/**
 * @param {string} text
 * @param {number} bytes
 * @param {boolean} packed
 * @returns {Read}
 */
function readText(text, bytes, packed) {
  try {
    const items = text
      .split("\n")
      .filter((line) => line.trim())
      .map((line) => asItem(JSON.parse(line)));
    return { bytes, packed, items, readable: true };
  } catch {
    return { bytes, packed, items: [], readable: false };
  }
}

/**
 * @param {any} value
 * @returns {Item}
 */
function asItem(value) {
  if (Array.isArray(value)) return { kind: "control", name: String(value[0]), fields: masked(value[1] ?? {}) };
  return { kind: "message", name: String(value.type), fields: masked(value) };
}

/**
 * Return a copy whose secrets cannot be read.
 *
 * @template T
 * @param {T} value
 * @returns {T}
 */
function masked(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return /** @type {any} */ (value.map(masked));
  const entries = Object.entries(value).map(([key, one]) => [key, SECRETS.has(key.toLowerCase()) ? MASK : masked(one)]);
  return Object.fromEntries(entries);
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes raw DEFLATE, which is all that the client offers to take
 * @returns {Promise<string>}
 */
function inflated(bytes) {
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
}
