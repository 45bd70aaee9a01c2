/** Tabs come and go, crash, sleep and wake up, cables are cut: by seeded schedules, against a server that forgets what is confirmed. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { RealtimeClient } from "../src/index.js";
import { tabsOf } from "../src/tabs.js";
import { Browser, type Tab } from "./support/browser.js";
import { seeded } from "./support/seeded.js";
import { Sessions } from "./support/sessions.js";

const SEEDS = Array.from(
  { length: Number(process.env.TABS_SEEDS ?? 60) },
  (_, n) => n + Number(process.env.TABS_FIRST ?? 1),
);
const ROOM = "r";

beforeEach(() => vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What happened in all runs: a schedule in which nothing does proves nothing. */
const seen = { takeovers: 0, crashes: 0, sleeps: 0, cuts: 0 };

/** What no program sees: whether a tab knows what there is to know. */
const portOf = ({ client }: Page) =>
  (client as unknown as { _connector: { _port?: { _synced: boolean } } })._connector._port;

class Page {
  readonly heard: string[] = [];
  readonly gaps: unknown[] = [];
  readonly errors: string[] = [];
  /** Publications when it was in the room; `undefined` before. */
  joined: number | undefined;
  readonly sent: { text: string; fate: "open" | "confirmed" | string }[] = [];
  readonly wrong: unknown[] = [];
  private number = 0;

  constructor(
    readonly tab: Tab,
    readonly client: RealtimeClient,
    readonly name: string,
  ) {
    client.subscribe("said", ({ payload }) => {
      this.heard.push(payload as string);
    });
    client.on("gap", (gap) => this.gaps.push(gap));
    client.on("error", (error) => this.errors.push(`${error.code}: ${error.reason}`));
  }

  async enter(server: Sessions): Promise<void> {
    await this.client.connect();
    await this.client.joinRoom(ROOM);
    this.joined = server.published.length;
  }

  say(): void {
    const one = { text: `${this.name} ${++this.number}`, fate: "open" };
    this.sent.push(one);
    this.client.sendToRoom(ROOM, "said", one.text, { confirm: true, timeout: 1e9 }).then(
      () => {
        one.fate = "confirmed";
      },
      (error) => {
        one.fate = error.code;
      },
    );
  }

  ask(): void {
    const text = `${this.name} asks ${++this.number}`;
    const wrong = (answer: unknown) => this.wrong.push([text, answer]);
    this.client.request("echo", text, { timeout: 1e9 }).then(
      (answer) => answer === text || wrong(answer),
      (error) => this.tab.state === "dead" || wrong(error.code),
    );
  }
}

it.each(SEEDS)(
  "nothing is lost and nothing comes twice: seed %i",
  async (seed) => {
    const random = seeded(seed);
    const server = new Sessions();
    const browser = new Browser(random, server);
    const upTo = (n: number) => Math.floor(random() * n);
    const pages: Page[] = [];
    const open = () => {
      const tab = browser.open();
      const client = new RealtimeClient({
        url: "http://server.test/rt",
        webSocket: tab.WebSocket,
        fallbackTypes: [],
        memory: null,
        reconnectDelay: 10,
        maxReconnectAttempts: 1000,
        timing: { maxReconnectDelay: 50 },
        random,
        shared: tabsOf(tab.platform),
      });
      const page = new Page(tab, client, tab.id);
      pages.push(page);
      page.enter(server).catch(() => {});
    };
    const awake = () => pages.filter(({ tab }) => tab.state === "awake");
    const some = (): Page | undefined => awake()[upTo(awake().length)];
    /** Somebody to whom something happens: another one has to be there who knows all that there is to know. */
    const victim = (): Page | undefined => {
      const page = upTo(2) ? leader() : some();
      const knows = (other: Page) =>
        other !== page && !other.tab.isHidden && other.client.isConnected && portOf(other)?._synced;
      return page && !page.tab.isHidden && awake().some(knows) ? page : undefined;
    };
    const leader = () => awake().find(({ client }) => client.getConnectionInfo().shared === "leader") ?? some();
    let last: Page | undefined;

    const steps: [weight: number, step: () => void][] = [
      [30, () => some()?.say()],
      [8, () => some()?.ask()],
      [
        6,
        () => {
          const payload = `server ${server.published.length}`;
          server.published.push({ room: ROOM, payload });
          server.publish(ROOM, payload, "said");
        },
      ],
      [4, () => pages.length < 12 && open()],
      [
        2,
        () => {
          const page = victim();
          if (!page) return;
          seen.crashes++;
          page.tab.crash();
        },
      ],
      [
        2,
        () => {
          const page = victim();
          if (!page) return;
          seen.sleeps++;
          page.tab.sleep(upTo(3) > 0);
        },
      ],
      [3, () => pages.find(({ tab }) => tab.state === "asleep")?.tab.wake(true)],
      [
        2,
        () => {
          const page = victim();
          if (!page) return;
          page.tab.hide(true);
          setTimeout(() => page.tab.show(), upTo(300));
        },
      ],
      [
        2,
        () => {
          seen.cuts++;
          server.cut();
        },
      ],
    ];
    const total = steps.reduce((sum, [weight]) => sum + weight, 0);

    open();
    for (let n = 0; n < 250; n++) {
      let choice = upTo(total);
      for (const [weight, step] of steps) {
        choice -= weight;
        if (choice >= 0) continue;
        step();
        break;
      }
      await vi.advanceTimersByTimeAsync(upTo(20) === 0 ? upTo(4000) : upTo(25));
      if (leader() !== last) {
        seen.takeovers++;
        last = leader();
      }
    }
    for (const { tab } of pages) if (tab.state === "asleep") tab.wake(true);
    await vi.advanceTimersByTimeAsync(30_000);

    const published = server.published.map(({ payload }) => payload as string);
    // Nothing twice, and everything that somebody who still lives has sent.
    expect(new Set(published).size).toBe(published.length);
    for (const page of pages) {
      const { name, tab, sent, heard, joined, wrong, gaps, errors } = page;
      for (const { text, fate } of sent) {
        if (fate === "confirmed") expect(published, `${name}: confirmed`).toContain(text);
        else if (tab.state === "awake") expect(`${text}: ${fate}`).toBe("confirmed");
      }
      if (tab.state !== "awake") continue;
      expect(joined, `${name}: joined`).toBeDefined();
      expect({ wrong, gaps, errors }, name).toEqual({ wrong: [], gaps: [], errors: [] });
      // Everything since it is in the room, and perhaps what came while it was on its way in.
      expect(heard.length, `${name}: since ${joined}`).toBeGreaterThanOrEqual(published.length - (joined as number));
      expect(heard, name).toEqual(published.slice(published.length - heard.length));
    }
    const sessions = new Set(awake().map(({ client }) => client.getConnectionInfo().sessionId));
    expect(sessions.size).toBe(1);
    // One that slept may have asked for a session before it knew that others go on with its own; it is in no room.
    for (const { id, rooms } of server.sessions.values())
      expect([id, rooms.size]).toEqual([id, sessions.has(id) ? 1 : 0]);
  },
  20_000,
);

it("a lot has happened in all that", () => {
  expect(seen.takeovers).toBeGreaterThan(SEEDS.length);
  expect(Math.min(seen.crashes, seen.sleeps, seen.cuts)).toBeGreaterThan(SEEDS.length);
});
