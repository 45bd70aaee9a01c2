/** Tokens: asked for before each attach, so also when the last one has expired; never in a URL. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { FakeNetwork, record, settled } from "./support/fake.js";

let network: FakeNetwork;

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
});
afterEach(() => void vi.useRealTimers());

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

it("goes into the hello, and into no URL", async () => {
  const client = await network.connected({ authentication: { token: "secret" } });
  expect(network.last.hello.token).toBe("secret");
  expect(network.last.url).not.toContain("secret");
  await client.close();
});

it("is asked for again when the server says that it has expired, and the session goes on", async () => {
  let asked = 0;
  const client = await network.connected({ authentication: { token: async () => `token-${++asked}` } });
  const told = record(client);
  network.last.say(["close", { code: "credentials_expired", number: 4010 }]);
  await pass(1000);
  network.last.welcome();
  await settled();
  expect(network.sockets.map(({ hello }) => hello.token)).toEqual(["token-1", "token-2"]);
  expect(network.last.hello.session).toBe("s1");
  expect([told.disconnect, told.reconnect?.length, told.error]).toEqual([["credentials_expired"], 1, []]);
  await client.close();
});

it("is asked for before each transport that is tried", async () => {
  let asked = 0;
  const fetch = async () => new Response("no", { status: 502 });
  const client = network.client({
    fallbackTypes: ["sse", "polling"],
    fetch,
    authentication: { token: () => `${++asked}` },
  });
  void client.connect().catch(() => {});
  await settled();
  network.last.drop();
  await vi.waitFor(() => expect(asked).toBe(3), 15_000);
  await client.close();
});

it("that cannot be had is a failure like any other: the client tries again", async () => {
  let asked = 0;
  const token = () => {
    if (++asked < 3) throw new Error("the login page is down");
    return "third time";
  };
  const client = network.client({ authentication: { token } });
  const connecting = client.connect();
  await pass(3000);
  expect(network.sockets).toHaveLength(1);
  network.last.welcome();
  await connecting;
  expect(network.last.hello.token).toBe("third time");
  await client.close();
});

it("that never comes holds nobody up for ever", async () => {
  let asked = 0;
  const token = () => (++asked === 1 ? new Promise<string>(() => {}) : "second");
  const client = network.client({ authentication: { token }, timing: { request: 5000 } });
  const connecting = client.connect();
  await pass(4999);
  expect(asked).toBe(1);
  await pass(1001);
  network.last.welcome();
  await connecting;
  await client.close();
});

it("that comes when the client was closed meanwhile opens nothing", async () => {
  let give: (token: string) => void = () => {};
  const token = () => new Promise<string>((resolve) => (give = resolve));
  const client = network.client({ authentication: { token } });
  void client.connect().catch(() => {});
  await settled();
  await client.close();
  give("late");
  await pass(60_000);
  expect([network.sockets, vi.getTimerCount()]).toEqual([[], 0]);
});

it("that hangs is cut short by close(): who connects hears of it at once", async () => {
  const client = network.client({ authentication: { token: () => new Promise<string>(() => {}) } });
  const refused = expect(client.connect()).rejects.toMatchObject({ code: "not_connected" });
  await settled();
  await client.close();
  await refused;
  await pass(60_000);
  expect([network.sockets, vi.getTimerCount()]).toEqual([[], 0]);
});

it("that hangs is cut short by another connect(), once it has hung for long", async () => {
  const asked: (() => void)[] = [];
  const token = () => (asked.length ? "second" : new Promise<string>((resolve) => asked.push(() => resolve("first"))));
  const client = network.client({ authentication: { token } });
  const first = client.connect();
  await pass(5000);
  // That somebody else connects, too, is no reason to ask twice.
  const second = client.connect();
  await settled();
  expect([asked.length, network.sockets.length]).toEqual([1, 0]);
  await pass(1);
  const third = client.connect();
  await settled();
  network.last.welcome();
  await Promise.all([first, second, third]);
  asked[0]?.();
  await pass(1000);
  expect([network.last.hello.token, network.sockets.length]).toEqual(["second", 1]);
  await client.close();
});

it("that cannot be had is not asked for again for the sake of another transport, and its error is the cause", async () => {
  const error = new Error("the login page is down");
  let asked = 0;
  const token = () => {
    asked++;
    throw error;
  };
  const client = network.client({
    fallbackTypes: ["sse", "polling"],
    authentication: { token },
    maxReconnectAttempts: 0,
  });
  await expect(client.connect()).rejects.toMatchObject({
    code: "suspended",
    reason: expect.stringMatching(/no token: Error: the login page is down/),
    cause: error,
  });
  expect(asked).toBe(1);
  await client.close();
});

it("is not in what an error says", async () => {
  const client = network.client({ authentication: { token: "hunter2" }, maxReconnectAttempts: 0 });
  const failed = expect(client.connect()).rejects.toThrow(/^((?!hunter2).)*$/);
  await settled();
  network.last.drop();
  await failed;
  await client.close();
});
