/** Options by themselves: defaults, and errors that name what was given and what was expected. */

import { describe, expect, it } from "vitest";
import { type ClientOptions, RealtimeClient } from "../src/index.js";
import { base, settle } from "../src/options.js";

const url = "https://server.test/rt";

describe("options", () => {
  it("are those of the mission, by default", () => {
    expect(settle({ url })).toMatchObject({
      connectionType: "websocket",
      fallbackTypes: ["sse", "polling"],
      autoReconnect: true,
      maxReconnectAttempts: 5,
      reconnectDelay: 1000,
      heartbeatInterval: 30_000,
      pingTimeout: 5000,
      enableCompression: true,
      enableBatching: false,
      batchSize: 10,
      batchInterval: 100,
      resume: false,
    });
  });

  it("keep the other defaults of a group in which one is given", () => {
    const { timing, limits } = settle({ url, timing: { open: 100 }, limits: { queue: 5 } });
    expect([timing.open, timing.request, limits.queue, limits.window]).toEqual([100, 30_000, 5, 1000]);
  });

  it.each<[Partial<ClientOptions>, string]>([
    [{ connectionType: "pigeon" as "sse" }, "connectionType: expected websocket,sse,polling, given pigeon"],
    [{ fallbackTypes: ["sse", "smoke" as "sse"] }, "connectionType: expected websocket,sse,polling, given smoke"],
    [{ heartbeatInterval: 0 }, "heartbeatInterval: expected 1 or more, given 0"],
    [{ pingTimeout: -5 }, "pingTimeout: expected 1 or more, given -5"],
    [{ maxReconnectAttempts: -1 }, "maxReconnectAttempts: expected 0 or more, given -1"],
    [{ reconnectDelay: Number.NaN }, "reconnectDelay: expected 0 or more, given NaN"],
    [{ batchSize: 0 }, "batchSize: expected 1 or more, given 0"],
    [{ timing: { open: 0 } }, "open: expected 1 or more, given 0"],
    [{ limits: { window: 0 } }, "window: expected 1 or more, given 0"],
  ])("that cannot be are refused: %j", (options, text) => {
    expect(() => new RealtimeClient({ url, ...options })).toThrow(new TypeError(text));
  });

  it("may be nothing where that has a meaning", () => {
    const none = {
      maxReconnectAttempts: 0,
      reconnectDelay: 0,
      batchInterval: 0,
      timing: { close: 0, maxReconnectDelay: 0 },
    };
    expect(() => new RealtimeClient({ url, ...none })).not.toThrow();
  });
});

describe("the URL", () => {
  it.each([
    ["https://server.test/rt", "https://server.test/rt"],
    ["wss://server.test/rt", "https://server.test/rt"],
    ["ws://server.test:8080/rt/", "http://server.test:8080/rt"],
    ["http://server.test", "http://server.test"],
    ["http://[::1]:80/a/b//", "http://[::1]/a/b"],
  ])("%s leads to %s", (given, found) => {
    expect(base(given)).toBe(found);
  });

  it.each(["ftp://server.test/rt", "javascript:alert(1)"])("%s is refused", (given) => {
    expect(() => base(given)).toThrow(/^url: expected http\(s\) or ws\(s\), given /);
  });

  it.each(["https://ann:hunter2@server.test/rt", "https://server.test/rt?token=hunter2"])(
    "with a secret is refused, and the secret is not repeated: %s",
    (given) => {
      expect(() => base(given)).toThrow(TypeError);
      expect(() => base(given)).not.toThrow(/hunter2/);
    },
  );

  it("that is none is refused", () => {
    expect(() => base("/rt")).toThrow(TypeError);
  });
});
