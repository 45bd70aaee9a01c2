/** Typed message maps: what a compiler accepts, and what it does not. `npm run types` is what runs this. */

import { expect, expectTypeOf, it } from "vitest";
import { type Message, RealtimeBuilder, RealtimeClient } from "../src/index.js";

interface Chat {
  "chat:message": { text: string };
  "chat:typing": { who: string; since?: number };
  "note:read": undefined;
  "note:count": number | undefined;
}

const url = "http://server.test/rt";
const typed = new RealtimeClient<Chat>({ url });
const anything = new RealtimeClient({ url });

/** Compiled, and never run. */
async function compiled(): Promise<void> {
  await typed.send("chat:message", { text: "hi" });
  await typed.send("chat:typing", { who: "ann" }, { priority: "low", room: "lobby", confirm: true });
  await typed.send("note:read");
  await typed.send("note:count");
  await typed.send("note:count", 3);
  await typed.sendToRoom("lobby", "chat:message", { text: "hi" });
  // @ts-expect-error: no such type
  await typed.send("chat:massage", { text: "hi" });
  // @ts-expect-error: another payload
  await typed.send("chat:message", { test: "hi" });
  // @ts-expect-error: a payload is needed
  await typed.send("chat:message");
  // @ts-expect-error: no such priority
  await typed.send("note:read", undefined, { priority: "urgent" });
  // @ts-expect-error: a room has no room
  await typed.sendToRoom("lobby", "note:read", undefined, { room: "x" });
  // @ts-expect-error: a request is confirmed by its reply
  await typed.request("note:read", undefined, { confirm: true });

  expectTypeOf(await typed.request<{ id: number }>("chat:message", { text: "hi" })).toEqualTypeOf<{ id: number }>();
  expectTypeOf(await typed.request("note:read")).toEqualTypeOf<unknown>();

  typed.subscribe("chat:message", (message) => {
    expectTypeOf(message).toEqualTypeOf<Message<{ text: string }, "chat:message">>();
    expectTypeOf(message.roomId).toEqualTypeOf<string | undefined>();
  });
  typed.subscribe("chat:*", (message) => {
    expectTypeOf(message.type).toEqualTypeOf<"chat:message" | "chat:typing">();
    if (message.type === "chat:typing") expectTypeOf(message.payload.who).toEqualTypeOf<string>();
    // @ts-expect-error: it is a note's type
    if (message.type === "note:read") return;
  });
  typed.subscribe("*", ({ type }) => expectTypeOf(type).toEqualTypeOf<keyof Chat>());
  // @ts-expect-error: no such type, and no pattern
  typed.subscribe("chat:massage", () => {});
  for await (const { payload } of typed.messages("note:count"))
    expectTypeOf(payload).toEqualTypeOf<number | undefined>();
  for await (const { type } of typed.messages()) expectTypeOf(type).toEqualTypeOf<keyof Chat>();

  typed.on("gap", (gap) =>
    expectTypeOf(gap).toMatchObjectType<{ reason: string; n: number; room?: string | undefined }>(),
  );
  typed.on("disconnect", (code) => expectTypeOf(code).toEqualTypeOf<string>());
  // @ts-expect-error: no such event
  typed.on("connected", () => {});

  await anything.send("whatever", { it: ["is"] });
  await anything.send("whatever");
  anything.subscribe("what:*", ({ payload, type }) => {
    expectTypeOf(payload).toBeAny();
    expectTypeOf(type).toEqualTypeOf<string>();
  });
  expectTypeOf(RealtimeBuilder.createWebSocketClient<Chat>(url)).toEqualTypeOf<RealtimeClient<Chat>>();
  expectTypeOf(new RealtimeBuilder(url).build()).toEqualTypeOf<RealtimeClient>();
  // @ts-expect-error: a URL is needed
  new RealtimeClient({});
  // @ts-expect-error: no such option
  new RealtimeClient({ url, autoReconect: true });
}

it("compiles", () => {
  expect(compiled).toBeTypeOf("function");
});
