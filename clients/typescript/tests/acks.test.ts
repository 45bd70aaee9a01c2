/** Acknowledgements by themselves: often enough, and not more often. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Acks } from "../src/acks.js";
import type { Session } from "../src/session.js";
import { welcome } from "./support/link.js";

let acks: Acks;
let said: unknown[];
let received: number;

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  received = 0;
  const session = {
    get line() {
      return { received, confirmable: received };
    },
    control: (name: string, fields: unknown) => said.push([name, fields]),
  };
  acks = new Acks(session as unknown as Session);
  acks.begin(welcome({ limits: { window: 100 } }));
});
afterEach(() => void vi.useRealTimers());

/** Frames of one message each come, of so many bytes. */
function come(frames: number, size = 10): void {
  for (let n = 0; n < frames; n++) received++, acks.due(size);
}

describe("an acknowledgement", () => {
  it("is due at a quarter of the server's window", () => {
    come(24);
    expect(said).toEqual([]);
    come(1);
    expect(said).toEqual([["ack", { n: 25 }]]);
    come(25);
    expect(said.at(-1)).toEqual(["ack", { n: 50 }]);
  });

  it("is due at 64 KiB", () => {
    come(3, 20_000);
    expect(said).toEqual([]);
    come(1, 20_000);
    expect(said).toEqual([["ack", { n: 4 }]]);
    come(3, 20_000);
    expect(said).toHaveLength(1);
  });

  it("is due after a second at the latest, once for all", () => {
    come(1);
    vi.advanceTimersByTime(600);
    come(2);
    vi.advanceTimersByTime(399);
    expect(said).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(said).toEqual([["ack", { n: 3 }]]);
    vi.advanceTimersByTime(10_000);
    expect(said).toHaveLength(1);
  });

  it("is not due when nothing has come", () => {
    acks.due(100_000);
    vi.advanceTimersByTime(5000);
    expect(said).toEqual([]);
  });

  it("says it at each message, where the window is tiny, and knows a usual window", () => {
    acks.begin(welcome({ limits: { window: 2 } }));
    come(2);
    expect(said).toEqual([
      ["ack", { n: 1 }],
      ["ack", { n: 2 }],
    ]);
    acks.begin(welcome());
    come(22);
    expect(said).toHaveLength(2);
    come(1);
    expect(said.at(-1)).toEqual(["ack", { n: 25 }]);
  });

  it("is not written when the link has ended", () => {
    come(1);
    acks.end();
    vi.advanceTimersByTime(5000);
    expect(said).toEqual([]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is said anew on another link, whose hello may have said it too early", () => {
    come(25);
    acks.begin(welcome({ limits: { window: 100 } }));
    acks.due(10);
    vi.advanceTimersByTime(1000);
    expect(said).toEqual([
      ["ack", { n: 25 }],
      ["ack", { n: 25 }],
    ]);
  });
});
