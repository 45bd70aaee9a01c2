/** Batches: several items in one frame, where that was agreed on. Loaded beside the first connection, as it is rare. */

import { type Data, sizeOf } from "../core.js";

/** Cut items into frames of at most `most` items and, where an item is not larger itself, `maxSize` bytes. */
export function batches(items: readonly Data[], most: number, maxSize: number): Data[][] {
  const made: Data[][] = [];
  let left = 0;
  for (const item of items) {
    const last = made.at(-1);
    // A single item needs no measuring.
    const size = most > 1 ? sizeOf(item) + 1 : 0;
    if (last && last.length < most && size <= left) last.push(item);
    else {
      made.push([item]);
      left = maxSize + 1;
    }
    left -= size;
  }
  return made;
}
