/** `Backoff` by itself. */

import { describe, expect, it } from "vitest";
import { Backoff } from "../src/backoff.js";

const least = new Backoff(1000, 30_000, () => 0);
const middle = new Backoff(1000, 30_000, () => 0.5);
const most = new Backoff(1000, 30_000, () => 1);

describe("Backoff", () => {
  it("chooses between nothing and a limit that doubles up to a cap: full jitter", () => {
    expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => most.delay(attempt))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
    expect([0, 3, 50].map((attempt) => middle.delay(attempt))).toEqual([500, 4000, 15_000]);
    expect([0, 3, 50].map((attempt) => least.delay(attempt))).toEqual([0, 0, 0]);
  });

  it("is uniform: every part of the range is chosen as often", () => {
    let seed = 1;
    const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const backoff = new Backoff(1000, 30_000, random);
    const parts = [0, 0, 0, 0];
    for (let n = 0; n < 4000; n++) {
      const part = Math.floor(backoff.delay(2) / 1000);
      parts[part] = (parts[part] ?? Number.NaN) + 1;
    }
    for (const part of parts) expect(Math.abs(part - 1000)).toBeLessThan(120);
  });

  it("never undercuts the server's advice, and adds a little, so that not everybody comes at once", () => {
    expect(least.delay(0, 5000)).toBe(5000);
    expect(most.delay(0, 5000)).toBe(5500);
    expect(most.delay(4, 5000)).toBe(16_000);
  });

  it("goes beyond its cap where the server asks for it", () => {
    expect(least.delay(9, 120_000)).toBe(120_000);
  });

  it("begins where the server says, if that is later than its own beginning", () => {
    expect(most.delay(0, 0, 4000)).toBe(4000);
    expect(most.delay(1, 0, 4000)).toBe(8000);
    expect(most.delay(0, 0, 200)).toBe(1000);
  });
});
