/** The heartbeat by itself: round trips, and the difference between a dead link and a late timer. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Events } from "../src/events.js";
import { Heartbeat } from "../src/heartbeat.js";
import { ConnectionQualityDetector } from "../src/quality.js";
import type { Session } from "../src/session.js";
import { now } from "../src/timers.js";
import { LinkLost } from "../src/transports/link.js";

const INTERVAL = 30_000;
const TIMEOUT = 5000;

/** What a heartbeat sees of a session. */
class FakeSession {
  link: { underway?: number } | undefined = {};
  readonly line = { window: { held: [] as unknown[] }, parts: undefined as { place?: object } | undefined };
  heard = 0;
  readonly pings: unknown[] = [];
  readonly ends: LinkLost[] = [];
  doubts = 0;

  doubt(): void {
    this.doubts++;
  }

  control(name: string, { t }: Record<string, unknown>): void {
    expect(name).toBe("ping");
    this.pings.push(t);
  }

  async end(_: object, lost: LinkLost): Promise<void> {
    this.ends.push(lost);
    this.link = undefined;
  }
}

let session: FakeSession;
let detector: ConnectionQualityDetector;
let heartbeat: Heartbeat;
let qualities: string[];
let slept: number;

beforeEach(() => {
  vi.useFakeTimers();
  const awake = performance.now.bind(performance);
  slept = 0;
  vi.spyOn(performance, "now").mockImplementation(() => awake() + slept);
  session = new FakeSession();
  detector = new ConnectionQualityDetector();
  const events = new Events();
  qualities = [];
  events.on("quality", (quality) => qualities.push(quality));
  heartbeat = new Heartbeat(session as unknown as Session, detector, events);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The server answers the last ping after so many milliseconds. */
function answer(after: number): void {
  vi.advanceTimersByTime(after);
  session.heard = now();
  heartbeat.pong(session.pings.at(-1));
}

/** So much time passes in which no timer runs, as in a laptop that sleeps or a page that is hidden. */
function sleep(milliseconds: number): void {
  slept += milliseconds;
}

describe("a link that lives", () => {
  it("is pinged at once and then every interval", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    for (let n = 1; n <= 3; n++) {
      expect(session.pings).toHaveLength(n);
      answer(40);
      vi.advanceTimersByTime(INTERVAL - 40);
    }
    expect(new Set(session.pings).size).toBe(4);
    expect(heartbeat.answered).toBe(3);
    expect(session.ends).toEqual([]);
  });

  it("gives its round trips to the detector, and says when the quality changes", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(40);
    expect(detector.latency).toBe(40);
    for (const latency of [400, 400]) {
      vi.advanceTimersByTime(INTERVAL);
      answer(latency);
    }
    expect(qualities).toEqual(["excellent", "fair"]);
  });

  it("needs no pong, if it says anything else", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    for (let n = 0; n < 10; n++) {
      vi.advanceTimersByTime(TIMEOUT - 1);
      session.heard = now();
      vi.advanceTimersByTime(INTERVAL - TIMEOUT + 1);
    }
    expect(session.ends).toEqual([]);
  });

  it("is not measured by an answer to another ping, or by one that comes twice", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    heartbeat.pong(999);
    heartbeat.pong(undefined);
    answer(10);
    heartbeat.pong(session.pings.at(-1));
    expect([heartbeat.answered, detector.loss]).toEqual([1, 0]);
  });
});

describe("a link that is silent", () => {
  it("is not taken for alive, because its welcome came in the millisecond of the ping", () => {
    session.heard = now();
    heartbeat.start(INTERVAL, TIMEOUT);
    vi.advanceTimersByTime(2 * TIMEOUT);
    expect(session.ends).toHaveLength(1);
  });

  it("is taken for alive, when the pong comes in the millisecond of the ping", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(0);
    vi.advanceTimersByTime(2 * TIMEOUT);
    expect(session.ends).toEqual([]);
  });

  it("is given up after two pings without a sign of life", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    vi.advanceTimersByTime(TIMEOUT);
    expect([session.ends, session.pings.length]).toEqual([[], 2]);
    vi.advanceTimersByTime(TIMEOUT);
    expect(session.ends).toEqual([expect.any(LinkLost)]);
    expect(session.ends[0]).toMatchObject({ code: "ping_timeout", refusal: undefined });
    expect(detector.loss).toBe(1);
    vi.advanceTimersByTime(INTERVAL * 10);
    expect(session.pings).toHaveLength(2);
  });

  it("is forgiven the first one, when it speaks after the second", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    vi.advanceTimersByTime(TIMEOUT);
    answer(100);
    vi.advanceTimersByTime(INTERVAL);
    vi.advanceTimersByTime(TIMEOUT);
    expect(session.ends).toEqual([]);
  });
});

