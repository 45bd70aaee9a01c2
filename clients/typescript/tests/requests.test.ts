/** Requests that wait for their reply, by themselves. */

import { describe, expect, it } from "vitest";
import { RequestError } from "../src/index.js";
import { ANSWERED, Outgoing } from "../src/outgoing.js";
import { Requests } from "../src/requests.js";
import { Message } from "../src/wire/message.js";

const asked = (requests: Requests): [Outgoing, Promise<unknown>] => {
  const message = new Outgoing("echo", null, { id: requests.nextId() });
  requests.add(message);
  return [message, message.wait(ANSWERED)];
};
const reply = (re: string | undefined, payload: unknown, type = "reply") => new Message(type, payload, { re });

describe("Requests", () => {
  it("gives each an id of its own", () => {
    const requests = new Requests();
    expect(new Set(Array.from({ length: 100 }, () => requests.nextId())).size).toBe(100);
  });

  it("gives each its own reply, in whatever order they come", async () => {
    const requests = new Requests();
    const [first, one] = asked(requests);
    const [second, two] = asked(requests);
    expect(requests.settle(reply(second.id, "two"))).toBe(true);
    expect(requests.settle(reply(first.id, "one"))).toBe(true);
    expect(await Promise.all([one, two])).toEqual(["one", "two"]);
  });

  it("takes a reply without a payload", async () => {
    const requests = new Requests();
    const [message, answer] = asked(requests);
    requests.settle(reply(message.id, undefined));
    expect(await answer).toBeUndefined();
  });

  it("makes an error of an error", async () => {
    const requests = new Requests();
    const [message, answer] = asked(requests);
    const payload = { code: "rate_limited", reason: "slowly", retry: true, retry_after: 0.5, details: { rate: 10 } };
    requests.settle(reply(message.id, payload, "error"));
    await expect(answer).rejects.toBeInstanceOf(RequestError);
    await expect(answer).rejects.toMatchObject({
      ...{ code: "rate_limited", reason: "slowly", retry: true, retryAfter: 500, details: { rate: 10 } },
      message: "rate_limited: slowly",
    });
  });

  it.each([null, "no", 7, [], {}, { code: 7, retry_after: "soon", details: "x" }])(
    "makes one of an error that says %j",
    async (payload) => {
      const requests = new Requests();
      const [message, answer] = asked(requests);
      requests.settle(reply(message.id, payload, "error"));
      await expect(answer).rejects.toMatchObject({
        code: "internal",
        retry: false,
        retryAfter: undefined,
        details: {},
      });
    },
  );

  it("says when nobody waits: never asked, answered already, or given up", () => {
    const requests = new Requests();
    const [first] = asked(requests);
    const [second] = asked(requests);
    expect(requests.settle(reply("r99", 1))).toBe(false);
    expect(requests.settle(reply(undefined, 1))).toBe(false);
    requests.settle(reply(first.id, 1));
    expect(requests.settle(reply(first.id, 1))).toBe(false);
    requests.discard(second);
    expect(requests.settle(reply(second.id, 1))).toBe(false);
    expect([...requests]).toEqual([]);
  });
});
