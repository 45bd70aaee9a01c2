/** Stores as pages have them. */

import type { KeyStore } from "../../src/index.js";

/** One that is kept in memory, and can be looked at. */
export function memoryStore(entries: Record<string, string> = {}): KeyStore & { kept: Map<string, string> } {
  const kept = new Map(Object.entries(entries));
  return {
    kept,
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
  };
}