describe("patience", () => {
  /** Milliseconds that a link lives which says nothing at all. */
  function life(): number {
    session.link = {};
    const { length } = session.ends;
    heartbeat.start(INTERVAL, TIMEOUT);
    let lived = 0;
    for (; session.ends.length === length; lived += 100) vi.advanceTimersByTime(100);
    return lived;
  }

  it.each([
    ["messages that were sent", () => session.line.window.held.push({})],
    ["a message that comes in parts", () => (session.line.parts = { place: { of: "x", at: 1 } })],
  ])("doubles with each link that dies with %s under way, up to eight times", (_, underway) => {
    underway();
    expect([1, 2, 3, 4, 5].map(life)).toEqual([1, 2, 4, 8, 8].map((times) => times * 2 * TIMEOUT));
  });

  it("is the usual one after a link that died with nothing under way, and once something has come", () => {
    expect([life(), life()]).toEqual([2 * TIMEOUT, 2 * TIMEOUT]);
    session.line.window.held.push({});
    expect([life(), life()]).toEqual([2 * TIMEOUT, 4 * TIMEOUT]);
    session.link = {};
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(100);
    vi.advanceTimersByTime(4 * TIMEOUT);
    expect(life()).toBe(2 * TIMEOUT);
  });

  it("is longer for a ping that waits behind an upload, as long as that takes at 16 KiB a second", () => {
    session.link = { underway: 64 * 1024 };
    heartbeat.start(INTERVAL, TIMEOUT);
    vi.advanceTimersByTime(TIMEOUT + 4095);
    expect(session.pings).toHaveLength(1);
    session.link.underway = 0;
    vi.advanceTimersByTime(1);
    expect(session.pings).toHaveLength(2);
    vi.advanceTimersByTime(TIMEOUT);
    expect(session.ends).toHaveLength(1);
  });
});

describe("a clock that somebody sets", () => {
  it.each([-3_600_000, 3_600_000])("by %i ms ends no link, and keeps none that is silent", (set) => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(20);
    vi.setSystemTime(Date.now() + set);
    vi.advanceTimersByTime(INTERVAL - 20);
    answer(20);
    expect([detector.latency, session.ends]).toEqual([20, []]);
    vi.advanceTimersByTime(INTERVAL + 2 * TIMEOUT);
    expect(session.ends).toHaveLength(1);
  });
});

describe("a timer that comes late", () => {
  it("proves nothing: a laptop that slept asks again before it gives up", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(20);
    vi.advanceTimersByTime(INTERVAL);
    sleep(8 * 3_600_000);
    vi.advanceTimersByTime(TIMEOUT);
    expect([session.ends, session.pings.length, detector.loss]).toEqual([[], 3, 0]);
    answer(30);
    vi.advanceTimersByTime(TIMEOUT);
    expect(session.ends).toEqual([]);
  });

  it("is no reprieve: a link that is still silent then ends", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    sleep(60_000);
    vi.advanceTimersByTime(TIMEOUT);
    vi.advanceTimersByTime(2 * TIMEOUT);
    expect(session.ends).toHaveLength(1);
  });

  it("never ends a hidden page's link, however often it is late", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    for (let n = 0; n < 50; n++) {
      sleep(60_000);
      vi.advanceTimersByTime(TIMEOUT);
    }
    expect(session.ends).toEqual([]);
  });
});

describe("a probe", () => {
  it("asks now, instead of later", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(20);
    vi.advanceTimersByTime(6000);
    heartbeat.probe();
    expect(session.pings).toHaveLength(2);
    answer(20);
    vi.advanceTimersByTime(INTERVAL - 21);
    expect(session.pings).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(session.pings).toHaveLength(3);
  });

  it("in doubt asks for another link when the answer does not come within a moment, and then looks on", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(20);
    vi.advanceTimersByTime(6000);
    heartbeat.probe(true);
    vi.advanceTimersByTime(1999);
    expect(session.doubts).toBe(0);
    vi.advanceTimersByTime(1);
    expect([session.doubts, session.ends]).toEqual([1, []]);
    vi.advanceTimersByTime(TIMEOUT);
    expect(session.ends).toHaveLength(1);
  });

  it("in doubt waits for some round trips of a link whose are long, and for no more than the usual time", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    answer(1000);
    heartbeat.probe(true);
    vi.advanceTimersByTime(3999);
    expect(session.doubts).toBe(0);
    answer(0);
    vi.advanceTimersByTime(INTERVAL);
    answer(3000);
    answer(0);
    expect(session.doubts).toBe(0);
    heartbeat.start(INTERVAL, 100);
    heartbeat.probe(true);
    vi.advanceTimersByTime(100);
    expect(session.doubts).toBe(1);
  });

  it("asks nobody where there is no link", () => {
    session.link = undefined;
    heartbeat.probe();
    vi.advanceTimersByTime(INTERVAL);
    expect(session.pings).toEqual([]);
  });

  it("is no more after the end of a link", () => {
    heartbeat.start(INTERVAL, TIMEOUT);
    heartbeat.stop();
    vi.advanceTimersByTime(INTERVAL * 3);
    expect([session.pings.length, session.ends]).toEqual([1, []]);
    expect(vi.getTimerCount()).toBe(0);
  });
});
