/** What a page does to its client: online and offline, shown, frozen and thawed, put away, gone. */

import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeNetwork, record, settled } from "./support/fake.js";
import { memoryStore } from "./support/stores.js";

const KEY = "rtcore:session:http://server.test/rt";

let network: FakeNetwork;
let page: EventTarget;
let document: { visibilityState: string; wasDiscarded?: boolean };

// What listens is loaded beside the first connection, and takes real time the first time.
beforeAll(() => Promise.all([import("../src/page.js"), import("../src/resume.js")]));

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
  page = new EventTarget();
  document = { visibilityState: "visible" };
  vi.stubGlobal("document", document);
  vi.stubGlobal("sessionStorage", memoryStore());
  vi.stubGlobal("localStorage", memoryStore());
  vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
  vi.stubGlobal("removeEventListener", page.removeEventListener.bind(page));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);
const happens = (name: string, fields: object = {}) => page.dispatchEvent(Object.assign(new Event(name), fields));
const parked = () => (sessionStorage as unknown as ReturnType<typeof memoryStore>).kept.get(KEY);
/** A client that keeps its session for the next page. */
async function resuming() {
  const before = network.sockets.length;
  const client = network.client({ resume: true });
  const connecting = client.connect();
  await vi.waitFor(() => expect(network.sockets.length).toBeGreaterThan(before), 15_000);
  network.last.welcome();
  await connecting;
  return client;
}

describe("the network", () => {
  it.each([
    ["comes back", () => happens("online")],
    ["is looked for, because the page is shown", () => happens("visibilitychange")],
  ])("%s: an attempt that waits is made now, and has all its attempts again", async (_, event) => {
    const client = await network.connected({ maxReconnectAttempts: 0 });
    network.last.drop();
    await pass(5000);
    expect(client.getConnectionInfo().state).toBe("suspended");
    const before = network.sockets.length;
    event();
    await settled();
    expect(network.sockets.length).toBe(before + 1);
    network.last.welcome();
    await settled();
    expect(client.isConnected).toBe(true);
    await client.close();
  });

  it("comes back while an attempt hangs: the next one does not wait", async () => {
    const client = await network.connected({ timing: { open: 5000 } });
    network.last.drop();
    await pass(1000);
    happens("online");
    await pass(5000);
    expect(network.sockets).toHaveLength(3);
    await client.close();
  });

  it("that came back while there was a link is no reason to be quick after a later loss", async () => {
    const client = await network.connected();
    happens("online");
    happens("visibilitychange");
    network.last.drop();
    await pass(999);
    expect(network.sockets).toHaveLength(1);
    await client.close();
  });

  it("comes back, but the server has said not to come before a time", async () => {
    const client = await network.connected();
    network.last.say(["close", { code: "server_full", number: 4003, retry_after: 20 }]);
    await settled();
    for (let n = 0; n < 19; n++) {
      happens("online");
      client.connect().catch(() => {});
      await pass(1000);
    }
    expect(network.sockets).toHaveLength(1);
    await pass(1000);
    expect(network.sockets).toHaveLength(2);
    await client.close();
  });

  it("is another one: a link that says nothing for two seconds is replaced, before it is known to be dead", async () => {
    const connection = new EventTarget();
    vi.stubGlobal("navigator", { connection });
    const client = await network.connected();
    const told = record(client);
    network.last.say(["pong", { t: 1 }]);
    await pass(1000);
    connection.dispatchEvent(new Event("change"));
    await pass(2000);
    expect(network.sockets).toHaveLength(2);
    network.last.welcome();
    await settled();
    expect([client.isConnected, told.disconnect, network.sockets[0]?.readyState]).toEqual([true, [], 3]);
    await client.close();
    connection.dispatchEvent(new Event("change"));
    await pass(60_000);
    expect(network.sockets).toHaveLength(2);
  });

  it("is no concern of a page that is hidden", async () => {
    const client = await network.connected({ maxReconnectAttempts: 0 });
    network.last.drop();
    await pass(5000);
    const before = network.sockets.length;
    document.visibilityState = "hidden";
    happens("visibilitychange");
    await settled();
    expect(network.sockets.length).toBe(before);
    await client.close();
  });

  it("is gone: the link is asked whether it lives, and dies of silence within seconds", async () => {
    const client = await network.connected();
    const told = record(client);
    network.last.say(["pong", { t: 1 }]);
    await pass(10_000);
    happens("offline");
    expect(network.last.control("ping")).toHaveLength(2);
    await pass(10_000);
    expect(told.disconnect).toEqual(["ping_timeout"]);
    await client.close();
  });

  it("is asked after a sleep, when the page is shown: a link that slept, too, is left within seconds", async () => {
    const client = await network.connected();
    network.last.say(["pong", { t: 1 }]);
    const awake = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => awake() + 8 * 3_600_000);
    happens("visibilitychange");
    expect(network.last.control("ping")).toHaveLength(2);
    await pass(10_000);
    expect(client.isConnected).toBe(false);
    await client.close();
  });
});

