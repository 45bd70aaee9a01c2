/** Back in one's rooms, whatever happens to links and sessions: by seeded schedules, against a server that is modelled here. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { RealtimeClient } from "../src/index.js";
import { FakeNetwork, type FakeSocket, type Fields, record, type Said, settled } from "./support/fake.js";
import { seeded } from "./support/seeded.js";

const SEEDS = Array.from({ length: 150 }, (_, n) => n + 1);
const ROOM = "board";
const patient = { heartbeat: { interval: 3600, timeout: 3600 }, limits: { window: 1000 } };

type Published = Fields & { type: string; offset: number; covers?: [number, number][] };

const seen = { repeats: 0, heard: 0, replaced: 0 };

beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
});

/** One room with a history, and the client's session: what waits in its lane, what was counted out, what it has said. */
class Model {
  readonly history: Published[] = [];
  /** Offsets of what was published by the client itself, and is not for it. */
  readonly own = new Set<number>();
  /** Offsets of what another message has stood for. */
  readonly replaced = new Set<number>();
  /** Messages that came for the room while their sender was in it, and while it was not even on its way. */
  heard = 0;
  strangers = 0;
  /** Messages that arrived again, in another session. */
  repeats = 0;
  socket: FakeSocket | undefined;
  private readonly arrived = new Set<number>();
  private lane: Said[] = [];
  private log: Said[] = [];
  private received = 0;
  private read = 0;
  private member = false;
  private sessions = 0;

  constructor(private readonly random: () => number) {}

  upTo(n: number): number {
    return Math.floor(this.random() * n);
  }

  /** Welcome the client on a socket: to its session, or to a new one. */
  attach(socket: FakeSocket, isNew: boolean): void {
    this.socket = socket;
    socket.open();
    this.read = 1;
    const session = `s${isNew ? ++this.sessions : this.sessions}`;
    if (isNew) {
      this.lane = [];
      this.log = [];
      this.received = 0;
      this.member = false;
      const reason = this.sessions > 1 ? "expired" : undefined;
      socket.welcome({ ...patient, session, resumed: false, rooms: false, reason });
    } else {
      const { received } = this;
      socket.welcome(
        { ...patient, session, received },
        ...this.arrive(this.log.slice(socket.hello.received as number)),
      );
    }
  }

  publish(isOwn: boolean): void {
    const offset = this.history.length + 1;
    const message = { type: "n", room: ROOM, offset, epoch: "e", payload: offset };
    this.history.push(message);
    if (isOwn) this.own.add(offset);
    if (!this.member) return;
    // What is urgent overtakes some of what waits.
    const place = this.upTo(3) ? this.lane.length : this.upTo(this.lane.length + 1);
    this.lane.splice(place, 0, this.forClient(message));
  }

  /** What waits is replaced by what comes after it. */
  conflate(): void {
    const waiting = this.lane.filter((one): one is Published => !Array.isArray(one) && one.type === "n");
    const [old, young] = waiting.slice(this.upTo(waiting.length));
    if (!old || !young || old.offset > young.offset) return;
    this.lane.splice(this.lane.indexOf(old), 1);
    const covers: [number, number][] = [...(old.covers ?? []), ...(young.covers ?? []), [old.offset, old.offset]];
    this.lane[this.lane.indexOf(young)] = { ...young, covers };
    this.replaced.add(old.offset);
  }

  /** Some of what waits is counted out; it arrives, if the cable still stands. */
  write(count: number, arrives: boolean): void {
    const items = this.lane.splice(0, count);
    this.log.push(...items);
    if (arrives && items.length) this.socket?.say(...this.arrive(items));
  }

  /** Read what the client has said since. */
  hear(): void {
    for (const item of this.socket?.items.slice(this.read) ?? []) {
      this.read++;
      if (Array.isArray(item)) continue;
      this.received++;
      if (item.type === "room:join") this.join(item.id as string, item.payload as { since?: { offset: number } });
      else if (this.member) this.heard++;
      else this.strangers++;
    }
  }

  private join(re: string, { since }: { since?: { offset: number } }): void {
    this.member = true;
    if (since) for (const message of this.history.slice(since.offset)) this.lane.push(this.forClient(message));
    this.lane.push({ type: "reply", re, payload: { room: ROOM, members: 1, offset: this.history.length, epoch: "e" } });
  }

  private arrive(items: Said[]): Said[] {
    for (const item of items) {
      if (Array.isArray(item) || item.type !== "n") continue;
      if (this.arrived.has(item.offset as number)) this.repeats++;
      this.arrived.add(item.offset as number);
    }
    return items;
  }

  private forClient(message: Published): Published {
    const { offset, epoch } = message;
    return this.own.has(offset) ? { type: "room:skip", room: ROOM, offset, epoch } : message;
  }
}

/** Play one schedule to its end; return what the application got, and what was due to it. */
async function play(seed: number) {
  const random = seeded(seed);
  const model = new Model(random);
  const network = new FakeNetwork();
  const client: RealtimeClient = network.client({ maxReconnectAttempts: 1000, limits: { queue: 20 } });
  const told = record(client);
  const got: number[] = [];
  client.subscribe("*", (message) => got.push(message.type === "n" ? message.payload : message.type));

  const connecting = client.connect();
  await settled();
  model.attach(network.last, true);
  await connecting;
  for (let n = model.upTo(4); n > 0; n--) model.publish(false);
  const first = model.history.length;
  const joining = client.joinRoom(ROOM);
  await settled();
  model.hear();
  model.write(100, true);
  await joining;

  const back = async (isNew: boolean) => {
    const before = network.sockets.length;
    model.socket?.drop();
    model.socket = undefined;
    for (let n = model.upTo(30); n > 0; n--) say();
    for (let n = model.upTo(4); n > 0; n--) model.publish(model.upTo(4) === 0);
    while (network.sockets.length === before) await vi.advanceTimersByTimeAsync(500);
    model.attach(network.last, isNew);
    await settled();
    model.hear();
  };
  const say = () => {
    const priority = (["critical", "high", "normal"] as const)[model.upTo(3)] ?? "normal";
    // What finds no room is refused, and says so.
    client.sendToRoom(ROOM, "up", 1, { priority }).catch(() => {});
  };

  for (let step = 0; step < 60; step++) {
    const what = model.upTo(20);
    if (what < 8) model.publish(model.upTo(4) === 0);
    else if (what < 10) model.conflate();
    else if (what < 15) model.write(1 + model.upTo(4), true);
    else if (what < 17) say();
    else {
      model.write(model.upTo(3), false);
      await back(what === 19);
    }
    await settled();
    model.hear();
  }
  // At last one session stands, and everything has come.
  await back(true);
  model.write(1000, true);
  await settled();
  await client.close();
  return { model, got, told, due: model.history.slice(first).filter(({ offset }) => !model.own.has(offset)) };
}

it.each(SEEDS)("everything comes, nothing twice, and nobody speaks before being in the room: seed %i", async (seed) => {
  const { model, got, told, due } = await play(seed);
  expect(new Set(got).size).toBe(got.length);
  expect(got.filter((offset) => !due.some((one) => one.offset === offset))).toEqual([]);
  expect(due.map(({ offset }) => offset).filter((n) => !got.includes(n) && !model.replaced.has(n))).toEqual([]);
  expect(model.strangers).toBe(0);
  expect(told.gap).toEqual([]);
  for (const what of ["repeats", "heard", "replaced"] as const)
    seen[what] += what === "replaced" ? model.replaced.size : model[what];
});

it("the schedules were of use: messages came again, stood for others, and went to the room", () => {
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(100);
});
