/** Rooms with a history, over a real server and a network that is cut: each message once and in order, after reloads too. */

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { cbor } from "../src/cbor.js";
import { type ClientOptions, type ConnectionType, type Gap, type KeyStore, RealtimeClient } from "../src/index.js";
import { seeded } from "./support/seeded.js";
import { Network, RealServer, until } from "./support/server.js";
import { memoryStore } from "./support/stores.js";

const TRANSPORTS: ConnectionType[] = ["websocket", "sse", "polling"];

let server: RealServer;
let proxy: Network;
let writer: RealtimeClient;
let rooms = 0;
const clients: RealtimeClient[] = [];

beforeAll(async () => {
  server = await RealServer.start(0, 'rooms.options."*".history=5000');
  proxy = await Network.start(server.port);
  writer = new RealtimeClient({ url: server.url, webSocket: WebSocket, limits: { queue: 10_000 } });
  await writer.connect();
});

afterAll(async () => {
  await writer.close();
  proxy.stop();
  await server.kill();
});

afterEach(async () => {
  proxy.cutAfter = undefined;
  for (const client of clients.splice(0)) await client.close();
});

/** A page: its client, and what it got. */
function page(options: Partial<ClientOptions> = {}) {
  const client = new RealtimeClient({
    url: proxy.url,
    webSocket: WebSocket,
    reconnectDelay: 20,
    maxReconnectAttempts: 1000,
    ...options,
    timing: { maxReconnectDelay: 100, climb: 60_000 },
  });
  const got: number[] = [];
  const gaps: Gap[] = [];
  client.subscribe("n", (message) => got.push(message.payload));
  client.on("gap", (gap) => gaps.push(gap));
  clients.push(client);
  return { client, got, gaps };
}

const only = (type: ConnectionType): Partial<ClientOptions> => ({ connectionType: type, fallbackTypes: [] });
const upTo = (count: number) => Array.from({ length: count }, (_, n) => n);

/** A room of its own for each test, with so many messages in it. */
async function roomWith(count: number): Promise<string> {
  const room = `room:${++rooms}`;
  await writer.joinRoom(room);
  await write(room, 0, count);
  return room;
}

/** The numbers from one to another, published. */
async function write(room: string, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) await writer.sendToRoom(room, "n", n, { confirm: n === to - 1 });
}

/** What `pagehide` does in a page with `resume`: its link is gone without a goodbye, and its session waits. */
function leave({ client }: ReturnType<typeof page>, store: KeyStore): void {
  const { session, secret, attach } = (client as unknown as { _session: { line: Record<string, unknown> } })._session
    .line;
  store.setItem(`rtcore:session:${proxy.url}`, JSON.stringify({ session, secret, attach, frozen: false }));
}

describe.each(TRANSPORTS)("by %s", (type) => {
  it.each([undefined, cbor()])("a history comes whole, in order, and what is live after it", async (codec) => {
    const room = await roomWith(1000);
    const { client, got, gaps } = page({ ...only(type), ...(codec && type !== "sse" ? { codec } : {}) });
    await client.connect();
    const answer = await client.joinRoom(room, { history: 5000 });
    expect(answer).toMatchObject({ since: 0, offset: 1000 });
    expect(answer.missed).toBeUndefined();
    await write(room, 1000, 1020);
    await until(() => got.length >= 1020);
    expect(got).toEqual(upTo(1020));
    expect(gaps).toEqual([]);
  });

  it("it comes whole over a network that cuts every connection", async () => {
    const random = seeded(TRANSPORTS.indexOf(type) + 1);
    const room = await roomWith(1500);
    proxy.cutAfter = () => 3000 + random() * 20_000;
    const { client, got, gaps } = page(only(type));
    await client.connect();
    const joining = client.joinRoom(room, { history: 5000 });
    for (let n = 1500; n < 1600; n++) await writer.sendToRoom(room, "n", n);
    await joining;
    await until(() => got.length >= 1600);
    expect(got).toEqual(upTo(1600));
    expect(gaps).toEqual([]);
  });

  it.each([true, false])(
    "a page that is loaded again gets each message once and in order: resume %s",
    async (resumes) => {
      const room = await roomWith(20);
      const store = memoryStore();
      const options = resumes ? { ...only(type), resume: store } : only(type);
      const first = page(options);
      await first.client.connect();
      await first.client.joinRoom(room, { history: 5000 });
      await until(() => first.got.length === 20);
      const writing = write(room, 20, 300);
      await until(() => first.got.length > 60);
      if (resumes) leave(first, store);
      else await first.client.close();
      const second = page(options);
      await second.client.connect();
      // The page has something to do before it asks for its room.
      await new Promise((done) => setTimeout(done, 50));
      expect(second.got).toEqual([]);
      await second.client.joinRoom(room, { history: 5000 });
      await writing;
      await until(() => second.got.length >= 300);
      expect(second.got).toEqual(upTo(300));
      expect(second.gaps).toEqual([]);
    },
  );

  it("a page that goes on where the one before was asks for what follows", async () => {
    const room = await roomWith(50);
    const first = page(only(type));
    await first.client.connect();
    let place: { offset: number; epoch: string } | undefined;
    first.client.subscribe("n", ({ offset, epoch }) => {
      place = { offset: offset as number, epoch: epoch as string };
    });
    await first.client.joinRoom(room, { history: 5000 });
    await until(() => first.got.length === 50);
    await first.client.close();
    await write(room, 50, 70);
    const second = page(only(type));
    await second.client.connect();
    expect(await second.client.joinRoom(room, { since: place })).toMatchObject({ since: 50, offset: 70 });
    await until(() => second.got.length === 20);
    expect(second.got).toEqual(upTo(70).slice(50));
  });

  it("what is asked for twice comes once", async () => {
    const room = await roomWith(100);
    const { client, got } = page(only(type));
    await client.connect();
    await client.joinRoom(room, { history: 10 });
    await until(() => got.length === 10);
    await client.joinRoom(room, { history: 50 });
    await until(() => got.length === 50);
    await client.joinRoom(room, { history: 50 });
    await write(room, 100, 101);
    await until(() => got.includes(100));
    expect(got).toEqual([...upTo(100).slice(90), ...upTo(90).slice(50), 100]);
  });
});

it("a client that is asked to leave before its join is answered is in no room", async () => {
  const room = await roomWith(3);
  for (const type of TRANSPORTS) {
    const { client, got } = page(only(type));
    await client.connect();
    const [joined, left] = await Promise.all([client.joinRoom(room), client.leaveRoom(room)]);
    expect([joined.room, left, client.getConnectionInfo().rooms]).toEqual([room, true, []]);
    await writer.sendToRoom(room, "n", 3, { confirm: true });
    await client.request("echo", 1);
    expect(got).toEqual([]);
  }
});

it("what a session has lost comes from the history, and nobody is told", async () => {
  const room = await roomWith(0);
  const { client, got, gaps } = page({ connectionType: "websocket", fallbackTypes: [] });
  await client.connect();
  await client.joinRoom(room);
  // The network takes everything and carries nothing: the window overflows behind it.
  proxy.deaf = true;
  await write(room, 0, 400);
  const back = new Promise((done) => client.on("reconnect", done));
  proxy.deaf = false;
  proxy.cut();
  await back;
  await until(() => got.length >= 400);
  expect(got).toEqual(upTo(400));
  expect(gaps).toEqual([]);
  expect(client.getConnectionInfo().resumed).toBe(false);
});
