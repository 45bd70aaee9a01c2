/** Ranges of offsets, against a plain set of them. */

import { expect, it } from "vitest";
import { add, holds, type Ranges } from "../src/cursor.js";
import { seeded } from "./support/seeded.js";

const offsets = Array.from({ length: 50 }, (_, n) => n);

it.each(Array.from({ length: 50 }, (_, seed) => seed + 1))(
  "what was added is held, and nothing else: seed %i",
  (seed) => {
    const random = seeded(seed);
    const upTo = (n: number) => Math.floor(random() * n);
    const start = upTo(5);
    const have = new Set(Array.from({ length: start + 1 }, (_, n) => n));
    let ranges: Ranges = [[0, start]];
    for (let step = 0; step < 40; step++) {
      const first = upTo(40);
      const last = first + upTo(5) - 1;
      const before = JSON.stringify(ranges);
      const old = ranges;
      ranges = add(ranges, first, last);
      expect(JSON.stringify(old)).toBe(before);
      for (let n = first; n <= last; n++) have.add(n);
      expect(offsets.filter((n) => holds(ranges, n))).toEqual(offsets.filter((n) => have.has(n)));
      // Ascending, with a hole between each two.
      for (const [place, [from, to]] of ranges.entries()) {
        expect(from).toBeLessThanOrEqual(to);
        if (place) expect(from).toBeGreaterThan((ranges[place - 1]?.[1] as number) + 1);
      }
    }
  },
);

it("of too many holes the oldest is given up", () => {
  let ranges: Ranges = [[0, 0]];
  for (let offset = 2; offset < 138; offset += 2) ranges = add(ranges, offset, offset);
  expect(ranges.length).toBe(65);
  expect(ranges[0]).toEqual([0, 8]);
  expect(ranges.at(-1)).toEqual([136, 136]);
});
