/** The fallback chain by itself: preference, memory, penalties. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Chain } from "../src/chain.js";
import type { ConnectionType } from "../src/index.js";
import { memoryStore } from "./support/stores.js";

const ALL: ConnectionType[] = ["websocket", "sse", "polling"];
const HOUR = 3_600_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the order", () => {
  it("is that of preference at first", () => {
    expect(new Chain(ALL, null, "key").order()).toEqual(ALL);
    expect(new Chain(["polling", "sse"], null, "key").order()).toEqual(["polling", "sse"]);
  });

  it("begins with what worked last, then goes by preference", () => {
    const chain = new Chain(ALL, null, "key");
    chain.worked("polling");
    expect(chain.order()).toEqual(["polling", "websocket", "sse"]);
  });

  it("begins with what is asked for, if that may be used", () => {
    const chain = new Chain(["websocket", "polling"], null, "key");
    chain.worked("websocket");
    expect(chain.order("polling")).toEqual(["polling", "websocket"]);
    expect(chain.order("sse")).toEqual(["websocket", "polling"]);
  });

  it("changes with what a program prefers", () => {
    const chain = new Chain(ALL, null, "key");
    chain.prefer("polling");
    expect(chain.order()).toEqual(["polling", "websocket", "sse"]);
    expect(chain.better("polling")).toEqual([]);
    expect(chain.better("sse")).toEqual(["polling", "websocket"]);
  });
});

describe("what is better", () => {
  it("is what is preferred to the present one", () => {
    const chain = new Chain(ALL, null, "key");
    expect(ALL.map((type) => chain.better(type))).toEqual([[], ["websocket"], ["websocket", "sse"]]);
  });
});

describe("a transport that keeps breaking", () => {
  const broken = (times: number, lived = 500) => {
    const chain = new Chain(ALL, null, "key");
    for (let n = 0; n < times; n++) chain.lost("websocket", lived);
    return chain;
  };

  it("is left alone for a minute after three short lives in a row", () => {
    const chain = broken(3);
    expect(chain.order()).toEqual(["sse", "polling", "websocket"]);
    expect(chain.better("sse")).toEqual([]);
    vi.advanceTimersByTime(59_999);
    expect(chain.better("sse")).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(chain.order()).toEqual(ALL);
    expect(chain.better("sse")).toEqual(["websocket"]);
  });

  it("is not after two, or after lives of some length", () => {
    expect(broken(2).order()).toEqual(ALL);
    expect(broken(9, 10_000).order()).toEqual(ALL);
  });

  it("begins to count again after a longer life, and after a penalty", () => {
    const chain = broken(2);
    chain.lost("websocket", 20_000);
    chain.lost("websocket", 1);
    chain.lost("websocket", 1);
    expect(chain.order()).toEqual(ALL);
    chain.lost("websocket", 1);
    vi.advanceTimersByTime(60_000);
    chain.lost("websocket", 1);
    chain.lost("websocket", 1);
    expect(chain.order()).toEqual(ALL);
  });

  it("may be asked for all the same, and is forgiven when a program prefers it", () => {
    const chain = broken(3);
    expect(chain.order("websocket")[0]).toBe("websocket");
    chain.prefer("websocket");
    expect(chain.order()).toEqual(ALL);
  });
});

describe("the memory", () => {
  it("tells the next page what worked, for a day", () => {
    const store = memoryStore();
    new Chain(ALL, store, "key").worked("sse");
    expect(new Chain(ALL, store, "key").order()[0]).toBe("sse");
    expect(new Chain(ALL, store, "another").order()[0]).toBe("websocket");
    vi.advanceTimersByTime(24 * HOUR - 1);
    expect(new Chain(ALL, store, "key").order()[0]).toBe("sse");
    vi.advanceTimersByTime(1);
    expect(new Chain(ALL, store, "key").order()[0]).toBe("websocket");
  });

  it("does not bring back what may no longer be used", () => {
    const store = memoryStore();
    new Chain(ALL, store, "key").worked("polling");
    expect(new Chain(["websocket", "sse"], store, "key").order()).toEqual(["websocket", "sse"]);
  });

  it.each(["", "{", "null", "42", '["carrier pigeon", 1]'])("is none if it holds %j", (text) => {
    expect(new Chain(ALL, memoryStore({ key: text }), "key").order()).toEqual(ALL);
  });

  it("may be forbidden, or full", () => {
    const refuse = () => {
      throw new Error("SecurityError");
    };
    const chain = new Chain(ALL, { getItem: refuse, setItem: refuse, removeItem: refuse }, "key");
    chain.worked("sse");
    expect(chain.order()[0]).toBe("sse");
  });
});
