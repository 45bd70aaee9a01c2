/** The policies of docs/wire.md: the vectors that every client runs. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Acks } from "../src/acks.js";
import { Backoff } from "../src/backoff.js";
import { Chain } from "../src/chain.js";
import type { ConnectionType } from "../src/options.js";
import { Pace } from "../src/pace.js";
import type { Session } from "../src/session.js";
import { welcome } from "./support/link.js";
import { vectors } from "./support/vectors.js";

const ROWS = vectors("policy");
const of = (policy: string) => ROWS.filter((row) => row.policy === policy);
const pass = (seconds: number) => vi.advanceTimersByTime(seconds * 1000);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("every vector belongs to a policy that is run", () => {
  expect(new Set(ROWS.map(({ policy }) => policy))).toEqual(new Set(["reconnect", "fallback", "pacing", "acks"]));
});

describe("reconnect", () => {
  it.each(of("reconnect"))("$name", ({ delay, cap, steps }) => {
    for (const { attempt, advice = 0, retry_after = 0, random, expect: seconds } of steps) {
      const backoff = new Backoff(delay * 1000, cap * 1000, () => random);
      expect(backoff.delay(attempt, retry_after * 1000, advice * 1000)).toBeCloseTo(seconds * 1000, 3);
    }
  });
});

describe("fallback and climbing", () => {
  it.each(of("fallback"))("$name", ({ preference, steps }) => {
    const chain = new Chain(preference as ConnectionType[], null, "");
    for (const step of steps) {
      if (step.do === "order") expect(chain.order(step.first), JSON.stringify(step)).toEqual(step.expect);
      else if (step.do === "better") expect(chain.better(step.than), JSON.stringify(step)).toEqual(step.expect);
      else if (step.do === "lost") chain.lost(step.type, step.lived * 1000);
      else if (step.do === "worked") chain.worked(step.type);
      else if (step.do === "prefer") chain.prefer(step.type);
      else pass(step.seconds);
    }
  });
});

describe("pacing", () => {
  it.each(of("pacing"))("$name", ({ rate_per_second, burst, steps }) => {
    const pace = new Pace(rate_per_second, burst);
    for (const step of steps) {
      if (step.do === "spend") pace.spend(step.messages);
      else if (step.do === "pass") pass(step.seconds);
      else expect(Math.abs(pace.wait() - step.expect * 1000), JSON.stringify(step)).toBeLessThanOrEqual(1);
    }
  });
});

describe("acks", () => {
  it.each(of("acks"))("$name", ({ window, steps }) => {
    const said: number[] = [];
    const line = {
      received: 0,
      get confirmable() {
        return this.received;
      },
    };
    const session = { line, control: (_: string, { n }: { n: number }) => said.push(n) };
    const acks = new Acks(session as unknown as Session);
    acks.begin(welcome({ limits: { window } }));
    for (const step of steps) {
      if (step.do === "frame") {
        line.received = step.received;
        acks.due(step.size);
      } else pass(step.seconds);
      expect(said.splice(0), JSON.stringify(step)).toEqual(step.expect);
    }
  });
});
