/**
 * Formats: how items become the body of a frame, and what a frame is taken apart into.
 *
 * A frame is one or more items. A frame whose first byte is `0x01` is compressed: what follows is what the session's
 * compressor made of a frame. No item of JSON or CBOR can begin with that byte.
 */

import { asMap, Control, envelope, fromMap, type Item, type Message } from "./message.js";

/** Text for a text codec, bytes for anything else. */
export type Data = string | Uint8Array<ArrayBuffer>;

/** How items are written. */
export interface Codec {
  readonly name: string;
  readonly binary: boolean;
  /** @throws TypeError: the payload holds something that the codec cannot express. */
  encode(message: Message): Data;
  control(name: string, fields: Record<string, unknown>): Data;
  /** Make one frame of encoded items. */
  join(items: readonly Data[]): Data;
  /** Return how many bytes of the beginning of a frame are whole items. */
  whole(frame: Uint8Array<ArrayBuffer>): number;
  /** @throws WireError: the frame cannot be cut into items, so that nobody knows how many it held. */
  decode(frame: Data): Item[];
}

/** A frame or an item that breaks the protocol. */
export class WireError extends Error {
  constructor(
    readonly code: string,
    reason: string,
  ) {
    super(reason);
  }
}

const utf8 = new TextEncoder();

/** Return the bytes that data takes on the wire. */
export function sizeOf(data: Data): number {
  return typeof data === "string" ? utf8.encode(data).length : data.length;
}

/** Say whether a frame is compressed. */
export function isPacked(frame: Data): frame is Uint8Array<ArrayBuffer> {
  return typeof frame !== "string" && frame[0] === 1;
}

/** Items as JSON, one per line. The codec that every server speaks. */
export const JSON_CODEC: Codec = {
  name: "json",
  binary: false,
  // Until the code is here that says bytes in JSON (`more.ts` puts it in the place of this), they are refused with the
  // TypeError that JSON has for a bigint.
  encode: (message) => JSON.stringify(envelope(message), (_, value) => (ArrayBuffer.isView(value) ? 0n : value)),
  control: (name, fields) => JSON.stringify([name, fields]),
  join: (items) => items.join("\n"),
  whole: (frame) => frame.lastIndexOf(10) + 1,
  decode(frame) {
    const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame);
    const items: Item[] = [];
    for (const line of text.split("\n")) {
      const item = line.trim();
      if (item) items.push(item[0] === "{" ? fromMap(parsed(item)) : asControl(parsed(item)));
    }
    return items;
  },
};

/** Return what JSON says; `undefined` if it is none. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/**
 * Make a control item of an array that came.
 *
 * @throws WireError: it is not `[name, map]`, so that nobody knows whether it was counted.
 */
export function asControl(value: unknown): Control {
  const [name, fields, more] = Array.isArray(value) ? value : [];
  if (typeof name !== "string" || asMap(fields) !== fields || more !== undefined) {
    throw new WireError("malformed_frame", "neither a message nor [name, map]");
  }
  return new Control(name, fields);
}
