/** Messages as a stream, by itself. */

import { expect, it } from "vitest";
import { MessageStream } from "../src/stream.js";

function make(limit = 3) {
  const dropped: number[] = [];
  let ends = 0;
  const waits: boolean[] = [];
  const stream = new MessageStream<number>(
    limit,
    (message) => dropped.push(message),
    () => ends++,
    (_, isWaiting) => waits.push(isWaiting),
  );
  return { stream, dropped, waits, ends: () => ends };
}

it("gives what came before it was asked, and waits for the rest", async () => {
  const { stream } = make();
  stream.push(1);
  stream.push(2);
  expect(await stream.next()).toEqual({ value: 1 });
  expect(await stream.next()).toEqual({ value: 2 });
  const third = stream.next();
  stream.push(3);
  expect(await third).toEqual({ value: 3 });
});

it("gives each message to one of those who wait, in their order", async () => {
  const { stream } = make();
  const waiting = [stream.next(), stream.next(), stream.next()];
  for (const n of [1, 2, 3]) stream.push(n);
  expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual([1, 2, 3]);
});

it("drops the oldest when nobody takes them, and says so", async () => {
  const { stream, dropped } = make(2);
  for (const n of [1, 2, 3, 4]) stream.push(n);
  expect(dropped).toEqual([1, 2]);
  expect(await stream.next()).toEqual({ value: 3 });
});

it("ends for a loop that leaves it, and forgets what waits", async () => {
  const { stream, ends } = make();
  for (const n of [1, 2, 3]) stream.push(n);
  for await (const n of stream) if (n === 1) break;
  expect(ends()).toBeGreaterThan(0);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
  stream.push(4);
  expect(await stream.next()).toEqual({ done: true, value: undefined });
});

it("ends with its client, after what waits was taken", async () => {
  const { stream } = make();
  stream.push(1);
  stream.end();
  stream.end();
  const got: number[] = [];
  for await (const n of stream) got.push(n);
  expect(got).toEqual([1]);
});

it("ends for everybody who waits", async () => {
  const { stream } = make();
  const waiting = [stream.next(), stream.next()];
  stream.end();
  expect(await Promise.all(waiting)).toEqual(Array(2).fill({ done: true, value: undefined }));
});

it("says when somebody begins to wait for it, and when the last one has what was waited for", async () => {
  const { stream, waits } = make();
  stream.push(1);
  await stream.next();
  expect(waits).toEqual([]);
  const both = [stream.next(), stream.next()];
  stream.push(2);
  await both[0];
  expect(waits).toEqual([true, true, true]);
  stream.end();
  await both[1];
  expect(waits.at(-1)).toBe(false);
});
