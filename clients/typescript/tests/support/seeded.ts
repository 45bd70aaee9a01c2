/** Chance that comes again: the same numbers for the same seed. */

/** Return what `Math.random` is, but for its beginning. */
export function seeded(seed: number): () => number {
  // Spread, or small seeds would begin alike.
  let state = (seed * 2_654_435_761) % 2_147_483_647;
  return () => {
    // MINSTD (Park and Miller, 1988), as modest as it is.
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
}
