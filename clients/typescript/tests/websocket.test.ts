/** The WebSocket link by itself: what its closes mean, when it is busy, how it cuts batches. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { cbor } from "../src/cbor.js";
import type { ClientOptions } from "../src/index.js";
import { type Context, LinkLost } from "../src/transports/link.js";
import { WebSocketLink } from "../src/transports/websocket.js";
import { batches } from "../src/wire/batches.js";
import { type Codec, JSON_CODEC } from "../src/wire/format.js";
import { FakeNetwork } from "./support/fake.js";
import { settings } from "./support/link.js";

let network: FakeNetwork;
let frames: unknown[];
let losses: LinkLost[];
let drained: number;

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
  frames = [];
  losses = [];
  drained = 0;
});
afterEach(() => void vi.useRealTimers());

function make(options: Partial<ClientOptions> = {}, codec: Codec = JSON_CODEC): WebSocketLink {
  const context = {
    settings: settings({ webSocket: network.WebSocket, ...options }),
    codec,
    frame: (frame: unknown) => void frames.push(frame),
    lost: (lost: LinkLost) => losses.push(lost),
    drained: () => drained++,
  };
  const link = new WebSocketLink(context as unknown as Context);
  link.open(() => "hello");
  return link;
}

describe("opening", () => {
  it("goes to /ws of the base, says hello when it is open, and names a codec that is not the usual one", () => {
    make();
    expect([network.last.url, network.last.frames]).toEqual(["ws://server.test/rt/ws", []]);
    network.last.open();
    expect(network.last.frames).toEqual(["hello"]);
    make({ url: "https://server.test/x" }, cbor());
    expect([network.last.url, network.last.binaryType]).toEqual(["wss://server.test/x/ws?codec=cbor", "arraybuffer"]);
  });

  it.each([
    ["there is none", null],
    [
      "it is forbidden",
      class {
        constructor() {
          throw new Error("SecurityError: insecure");
        }
      },
    ],
  ])("is lost at once where %s", (_, webSocket) => {
    make({ webSocket: webSocket as never });
    expect(losses).toEqual([expect.objectContaining({ code: "NETWORK_ERROR", refusal: undefined })]);
  });
});

describe("a close", () => {
  it.each([
    [1006, "", "NETWORK_ERROR", undefined],
    [1000, "", "NETWORK_ERROR", undefined],
    [1012, "restart", "NETWORK_ERROR", undefined],
    [4000, "going_away", "going_away", "resume"],
    [4101, "unknown_session", "unknown_session", "afresh"],
    [4203, "kicked", "kicked", "stop"],
    [4099, "not_known_yet", "not_known_yet", "resume"],
    [4199, "not_known_yet", "not_known_yet", "afresh"],
    [4299, "not_known_yet", "not_known_yet", "stop"],
    [4250, "", "internal", "stop"],
  ])("with %i %s is %s, followed by %s", (number, reason, code, next) => {
    make();
    network.last.open();
    network.last.drop(number, reason);
    expect(losses).toEqual([expect.any(LinkLost)]);
    expect([losses[0]?.code, losses[0]?.refusal?.next]).toEqual([code, next]);
  });

  it("of our own is not told, and ends everything", () => {
    const link = make();
    network.last.open();
    void link.close("last");
    expect([network.last.frames, network.last.readyState]).toEqual([["hello", "last"], 3]);
    expect([network.last.onmessage, losses]).toEqual([null, []]);
    link.control("more");
    expect(network.last.frames).toHaveLength(2);
  });

  it("of our own has ended when the socket has, or after a second, if there was a last word", async () => {
    let closed = 0;
    for (const last of [undefined, "last"]) {
      const link = make();
      network.last.open();
      network.last.close = () => {};
      void link.close(last).then(() => closed++);
      await vi.advanceTimersByTimeAsync(0);
    }
    expect(closed).toBe(1);
    network.last.drop();
    await vi.advanceTimersByTimeAsync(0);
    expect([closed, vi.getTimerCount()]).toEqual([2, 0]);
    const link = make();
    network.last.open();
    network.last.close = () => {};
    void link.close("last").then(() => closed++);
    await vi.advanceTimersByTimeAsync(999);
    expect(closed).toBe(2);
    await vi.advanceTimersByTimeAsync(1);
    expect([closed, losses]).toEqual([3, []]);
  });
});

describe("sending", () => {
  const speech = { codec: JSON_CODEC, maxSize: 1000, patience: 1 };
  const piece = (data: string) => ({ data, size: data.length, ends: true });

  it("is one frame for each message, or one for several where that was agreed on", () => {
    const link = make();
    network.last.open();
    link.speak({ ...speech, batch: 1 });
    link.send(["1", "2"].map(piece));
    link.speak({ ...speech, batch: 2 });
    link.send(["3", "4", "5"].map(piece));
    expect(network.last.frames.slice(1)).toEqual(["1", "2", "3\n4", "5"]);
  });

  it("is busy while much waits in the socket, and says when it no longer is", async () => {
    const link = make();
    network.last.open();
    expect(link.busy).toBe(false);
    network.last.bufferedAmount = 64 * 1024;
    expect([link.busy, link.busy]).toEqual([true, true]);
    await vi.advanceTimersByTimeAsync(500);
    expect(drained).toBe(0);
    network.last.bufferedAmount = 64 * 1024 - 1;
    await vi.advanceTimersByTimeAsync(25);
    expect([drained, link.busy]).toEqual([1, false]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is flushed when nothing waits any more, or the socket is gone", async () => {
    const link = make();
    network.last.open();
    network.last.bufferedAmount = 1;
    let flushed = 0;
    void link.flush().then(() => flushed++);
    await vi.advanceTimersByTimeAsync(100);
    expect(flushed).toBe(0);
    network.last.bufferedAmount = 0;
    await vi.advanceTimersByTimeAsync(25);
    expect(flushed).toBe(1);
    network.last.bufferedAmount = 1;
    void link.flush().then(() => flushed++);
    network.last.drop();
    await vi.advanceTimersByTimeAsync(25);
    expect(flushed).toBe(2);
  });
});

describe("batches", () => {
  it("have so many items at most", () => {
    expect(batches(["a", "b", "c"], 2, 100)).toEqual([["a", "b"], ["c"]]);
    expect(batches(["a", "b"], 1, 100)).toEqual([["a"], ["b"]]);
    expect(batches([], 5, 100)).toEqual([]);
  });

  it("have so many bytes at most, the line ends among them, unless one item has more", () => {
    expect(batches(["aaa", "bbb", "ccc"], 9, 7)).toEqual([["aaa", "bbb"], ["ccc"]]);
    expect(batches(["aaaaaaaaa", "b"], 9, 7)).toEqual([["aaaaaaaaa"], ["b"]]);
  });

  it("count bytes, not characters: a frame that is too large would end the session", () => {
    expect(batches(["ééé", "b"], 9, 7)).toEqual([["ééé"], ["b"]]);
    expect(batches(["ééé", "b"], 9, 8)).toEqual([["ééé", "b"]]);
  });
});
