/** The shared test vectors: rtcore/testing/vectors, of which README.md there says what to check. */

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const folder = new URL("../../../../rtcore/testing/vectors/", import.meta.url);

// biome-ignore lint/suspicious/noExplicitAny: whatever a vector holds
export type Row = Record<string, any>;

export function vectors(name: string): Row[] {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`${name}.json`, folder)), "utf8"));
}

export function unhex(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
