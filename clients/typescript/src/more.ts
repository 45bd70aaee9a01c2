/** What every client has that can load it: see `beside.ts`. */

import { asControl, envelope, fromMap, type Item, JSON_CODEC, type Message } from "./core.js";
import { fromJson, toJson } from "./wire/values.js";

// From now on JSON keeps bytes, and the numbers that it lacks.
Object.assign(JSON_CODEC, {
  encode: (message: Message) => toJson(envelope(message)),
  decode(frame: string | Uint8Array<ArrayBuffer>): Item[] {
    const text = typeof frame === "string" ? frame : new TextDecoder().decode(frame);
    const lines = text.split("\n").map((line) => line.trim());
    return lines.filter(Boolean).map((line) => {
      let value: unknown;
      try {
        value = fromJson(line);
      } catch {
        // It is no JSON.
      }
      return line[0] === "{" ? fromMap(value) : asControl(value);
    });
  },
});

export { Climber } from "./climb.js";
export { compressors, inbound } from "./inflate.js";
export { Parts, type Piece, type Place, parsePlace, SMALLEST } from "./wire/parts.js";
