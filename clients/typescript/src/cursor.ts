/**
 * How far one has come in a room's history.
 *
 * Messages of one room may come out of order, since what is urgent overtakes; some stand for others that they have
 * replaced. What counts when one comes back is the first hole: what follows it is asked for, and of that what was here
 * already is not taken twice.
 */

/** Offsets, from a first to a last one each, ascending, with a hole between each two. Never changed, but replaced. */
export type Ranges = readonly (readonly [first: number, last: number])[];

/** Ranges that are remembered. Beyond them the oldest hole is given up: what was in it will not be asked for. */
const RANGES = 65;

/** Return the ranges with these offsets among them; nothing is added if the first is more than the last. */
export function add(ranges: Ranges, first: number, last: number): Ranges {
  if (first > last) return ranges;
  const apart = ranges.filter(([from, to]) => {
    if (to + 1 < first || last + 1 < from) return true;
    first = Math.min(first, from);
    last = Math.max(last, to);
    return false;
  });
  const all: Ranges = [...apart, [first, last] as const].sort(([a], [b]) => a - b);
  return all[RANGES] ? add(all, 0, all[1]?.[0] as number) : all;
}

/** Say whether an offset is among them. */
export function holds(ranges: Ranges, offset: number): boolean {
  return ranges.some(([first, last]) => first <= offset && offset <= last);
}
