/** The fate of one message. */

import { describe, expect, it } from "vitest";
import { cbor } from "../src/cbor.js";
import { ANSWERED, CONFIRMED, DEPARTED, Outgoing, WAITING } from "../src/outgoing.js";
import { JSON_CODEC } from "../src/wire/format.js";

const message = () => new Outgoing("note", "é", {});
const failure = new Error("no");

/** What a promise has come to, without waiting for it. */
async function state(promise: Promise<unknown>): Promise<unknown> {
  const turn = new Promise((done) => setImmediate(done, "pending"));
  return Promise.race([promise.catch((error) => error), turn]);
}

describe("a message", () => {
  it("is encoded once for each codec, and knows its bytes", () => {
    const one = message();
    const form = one.form(JSON_CODEC);
    expect([form, one.size]).toEqual(['{"type":"note","payload":"é"}', 30]);
    expect(one.form(JSON_CODEC)).toBe(form);
    one.form(cbor());
    expect(one.size).toBeLessThan(30);
  });

  it("goes through its stages, and tells who waits for each", async () => {
    const one = message();
    const waits = [DEPARTED, CONFIRMED, ANSWERED].map((stage) => one.wait(stage));
    one.reach(DEPARTED);
    expect(await Promise.all(waits.map(state))).toEqual([undefined, "pending", "pending"]);
    one.reach(CONFIRMED);
    one.reach(ANSWERED, "reply");
    expect(await Promise.all(waits)).toEqual([undefined, undefined, "reply"]);
    expect(await one.wait(DEPARTED)).toBeUndefined();
  });

  it("does not go back, when it is answered before it is confirmed", () => {
    const one = message();
    one.reach(ANSWERED);
    one.reach(CONFIRMED);
    expect(one.stage).toBe(ANSWERED);
  });

  it("lets a sender go on without having left", async () => {
    const one = message();
    const [departed, confirmed] = [one.wait(DEPARTED), one.wait(CONFIRMED)];
    one.release(DEPARTED);
    expect([await state(departed), await state(confirmed), one.stage]).toEqual([undefined, "pending", WAITING]);
  });

  it("fails for all who wait, and who come later, and says whether there were any", async () => {
    const one = message();
    const waits = [one.wait(DEPARTED), one.wait(ANSWERED)];
    expect(one.fail(failure)).toBe(true);
    for (const wait of [...waits, one.wait(DEPARTED)]) await expect(wait).rejects.toBe(failure);
    expect(message().fail(failure)).toBe(false);
  });

  it("fails once: what comes after is no news", () => {
    const one = message();
    one.fail(failure);
    expect(one.fail(new Error("again"))).toBe(true);
    expect(one.failure).toBe(failure);
  });
});
