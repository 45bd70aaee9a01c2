/** Who is called, with what, and what happens when they throw: subscriptions and events. */

import { afterEach, describe, expect, it, vi } from "vitest";
import { Events } from "../src/events.js";
import { CallbackError, NetworkError } from "../src/index.js";
import { matches, Subscriptions } from "../src/subscriptions.js";

afterEach(() => void vi.restoreAllMocks());

describe("a pattern", () => {
  it.each([
    ["chat:message", "chat:message", true],
    ["chat:message", "chat:messages", false],
    ["chat:*", "chat:message", true],
    ["chat:*", "chat:", true],
    ["chat:*", "chat", false],
    ["*", "anything", true],
    ["c*t", "chat", false],
  ])("%s covers %s: %s", (pattern, type, covers) => {
    expect(matches(pattern, type)).toBe(covers);
  });

  it("that is empty is refused", () => {
    expect(() => new Subscriptions().add("", () => {})).toThrow(/^pattern: expected a type/);
  });
});

describe("subscriptions", () => {
  const failures: unknown[] = [];
  const failed = (error: unknown) => failures.push(error);

  it("call everybody who matches, in the order in which they asked, and say whether there was one", () => {
    const subscriptions = new Subscriptions();
    const called: string[] = [];
    subscriptions.add("*", (value: number) => called.push(`all ${value}`));
    subscriptions.add("a:*", (value: number) => called.push(`a ${value}`));
    subscriptions.add("b", (value: number) => called.push(`b ${value}`));
    expect(subscriptions.deliver("a:1", 7, failed)).toBe(true);
    expect(called).toEqual(["all 7", "a 7"]);
    expect(new Subscriptions().deliver("a", 1, failed)).toBe(false);
  });

  it("end when they are ended, each by itself, also from within", () => {
    const subscriptions = new Subscriptions();
    const called: string[] = [];
    const once = subscriptions.add("x", () => {
      called.push("once");
      once();
    });
    const second = subscriptions.add("x", () => called.push("second"));
    subscriptions.deliver("x", 0, failed);
    subscriptions.deliver("x", 0, failed);
    second();
    second();
    subscriptions.deliver("x", 0, failed);
    expect(called).toEqual(["once", "second", "second"]);
    expect(subscriptions.patterns).toEqual([]);
  });

  it("name each pattern once", () => {
    const subscriptions = new Subscriptions();
    for (const pattern of ["b", "a", "b"]) subscriptions.add(pattern, () => {});
    expect(subscriptions.patterns).toEqual(["b", "a"]);
  });

  it("keep what one throws, now or later, from the others", async () => {
    const subscriptions = new Subscriptions();
    const called: string[] = [];
    subscriptions.add("x", () => {
      throw new Error("now");
    });
    subscriptions.add("x", async () => {
      throw new Error("later");
    });
    subscriptions.add("x", () => called.push("fine"));
    subscriptions.deliver("x", 0, failed);
    await new Promise((done) => setImmediate(done));
    expect([called, failures.map(String)]).toEqual([["fine"], ["Error: now", "Error: later"]]);
  });
});

describe("events", () => {
  it("are told to those who want to hear of them", () => {
    const events = new Events();
    const heard: unknown[] = [];
    const end = events.on("disconnect", (code) => heard.push(code));
    events.on("transport", (type) => heard.push(type));
    events.emit("disconnect", "bye");
    end();
    events.emit("disconnect", "again");
    expect(heard).toEqual(["bye"]);
  });

  it("make an error of what a callback throws", () => {
    const events = new Events();
    const errors: unknown[] = [];
    const cause = new Error("oops");
    events.on("error", (error) => errors.push(error));
    events.on("transport", () => {
      throw cause;
    });
    events.emit("transport", "sse");
    expect(errors).toEqual([expect.any(CallbackError)]);
    expect(errors[0]).toMatchObject({ code: "callback_failed", cause });
  });

  it("end with the console, if an error callback throws, or there is none", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const error = vi.spyOn(console, "error").mockImplementation(() => {});
    const events = new Events();
    const lost = new NetworkError("no network");
    events.emit("error", lost);
    expect(warn.mock.calls).toEqual([["rtcore:", lost]]);
    events.on("error", () => {
      throw new Error("worse");
    });
    events.emit("error", lost);
    expect(error).toHaveBeenCalledOnce();
    expect(warn).toHaveBeenCalledOnce();
  });
});