describe("a page that goes", () => {
  it("says goodbye, if nobody is to have its session", async () => {
    await network.connected();
    happens("pagehide", { persisted: false });
    expect([network.last.control("bye"), network.last.readyState]).toEqual([[{}], 3]);
  });

  it.each([false, true])("attaches no more while it goes, kept by the browser or not (%s)", async (persisted) => {
    const client = await resuming();
    happens("pagehide", { persisted });
    const before = network.sockets.length;
    await pass(120_000);
    happens("online");
    await pass(120_000);
    expect(network.sockets.length).toBe(before);
    happens("pageshow", { persisted: true });
    await settled();
    expect(network.sockets.length).toBe(before + 1);
    await client.close();
  });

  it("leaves its session to the next one, with the number of its last hello", async () => {
    const client = await resuming();
    void client.joinRoom("lobby");
    await settled();
    const { id } = network.last.messages("room:join")[0] as { id: string };
    network.last.say({ type: "reply", re: id, payload: { room: "lobby", members: 1 } });
    await settled();
    expect(parked()).toBeUndefined();
    happens("pagehide", { persisted: false });
    expect(JSON.parse(parked() as string)).toEqual({
      ...{ session: "s1", secret: "secret-1", attach: 1 },
      frozen: false,
    });
    expect([network.last.control("bye"), network.last.control("away"), network.last.readyState]).toEqual([[], [{}], 3]);
  });

  it("into the back-forward cache closes its link, keeps its session, and attaches when it comes back", async () => {
    const client = await network.connected();
    happens("pagehide", { persisted: true });
    expect([network.last.control("bye"), network.last.control("away")]).toEqual([[], [{}]]);
    expect([network.last.readyState, client.isConnected]).toEqual([3, false]);
    await pass(600_000);
    expect([network.sockets.length, client.getConnectionInfo().state]).toEqual([1, "paused"]);
    happens("pageshow", { persisted: true });
    await settled();
    network.last.welcome();
    await settled();
    expect([network.last.hello.session, client.isConnected]).toEqual(["s1", true]);
    await client.close();
  });

  it("comes back into its session, though the browser says twice that it does", async () => {
    const client = await resuming();
    happens("pagehide", { persisted: true });
    happens("freeze");
    happens("resume");
    happens("pageshow", { persisted: true });
    await settled();
    network.last.open();
    expect(network.last.hello).toMatchObject({ session: "s1", received: 0 });
    await client.close();
  });

  it("begins anew when it comes back, if the next page has its session", async () => {
    const client = await resuming();
    happens("pagehide", { persisted: true });
    // Chromium freezes it after that, when the next page may have taken out what was left there.
    sessionStorage.removeItem(KEY);
    happens("freeze");
    expect(parked()).toBeUndefined();
    happens("pageshow", { persisted: true });
    await settled();
    network.last.open();
    expect(network.last.hello).not.toHaveProperty("session");
    await client.close();
  });
});

describe("a page that is frozen", () => {
  it("leaves a session behind for the case that it is discarded, and takes it back when it thaws", async () => {
    const client = await resuming();
    happens("freeze");
    expect(JSON.parse(parked() as string)).toMatchObject({ session: "s1", frozen: true });
    happens("resume");
    expect(parked()).toBeUndefined();
    expect(network.last.control("ping")).toHaveLength(2);
    expect(client.isConnected).toBe(true);
    await client.close();
  });

  it("keeps its session from a copy of its tab", async () => {
    const client = await resuming();
    happens("freeze");
    const copy = await resuming();
    expect(network.last.hello).not.toHaveProperty("session");
    await Promise.all([client.close(), copy.close()]);
  });

  it("leaves it to the page that the browser loads instead, when it was discarded", async () => {
    const client = await resuming();
    happens("freeze");
    document.wasDiscarded = true;
    const next = await resuming();
    expect(network.last.hello).toMatchObject({ session: "s1", attach: 2, received: null });
    await Promise.all([client.close(), next.close()]);
  });
});

describe("a client", () => {
  it("listens to nothing any more, once it is closed", async () => {
    const client = await network.connected();
    await client.close();
    for (const name of ["online", "offline", "visibilitychange", "pagehide", "freeze", "resume"]) happens(name);
    await pass(60_000);
    expect([network.sockets.length, vi.getTimerCount()]).toEqual([1, 0]);
  });

  it("listens once, however often it connects", async () => {
    const added = vi.fn();
    vi.stubGlobal("addEventListener", added);
    const client = await network.connected();
    const times = added.mock.calls.length;
    network.last.say(["close", { code: "kicked", number: 4203 }]);
    await settled();
    const again = client.connect();
    await settled();
    network.last.welcome();
    await again;
    expect([times, added.mock.calls.length]).toEqual([7, 7]);
    await client.close();
  });

  it("remembers its transport in localStorage, unless it is told not to", async () => {
    const client = network.client({ memory: undefined as never });
    const connecting = client.connect();
    await settled();
    network.last.welcome();
    await connecting;
    expect(JSON.parse(localStorage.getItem("rtcore:transport:http://server.test/rt") as string)[0]).toBe("websocket");
    await client.close();
  });
});
