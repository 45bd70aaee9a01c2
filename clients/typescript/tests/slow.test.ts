/** Links that are slow or cut everything soon, against a real server: what is large and what is much arrives, each way. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type ClientOptions, type ConnectionType, type Gap, RealtimeClient, type RealtimeError } from "../src/index.js";
import { seeded } from "./support/seeded.js";
import { Network, RealServer, until } from "./support/server.js";

const TRANSPORTS: ConnectionType[] = ["websocket", "sse", "polling"];
/** Bytes a second, as on a bad day on a train. */
const RATE = 40_000;
const MEGABYTE = 1_000_000;

let server: RealServer;

beforeAll(async () => {
  server = await RealServer.start(0, "message_buffer_size=5000", "max_message_size=2000000");
});
afterAll(() => server.kill());

interface Told {
  errors: RealtimeError[];
  gaps: Gap[];
  losses: string[];
}

/** A client with the defaults of everybody, that remembers what it was not asked for. */
async function connected(url: string, options: Partial<ClientOptions> = {}): Promise<RealtimeClient & Told> {
  const client = new RealtimeClient({ url, webSocket: WebSocket, ...options });
  const told: Told = { errors: [], gaps: [], losses: [] };
  client.on("error", (error) => told.errors.push(error));
  client.on("gap", (gap) => told.gaps.push(gap));
  client.on("disconnect", (code) => told.losses.push(code));
  await client.connect();
  return Object.assign(client, told);
}

const only = (type: ConnectionType): Partial<ClientOptions> => ({ connectionType: type, fallbackTypes: [] });

/** A text that no compression makes much smaller. */
function noise(characters: number, seed = 1): string {
  const random = seeded(seed);
  return Array.from({ length: characters / 10 }, () =>
    (random() * 36 ** 10).toString(36).slice(0, 10).padEnd(10, "ü"),
  ).join("");
}

