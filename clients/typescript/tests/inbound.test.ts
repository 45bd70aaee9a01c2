/** Frames on their way in: order, compression, limits, and code that cannot be loaded. */

import { deflateRawSync } from "node:zlib";
import { afterEach, expect, it, vi } from "vitest";
import { compressors, inbound } from "../src/inflate.js";
import type { Data } from "../src/wire/format.js";

const packed = (text: string) => Uint8Array.from([1, ...deflateRawSync(text)]);
const text = (frame: Data) => (typeof frame === "string" ? frame : new TextDecoder().decode(frame));

function make(maxSize = 1000, offered = true) {
  const taken: string[] = [];
  const failures: { code?: string }[] = [];
  const push = inbound(
    (frame) => taken.push(text(frame)),
    (error) => failures.push(error as { code?: string }),
    maxSize,
    offered,
  );
  return { taken, failures, push };
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it("takes a plain frame in the same turn", () => {
  const { push, taken } = make();
  expect(push("one")).not.toBeInstanceOf(Promise);
  expect(taken).toEqual(["one"]);
});

it("keeps the order, when one of them takes a while", async () => {
  const { push, taken } = make();
  push("first");
  push(packed("second, and again: second"));
  push("third");
  await push(packed("fourth"));
  push("fifth");
  expect(taken).toEqual(["first", "second, and again: second", "third", "fourth", "fifth"]);
});

it.each([
  ["is too large when it is undone", packed("x".repeat(1001)), "message_too_big"],
  ["is no deflate", Uint8Array.of(1, 7, 7, 7), "malformed_frame"],
])("ends with a frame that %s", async (_, frame, code) => {
  const { push, taken, failures } = make();
  await push(frame);
  expect([taken, failures]).toEqual([[], [expect.objectContaining({ code })]]);
});

it("takes no compressed frame that was not offered", async () => {
  const { push, failures } = make(1000, false);
  await push(packed("x"));
  expect(failures).toEqual([expect.objectContaining({ code: "malformed_frame" })]);
});

it("offers what the platform can undo", () => {
  expect(compressors()).toEqual(["deflate"]);
  vi.stubGlobal("DecompressionStream", undefined);
  expect(compressors()).toEqual([]);
});
