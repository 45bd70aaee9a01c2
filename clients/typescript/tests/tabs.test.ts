/** Tabs that share a connection, in a browser that is made here, with a server that remembers what it was told. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ClientOptions, RealtimeClient } from "../src/index.js";
import { tabsOf } from "../src/tabs.js";
import { Browser, type Tab } from "./support/browser.js";
import { record } from "./support/fake.js";
import { seeded } from "./support/seeded.js";
import { Sessions } from "./support/sessions.js";

let server: Sessions;
let browser: Browser;

beforeEach(() => {
  vi.useFakeTimers();
  server = new Sessions();
  browser = new Browser(seeded(7), server);
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

interface Page {
  tab: Tab;
  client: RealtimeClient;
  told: ReturnType<typeof record>;
  heard: unknown[];
}

function open(options: Partial<ClientOptions> = {}, key: string | undefined = undefined): Page {
  const tab = browser.open();
  const client = new RealtimeClient({
    url: "http://server.test/rt",
    webSocket: tab.WebSocket,
    fallbackTypes: [],
    memory: null,
    reconnectDelay: 10,
    shared: tabsOf(tab.platform, key === undefined ? {} : { key }),
    ...options,
  });
  const heard: unknown[] = [];
  client.subscribe("*", ({ payload }) => heard.push(payload));
  return { tab, client, told: record(client), heard };
}

async function connected(options: Partial<ClientOptions> = {}, key?: string): Promise<Page> {
  const page = open(options, key);
  const connecting = page.client.connect();
  await pass(100);
  await connecting;
  return page;
}

const role = ({ client }: Page) => client.getConnectionInfo().shared;
const info = ({ client }: Page) => client.getConnectionInfo();

describe("tabs", () => {
  it("share one connection and one session", async () => {
    const pages = [await connected(), await connected(), await connected()];
    expect(pages.map(role)).toEqual(["leader", "follower", "follower"]);
    expect(server.hellos).toBe(1);
    expect(new Set(pages.map((page) => info(page).sessionId))).toEqual(new Set(["s1"]));
    for (const { told } of pages) {
      expect(told).toMatchObject({ state: ["connecting", "connected"], transport: ["websocket"], error: [], gap: [] });
      expect(told.connect).toHaveLength(1);
    }
  });

  it("all hear what the server says to the session, and each only the answers to its own requests", async () => {
    const pages = [await connected(), await connected(), await connected()];
    const answers = pages.map(({ client }, n) => client.request("echo", `tab ${n}`));
    await pass(50);
    expect(await Promise.all(answers)).toEqual(["tab 0", "tab 1", "tab 2"]);
    server.publish(undefined, "for all");
    await pass(50);
    expect(pages.map(({ heard }) => heard)).toEqual([["for all"], ["for all"], ["for all"]]);
    expect(server.asked.map(({ id }) => id).filter((id, n, all) => all.indexOf(id) !== n)).toEqual([]);
  });

  it("are in rooms of their own; the session joins each, and leaves it with the last tab", async () => {
    const [ann, bob, cleo] = [await connected(), await connected(), await connected()];
    const joined = [ann.client.joinRoom("a"), bob.client.joinRoom("a"), bob.client.joinRoom("b")];
    await pass(50);
    await Promise.all(joined);
    server.publish("a", "in a");
    server.publish("b", "in b");
    await pass(50);
    expect([ann.heard, bob.heard, cleo.heard]).toEqual([["in a"], ["in a", "in b"], []]);
    expect([info(ann).rooms, info(bob).rooms]).toEqual([["a"], ["a", "b"]]);

    const left = ann.client.leaveRoom("a");
    await pass(50);
    expect(await left).toBe(true);
    expect(server.asked.filter(({ type }) => type === "room:leave")).toEqual([]);
    server.publish("a", "more in a");
    await pass(50);
    expect([ann.heard, bob.heard]).toEqual([["in a"], ["in a", "in b", "more in a"]]);

    const last = bob.client.leaveRoom("a");
    await pass(50);
    expect(await last).toBe(true);
    expect([...(server.sessions.get("s1")?.rooms ?? [])]).toEqual(["b"]);
  });

  it("that are closed leave their rooms, and the others alone", async () => {
    const [ann, bob] = [await connected(), await connected()];
    const joined = [ann.client.joinRoom("a"), bob.client.joinRoom("b")];
    await pass(50);
    await Promise.all(joined);
    const closed = ann.client.close();
    await pass(50);
    await closed;
    expect(info(ann).state).toBe("closed");
    expect([role(bob), info(bob).state, info(bob).sessionId]).toEqual(["leader", "connected", "s1"]);
    expect([...(server.sessions.get("s1")?.rooms ?? [])]).toEqual(["b"]);
    expect([bob.told.disconnect, bob.told.reconnect, server.byes]).toEqual([[], [], 0]);
    const last = bob.client.close();
    await pass(50);
    await last;
    expect(server.byes).toBe(1);
  });
});

describe.each([
  ["is closed", ({ client }: Page) => void client.close()],
  ["is gone with its page", ({ tab }: Page) => tab.hide(false)],
  ["is put into the back-forward cache", ({ tab }: Page) => tab.hide(true)],
  ["is put to sleep", ({ tab }: Page) => tab.sleep(true)],
  ["pauses", ({ client }: Page) => client.pause()],
  ["crashes", ({ tab }: Page) => tab.crash()],
])("a leader that %s", (_, end) => {
  it("is followed by another one, in the same session, with nothing lost and nothing twice", async () => {
    const pages = [await connected(), await connected(), await connected()];
    const [first, ...others] = pages as [Page, Page, Page];
    const joined = pages.map(({ client }) => client.joinRoom("r"));
    await pass(50);
    await Promise.all(joined);
    const sent = others.map(({ client }, n) => client.sendToRoom("r", "said", `before ${n}`, { confirm: true }));
    const asked = others[0].client.request("echo", "before");
    end(first);
    sent.push(...others.map(({ client }, n) => client.sendToRoom("r", "said", `after ${n}`, { confirm: true })));
    server.publish("r", "meanwhile");
    await pass(500);
    await Promise.all(sent);
    expect(await asked).toBe("before");
    const all = server.published.map(({ payload }) => payload);
    expect([...all].sort()).toEqual(["after 0", "after 1", "before 0", "before 1"]);
    for (const { heard, told } of others) {
      expect([...heard].sort()).toEqual([...all, "meanwhile"].sort());
      expect(told.gap).toEqual([]);
      expect(told.disconnect).toEqual([]);
    }
    expect(others.map(role).sort()).toEqual(["follower", "leader"]);
    expect(new Set(others.map((page) => info(page).sessionId))).toEqual(new Set(["s1"]));
    expect(server.byes).toBe(0);
  });
});

describe("a leader that sleeps without a word", () => {
  const asleep = async (): Promise<[Page, Page, Page]> => {
    const [first, ...others] = [await connected(), await connected(), await connected()] as [Page, Page, Page];
    const joined = [first, ...others].map(({ client }) => client.joinRoom("r"));
    await pass(50);
    await Promise.all(joined);
    first.tab.sleep(false);
    return [first, ...others];
  };

  it("is found out when somebody wants something, and replaced", async () => {
    const [, bob] = await asleep();
    const answer = bob.client.request("echo", "anybody?", { timeout: 20_000 });
    await pass(8000);
    expect(await answer).toBe("anybody?");
    expect(info(bob).sessionId).toBe("s1");
  });

  it("is found out when nobody wants anything, too", async () => {
    const [first, bob, cleo] = await asleep();
    await pass(50_000);
    server.publish("r", "after all");
    await pass(100);
    expect([bob.heard, cleo.heard]).toEqual([["after all"], ["after all"]]);
    expect([role(first), ...[bob, cleo].map(role).sort()]).toEqual(["leader", "follower", "leader"]);
  });

  it("looks whether it still leads before it writes, once it wakes up", async () => {
    const [first, bob, cleo] = await asleep();
    void bob.client.request("echo", 1, { timeout: 20_000 });
    await pass(8000);
    server.publish("r", "while it slept");
    await pass(100);
    // Its own socket was cut by nobody: only the server's word, and its lock, say that it leads no more.
    const sent = first.client.sendToRoom("r", "said", "awake again", { confirm: true, timeout: 20_000 });
    first.tab.wake(false);
    await pass(1000);
    await sent;
    expect(server.published).toEqual([{ room: "r", payload: "awake again" }]);
    for (const { heard, told } of [first, bob, cleo]) {
      expect(heard).toEqual(["while it slept", "awake again"]);
      expect(told).toMatchObject({ error: [], gap: [] });
    }
    expect([role(first), info(first).state]).toEqual(["follower", "connected"]);
    expect(server.sessions.size).toBe(1);
  });

  it("costs nothing but its own place among those that are waited for: the server may forget what the others have", async () => {
    const [first, bob] = [await connected(), await connected()];
    bob.tab.sleep(false);
    for (let n = 0; n < 60; n++) server.publish(undefined, n);
    await pass(5000);
    expect(server.sessions.get("s1")?.held).toEqual([]);
    bob.tab.wake(false);
    await pass(100);
    expect([first.heard, bob.heard]).toEqual([[...Array(60).keys()], [...Array(60).keys()]]);
  });
});

describe("a tab that was away", () => {
  it.each([
    ["in the back-forward cache", (tab: Tab) => tab.hide(true), (tab: Tab) => tab.show()],
    ["asleep", (tab: Tab) => tab.sleep(true), (tab: Tab) => tab.wake(true)],
  ])("%s is given what it has missed", async (_, go, back) => {
    const [ann, bob] = [await connected(), await connected()];
    const joined = bob.client.joinRoom("r");
    await pass(50);
    await joined;
    go(bob.tab);
    await pass(50);
    for (let n = 0; n < 50; n++) server.publish("r", n);
    await pass(1000);
    back(bob.tab);
    await pass(100);
    server.publish("r", 50);
    await pass(100);
    expect([ann.heard, bob.heard]).toEqual([[], [...Array(51).keys()]]);
    expect(bob.told.gap).toEqual([]);
  });

  it("for longer than a session waits is out of its rooms, and joins them again", async () => {
    const [, bob] = [await connected(), await connected()];
    const joined = bob.client.joinRoom("r");
    await pass(50);
    await joined;
    bob.tab.hide(true);
    await pass(61_000);
    expect(server.sessions.get("s1")?.rooms.size).toBe(0);
    bob.tab.show();
    await pass(100);
    server.publish("r", "back");
    await pass(100);
    expect(bob.heard).toEqual(["back"]);
  });

  it("alone goes on with its session", async () => {
    const ann = await connected();
    ann.client.pause();
    await pass(100);
    expect([info(ann).state, server.byes]).toEqual(["paused", 0]);
    server.publish(undefined, "meanwhile");
    ann.client.resume();
    await pass(100);
    expect([info(ann).sessionId, info(ann).resumed, ann.heard]).toEqual(["s1", true, ["meanwhile"]]);
  });
});

describe("the connection's state", () => {
  it("reaches all tabs: lost, back, and what it is worth", async () => {
    const pages = [await connected(), await connected()];
    server.cut();
    await pass(200);
    for (const { told } of pages) {
      expect(told.state).toEqual(["connecting", "connected", "reconnecting", "connected"]);
      expect(told.disconnect).toEqual(["NETWORK_ERROR"]);
      expect(told.reconnect).toMatchObject([{ resumed: true, sessionId: "s1" }]);
      expect(told.quality).toEqual(["excellent"]);
    }
    expect(info(pages[0] as Page).latency).toBe(info(pages[1] as Page).latency);
  });

  it("reaches all tabs: a session that is gone, and what had an unknown outcome", async () => {
    const pages = [await connected(), await connected()];
    const [, bob] = pages as [Page, Page];
    const joined = pages.map(({ client }) => client.joinRoom("r"));
    await pass(50);
    await Promise.all(joined);
    const sent = bob.client.request("nobody answers", 1).catch((error) => error.code);
    await pass(20);
    server.cut();
    server.expire();
    await pass(500);
    expect(await sent).toBe("unknown_outcome");
    for (const { told } of pages) expect(told.reconnect).toMatchObject([{ resumed: false, sessionId: "s2" }]);
    expect([...(server.sessions.get("s2")?.rooms ?? [])]).toEqual(["r"]);
  });

  it("reaches all tabs: stopped by the server; who connects again does it for all", async () => {
    const [ann, bob] = [await connected(), await connected()];
    server.kick();
    await pass(200);
    for (const { client, told } of [ann, bob]) {
      expect(client.getConnectionInfo().state).toBe("stopped");
      expect(told.error).toMatchObject([{ code: "kicked", next: "stop" }]);
    }
    expect(server.hellos).toBe(1);
    const again = bob.client.connect();
    await pass(200);
    await again;
    expect([ann, bob].map((page) => info(page).state)).toEqual(["connected", "connected"]);
    expect(server.hellos).toBe(2);
  });

  it("reaches a tab that comes later: it connects what the server has stopped, since its program wants it", async () => {
    await connected();
    server.kick();
    await pass(200);
    expect(info(await connected()).state).toBe("connected");
  });

  it("reaches all tabs: refused, to all who wait", async () => {
    server.refusal = { code: "forbidden", number: 4202, reason: "not you" };
    const pages = [open(), open()];
    const refused = pages.map(({ client }) => client.connect().catch((error) => error.code));
    await pass(500);
    expect(await Promise.all(refused)).toEqual(["forbidden", "forbidden"]);
  });

  it("reaches all tabs: suspended, and what wakes it", async () => {
    const pages = [await connected({ maxReconnectAttempts: 0 }), await connected({ maxReconnectAttempts: 0 })];
    server.refusal = { code: "server_full", number: 4006, reason: "later" };
    server.cut();
    await pass(2000);
    for (const { told, client } of pages) {
      expect(client.getConnectionInfo().state).toBe("suspended");
      expect(told.error).toMatchObject([{ code: "suspended" }]);
    }
    const [, bob] = pages as [Page, Page];
    const failed = bob.client.connect().catch((error) => error.code);
    await pass(1000);
    expect(await failed).toBe("suspended");
    server.refusal = undefined;
    const again = bob.client.connect();
    await pass(1000);
    await again;
    expect(pages.map((page) => info(page).state)).toEqual(["connected", "connected"]);
  });
});

describe("who shares with whom", () => {
  it("tabs with one key, and no others", async () => {
    const token = { authentication: { token: "t" } };
    const pages = [
      await connected(token, "ann"),
      await connected(token, "ann"),
      await connected(token, "bob"),
      await connected({ ...token, url: "http://other.test/rt" }, "ann"),
    ];
    expect(pages.map(role)).toEqual(["leader", "follower", "leader", "leader"]);
    expect(server.sessions.size).toBe(3);
  });

  it("a token without a key is refused where it is given", () => {
    const { platform } = browser.open();
    const make = (key?: string) =>
      new RealtimeClient({
        url: "http://server.test/rt",
        authentication: { token: async () => "t" },
        shared: tabsOf(platform, key === undefined ? {} : { key }),
      });
    expect(() => make()).toThrow(/^shared: expected a `key`/);
    expect(() => make("")).toThrow(TypeError);
    expect(make("ann")).toBeInstanceOf(RealtimeClient);
  });

  it("the token is asked of the tab that leads, and of no other", async () => {
    const asked: string[] = [];
    const token = (who: string) => ({ authentication: { token: async () => `${asked.push(who)} ${who}` } });
    const ann = await connected(token("ann"), "us");
    const bob = await connected(token("bob"), "us");
    server.cut();
    await pass(200);
    expect(asked).toEqual(["ann", "ann"]);
    ann.tab.crash();
    await pass(500);
    expect([asked, server.tokens, info(bob).state]).toEqual([
      ["ann", "ann", "bob"],
      ["1 ann", "2 ann", "3 bob"],
      "connected",
    ]);
  });

  it("a browser without locks has a connection for each tab, and says so", async () => {
    const tab = browser.open();
    const { navigator: _, ...platform } = tab.platform;
    const client = new RealtimeClient({
      url: "http://server.test/rt",
      webSocket: tab.WebSocket,
      fallbackTypes: [],
      memory: null,
      shared: tabsOf(platform as typeof tab.platform),
    });
    const told = record(client);
    const connecting = client.connect();
    await pass(100);
    await connecting;
    expect(told.error).toMatchObject([{ code: "not_shared", reason: expect.stringContaining("Web Locks") }]);
    expect(client.getConnectionInfo()).toMatchObject({ state: "connected", shared: undefined });
  });

  it("a logout ends the session of all tabs", async () => {
    const shared = [browser.open(), browser.open()].map(({ platform }) => tabsOf(platform));
    const pages = [await connected({ shared: shared[0] as never }), await connected({ shared: shared[1] as never })];
    const ended = shared[1]?.end();
    await pass(100);
    await ended;
    expect(server.byes).toBe(1);
    for (const { client, told } of pages) {
      expect(client.getConnectionInfo().state).toBe("stopped");
      expect(told.error).toMatchObject([{ code: "bye" }]);
    }
    const again = pages[0]?.client.connect();
    await pass(100);
    await again;
    expect(pages.map((page) => info(page).sessionId)).toEqual(["s2", "s2"]);
  });
});
