/** What a page leaves for the next one: taken once, by the right one. */

import { afterEach, describe, expect, it, vi } from "vitest";
import type { KeyStore } from "../src/index.js";
import { Keeper } from "../src/resume.js";
import { ClientLine } from "../src/wire/line.js";
import { memoryStore } from "./support/stores.js";

/** A page of a client, on a store that it shares with those before and after it. */
function page(store: KeyStore) {
  const line = new ClientLine<{ size: number }>(100, 1000);
  return { line, keeper: new Keeper(store, "key", line) };
}

/** One that has a session. */
function living(store: KeyStore) {
  const made = page(store);
  made.line.restore({ session: "s1", secret: "x1", attach: 4 });
  return made;
}

const isDiscarded = (wasDiscarded: boolean) => vi.stubGlobal("document", { wasDiscarded });

afterEach(() => void vi.unstubAllGlobals());

describe("a page that ends", () => {
  it("leaves its session to the next one, which takes it out", () => {
    const store = memoryStore();
    living(store).keeper.park(false);
    const next = page(store);
    next.keeper.unpark();
    const { session, secret, attach } = next.line;
    expect({ session, secret, attach }).toEqual({ session: "s1", secret: "x1", attach: 4 });
    expect(store.kept.size).toBe(0);
    const copy = page(store);
    copy.keeper.unpark();
    expect(copy.line.session).toBeUndefined();
  });

  it("says of it that its messages are gone", () => {
    const store = memoryStore();
    living(store).keeper.park(false);
    const next = page(store);
    next.keeper.unpark();
    expect(next.line.hello({})).toMatchObject({ session: "s1", attach: 5, received: null });
  });

  it("leaves nothing, if it has none", () => {
    const store = memoryStore();
    page(store).keeper.park(false);
    expect(store.kept.size).toBe(0);
  });
});

describe("a page that was only frozen", () => {
  it("takes back what is its own", () => {
    const store = memoryStore();
    const one = living(store);
    one.keeper.park(true);
    one.keeper.unpark();
    expect([one.line.session, store.kept.size]).toEqual(["s1", 0]);
  });

  it("leaves nothing to a copy of its tab", () => {
    const store = memoryStore();
    living(store).keeper.park(true);
    isDiscarded(false);
    const copy = page(memoryStore(Object.fromEntries(store.kept)));
    copy.keeper.unpark();
    expect(copy.line.session).toBeUndefined();
  });

  it("leaves it to the page that is loaded in its place, when it was discarded", () => {
    const store = memoryStore();
    living(store).keeper.park(true);
    isDiscarded(true);
    const next = page(store);
    next.keeper.unpark();
    expect(next.line.session).toBe("s1");
  });
});

describe("a page that comes back", () => {
  it("begins anew, if another page of its tab has taken the session", () => {
    const store = memoryStore();
    const first = living(store);
    first.keeper.park(false);
    page(store).keeper.unpark();
    first.keeper.unpark();
    expect(first.line.session).toBeUndefined();
    expect(first.line.hello({})).not.toHaveProperty("session");
  });

  it("goes on, if the other one has left it there again", () => {
    const store = memoryStore();
    const first = living(store);
    first.keeper.park(false);
    const second = page(store);
    second.keeper.unpark();
    second.keeper.park(false);
    first.keeper.unpark();
    expect(first.line.session).toBe("s1");
  });
});

it("a page that is told twice that it comes back, has come back once", () => {
  const one = living(memoryStore());
  one.keeper.park(false);
  one.keeper.unpark();
  one.keeper.unpark();
  expect(one.line.session).toBe("s1");
});

describe("a store", () => {
  it.each(["", "{", "null", "7", "{}", '{"session":1,"secret":"x"}'])("that holds %j holds nothing", (text) => {
    const next = page(memoryStore({ key: text }));
    next.keeper.unpark();
    expect(next.line.session).toBeUndefined();
  });

  it("that is full or forbidden does no harm", () => {
    const refuse = () => {
      throw new Error("QuotaExceededError");
    };
    const { keeper, line } = living({ getItem: refuse, setItem: refuse, removeItem: refuse });
    keeper.park(false);
    expect(line.session).toBe("s1");
  });
});
