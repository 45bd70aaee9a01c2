/**
 * Clients of the TypeScript package, many in one process: `node typescript_clients.mjs`, told what to do by lines of JSON.
 *
 * It reads `{do: "begin", clients: […]}`, `{do: "live", messages, pause}`, `{do: "reload", names}`, `{do: "end"}`, and
 * answers each with `{done: …}` when that is done. What a client sees is written as `{name, entry}`; see `diary.py`.
 */

import { createInterface } from "node:readline";
import { cbor } from "../../clients/typescript/dist/esm/cbor.js";
import { RealtimeClient } from "../../clients/typescript/dist/esm/index.js";

const FILLER = 'naïve – 日本語 👩‍👩‍👧‍👦 \r\n\t\u2028 "quoted" \\ {}[]';
const webSocket = globalThis.WebSocket ?? (await import("../../clients/typescript/node_modules/ws/wrapper.mjs")).WebSocket;
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** A generator of numbers from 0 to 1 (mulberry32), so that a day can be lived again. */
function seeded(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// What a page hears of itself: a reload is a `pagehide` for the one client that is listening then.
const pages = new Set();
globalThis.addEventListener = (type, listener) => pages.add([type, listener]);
globalThis.removeEventListener = (type, listener) => {
  for (const page of pages) if (page[0] === type && page[1] === listener) pages.delete(page);
};

class Life {
  constructor({ name, url, rooms, seed, connectionType, codec, resume }) {
    Object.assign(this, { name, rooms, n: 0, random: seeded(seed) });
    const kept = new Map();
    const store = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => kept.set(key, value),
      removeItem: (key) => kept.delete(key),
    };
    this.options = {
      url,
      webSocket,
      connectionType,
      clientId: name,
      fallbackTypes: ["websocket", "sse", "polling"].filter((type) => type !== connectionType),
      ...(codec === "cbor" && { codec: cbor() }),
      ...(resume && { resume: store }),
      memory: null,
      reconnectDelay: 100,
      maxReconnectAttempts: 1000,
      timing: { open: 5000, send: 60_000, request: 60_000, maxReconnectDelay: 2000, climb: 5000 },
    };
  }

  note(...entry) {
    tell({ name: this.name, entry });
  }

  async begin(history = 0) {
    const client = (this.client = new RealtimeClient(this.options));
    client.subscribe("said", ({ room, epoch, offset, payload: { by, n } }) => {
      if (client === this.client) this.note("said", room, epoch, offset, by, n);
    });
    client.on("gap", ({ reason, n, room = null }) => this.note("gap", reason, n, room));
    for (const event of ["connect", "reconnect"]) {
      client.on(event, ({ node, resumed }) => this.note("session", node, resumed));
    }
    client.on("error", (error) => this.note("error", String(error)));
    const before = new Set(pages);
    await client.connect();
    for (let n = 0; n < 100 && pages.size === before.size; n++) await sleep(10); // the page's events are loaded beside it
    this.page = [...pages].filter((page) => !before.has(page));
    for (const room of this.rooms) await client.joinRoom(room, { history });
  }

  async live(messages, pause) {
    for (let i = 0; i < messages; i++) {
      const n = ++this.n;
      await (this.random() < 0.2 ? this.ask(n) : this.say(n));
      await sleep(this.random() * 2000 * pause);
    }
  }

  async say(n) {
    const room = this.rooms[Math.floor(this.random() * this.rooms.length)];
    const size = this.random() < 0.005 ? 60_000 : Math.floor(this.random() * 40);
    const filler = [...FILLER.repeat(Math.ceil(size / FILLER.length) + 1)].slice(0, size).join("");
    let outcome = "ok";
    try {
      await this.client.sendToRoom(room, "said", { by: this.name, n, filler }, { confirm: true });
    } catch (error) {
      outcome = error.code ?? String(error);
    }
    this.note("sent", room, n, outcome);
  }

  async ask(n) {
    const type = this.random() < 0.5 ? "square" : "think";
    let [outcome, answer] = ["ok", null];
    try {
      answer = await this.client.request(type, { by: this.name, n });
    } catch (error) {
      outcome = error.code ?? String(error);
    }
    this.note("asked", n, outcome, answer);
  }

  /** The page goes, and comes again. */
  async reload() {
    const old = this.client;
    this.client = undefined;
    for (const [type, listener] of this.page) if (type === "pagehide") listener({ persisted: false });
    for (const page of this.page) pages.delete(page);
    await sleep(50);
    await old.close().catch(() => {});
    this.note("page");
    await this.begin(50);
  }
}

const lives = [];
// One at a time where pages begin, so that each finds its own events; they need not wait for each other's rooms.
const deeds = {
  async begin({ clients }) {
    for (const client of clients) {
      const life = new Life(client);
      lives.push(life);
      await life.begin();
    }
  },
  live: ({ messages, pause }) => Promise.all(lives.map((life) => life.live(messages, pause))),
  async reload({ names }) {
    for (const life of lives.filter(({ name }) => names.includes(name))) await life.reload();
  },
  end: () => Promise.all(lives.map(({ client }) => client.close())),
};

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  await deeds[told.do](told);
  tell({ done: told.do });
}
