/** Streams that a program has forgotten are collected; one that somebody waits for is not. */

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { RealtimeClient } from "../src/index.js";
import { FakeNetwork } from "./support/fake.js";
import { until } from "./support/server.js";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

let network: FakeNetwork;
let client: RealtimeClient;

beforeEach(async () => {
  network = new FakeNetwork();
  const connecting = (client = network.client()).connect();
  await until(() => network.sockets.length);
  network.last.welcome();
  await connecting;
});
afterEach(() => client.close());

const patterns = () => client.getConnectionInfo().subscriptions;
const collected = () => {
  collect();
  return patterns().length === 0;
};

it("that was read once and is in no variable any more is collected, with all that it held", async () => {
  const forget = async () => {
    for (let n = 0; n < 50; n++) {
      const stream = client.messages("tok");
      network.last.say({ type: "tok", payload: n }, { type: "tok", payload: n });
      expect((await stream.next()).value.payload).toBe(n);
    }
  };
  await forget();
  await until(collected);
});

it("that was never read is collected", async () => {
  (() => void client.messages("tok"))();
  await until(collected);
});

it("that a loop waits for is not, though nobody else knows it", async () => {
  const heard: unknown[] = [];
  void (async () => {
    for await (const { payload } of client.messages("tok")) heard.push(payload);
  })();
  for (let n = 0; n < 3; n++) {
    for (let times = 0; times < 10; times++) {
      await new Promise((done) => setTimeout(done, 1));
      collect();
    }
    network.last.say({ type: "tok", payload: n });
    await until(() => heard.length === n + 1);
  }
  expect(patterns()).toEqual(["tok"]);
});

it("that nobody reads keeps nobody else from hearing", async () => {
  const unread = client.messages("*");
  const heard: unknown[] = [];
  client.subscribe("late", ({ payload }) => heard.push(payload));
  for (let n = 0; n < 3000; n++) network.last.say({ type: "tok", payload: n });
  network.last.say({ type: "late", payload: "hello" });
  expect(heard).toEqual(["hello"]);
  expect((await unread.next()).value.payload).toBe(2001);
});