describe("a megabyte over 40 kB a second, by the defaults", () => {
  /** Two clients in a room, one of them behind a slow link of its own. */
  async function pair(type: ConnectionType) {
    const link = await RealServer.program("slow.py", server.port, RATE);
    const [slow, quick] = await Promise.all([connected(link.url, only(type)), connected(server.url)]);
    const room = `slow-${type}-${Math.random()}`;
    await Promise.all([slow.joinRoom(room), quick.joinRoom(room)]);
    return {
      ...{ slow, quick, room },
      end: async () => {
        await Promise.all([slow.close(), quick.close()]);
        await link.kill();
      },
    };
  }

  it("comes down, and what is critical passes it, over each transport", async () => {
    const one = async (type: ConnectionType) => {
      const { slow, quick, room, end } = await pair(type);
      const heard: unknown[] = [];
      slow.subscribe("*", ({ type, payload }) => heard.push(type, payload));
      const blob = noise(MEGABYTE);
      await quick.sendToRoom(room, "blob", blob);
      // It is under way.
      await new Promise((done) => setTimeout(done, 2000));
      await quick.sendToRoom(room, "urgent", 1, { priority: "critical" });
      const begun = performance.now();
      await until(() => heard.length >= 2, 60_000, `${type}: what is critical`);
      const urgent = performance.now() - begun;
      await until(() => heard.length >= 4, 120_000, `${type}: what is large`);
      expect([...heard.slice(0, 3), heard[3] === blob], type).toEqual(["urgent", 1, "blob", true]);
      expect([slow.losses, slow.gaps, slow.errors], type).toEqual([[], [], []]);
      // Far sooner than what was under way.
      expect(urgent, type).toBeLessThan(performance.now() - begun - 5000);
      await end();
    };
    await Promise.all(TRANSPORTS.map(one));
  }, 180_000);

  it("goes up, and what is critical passes it, over each transport", async () => {
    const one = async (type: ConnectionType) => {
      const { slow, quick, room, end } = await pair(type);
      const heard: unknown[] = [];
      quick.subscribe("*", ({ type, payload }) => heard.push(type, payload));
      const blob = noise(MEGABYTE);
      const sent = slow.sendToRoom(room, "blob", blob, { confirm: true, timeout: 120_000 });
      await new Promise((done) => setTimeout(done, 2000));
      await slow.sendToRoom(room, "urgent", 1, { priority: "critical" });
      await until(() => heard.length >= 2, 60_000, `${type}: what is critical`);
      await sent;
      await until(() => heard.length >= 4, 60_000, `${type}: what is large`);
      expect([...heard.slice(0, 3), heard[3] === blob], type).toEqual(["urgent", 1, "blob", true]);
      expect([slow.losses, slow.gaps, slow.errors], type).toEqual([[], [], []]);
      await end();
    };
    await Promise.all(TRANSPORTS.map(one));
  }, 180_000);

  it("goes on where it was, when the link breaks again and again, each way and over each transport", async () => {
    const one = async (type: ConnectionType) => {
      const network = await Network.start(server.port);
      const [cut, quick] = await Promise.all([
        connected(network.url, { ...only(type), reconnectDelay: 20, timing: { maxReconnectDelay: 50 } }),
        connected(server.url),
      ]);
      const room = `cut-${type}-${Math.random()}`;
      await Promise.all([cut.joinRoom(room), quick.joinRoom(room)]);
      const heard: unknown[] = [];
      cut.subscribe("down", ({ payload }) => heard.push(payload));
      quick.subscribe("up", ({ payload }) => heard.push(payload));
      const random = seeded(3);
      // No connection lives for a twentieth of it.
      network.cutAfter = () => 20_000 + random() * 30_000;
      network.cut();
      const [down, up] = [noise(MEGABYTE, 4), noise(MEGABYTE, 5)];
      await quick.sendToRoom(room, "down", down);
      await until(() => heard.length === 1, 60_000, `${type}: down`);
      await cut.sendToRoom(room, "up", up);
      await until(() => heard.length === 2, 60_000, `${type}: up`);
      expect([heard[0] === down, heard[1] === up, heard.length], type).toEqual([true, true, 2]);
      expect([cut.gaps, cut.errors], type).toEqual([[], []]);
      expect(network.cuts, type).toBeGreaterThan(30);
      await Promise.all([cut.close(), quick.close()]);
      network.stop();
    };
    await Promise.all(TRANSPORTS.map(one));
  }, 180_000);
});

describe("a proxy that cuts every connection after 2 to 60 kB", () => {
  it.each(TRANSPORTS)(
    "lets a thousand messages pass each way, in order, if %s is first",
    async (type) => {
      const network = await Network.start(server.port);
      const fallbackTypes = TRANSPORTS.filter((one) => one !== type);
      const options = { connectionType: type, fallbackTypes, limits: { queue: 1000 } };
      const [cut, quick] = await Promise.all([connected(network.url, options), connected(server.url)]);
      const room = `cutter-${type}`;
      await Promise.all([cut.joinRoom(room), quick.joinRoom(room)]);
      const [up, down]: [number[], number[]] = [[], []];
      quick.subscribe("up", ({ payload }) => up.push(payload.n));
      cut.subscribe("down", ({ payload }) => down.push(payload.n));
      const random = seeded(7);
      network.cutAfter = () => 2000 + random() * 58_000;
      network.cut();
      const all = Array.from({ length: 1000 }, (_, n) => n);
      for (const n of all) {
        void cut.sendToRoom(room, "up", { n, text: "some words, as people write them" }, { timeout: 120_000 });
        await quick.sendToRoom(room, "down", { n, text: "some words, as people write them" });
      }
      await until(() => up.length >= 1000 && down.length >= 1000, 120_000, `${up.length} up, ${down.length} down`);
      expect([up, down]).toEqual([all, all]);
      expect([cut.gaps, cut.errors]).toEqual([[], []]);
      expect(network.cuts).toBeGreaterThan(1);
      await Promise.all([cut.close(), quick.close()]);
      network.stop();
    },
    150_000,
  );
});
