/** The pace by itself. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Pace } from "../src/pace.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Send as many as may go now; return how many. */
function burst(pace: Pace): number {
  let sent = 0;
  for (; pace.wait() === 0 && sent < 1000; sent++) pace.spend(1);
  return sent;
}

it("lets nine tenths of the server's burst go at once, and then nine tenths of its rate", () => {
  const pace = new Pace(10, 20);
  expect(burst(pace)).toBe(18);
  expect(pace.wait()).toBeCloseTo(1000 / 9);
  vi.advanceTimersByTime(10_000);
  expect(burst(pace)).toBe(18);
  let steady = 0;
  for (let n = 0; n < 1000; n++) {
    vi.advanceTimersByTime(10);
    steady += burst(pace);
  }
  expect(steady).toBe(90);
});

it("lets one go, however small the burst is", () => {
  const pace = new Pace(1, 0);
  expect(burst(pace)).toBe(1);
  vi.advanceTimersByTime(1200);
  expect(burst(pace)).toBe(1);
});

it("counts what was sent again, also beyond what may go", () => {
  const pace = new Pace(10, 10);
  pace.spend(18);
  expect(pace.wait()).toBeCloseTo(1000 + 1000 / 9);
});

it("is not stopped by a clock that is set back", () => {
  const pace = new Pace(10, 1);
  pace.spend(1);
  vi.setSystemTime(Date.now() - 3_600_000);
  vi.advanceTimersByTime(112);
  expect(pace.wait()).toBe(0);
});
