/** Code that is loaded when it is needed, and what happens when it cannot be had. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { RealtimeClient } from "../src/index.js";
import { FakeSocket } from "./support/fake.js";
import { FakeHttp, turn, welcomeTo } from "./support/http.js";
import { until } from "./support/server.js";
import { memoryStore } from "./support/stores.js";

const unavailable = () => {
  throw new TypeError("Failed to fetch dynamically imported module");
};
const clients: RealtimeClient[] = [];
let http: FakeHttp;

beforeEach(() => {
  vi.resetModules();
  http = new FakeHttp();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const name of ["sse", "polling"]) vi.doUnmock(`../src/transports/${name}.js`);
  for (const name of ["page", "resume"]) vi.doUnmock(`../src/${name}.js`);
  vi.unstubAllGlobals();
});

/** A client whose modules are loaded anew. */
async function make(options: object): Promise<RealtimeClient> {
  const { RealtimeClient } = await import("../src/index.js");
  const client = new RealtimeClient({ url: "http://server.test/rt", fetch: http.fetch, memory: null, ...options });
  clients.push(client);
  return client;
}

describe("a fallback", () => {
  it("is loaded once the first connection stands, since later may be too late", async () => {
    let loaded = 0;
    vi.doMock("../src/transports/sse.js", async (original) => {
      loaded++;
      return original();
    });
    const client = await make({ connectionType: "polling", fallbackTypes: ["sse"] });
    const connecting = client.connect();
    const poll = await http.next("poll");
    expect(loaded).toBe(0);
    poll.answer([welcomeTo(poll)]);
    await connecting;
    await until(() => loaded === 1);
  });

  it("whose code cannot be had is passed over", async () => {
    vi.doMock("../src/transports/sse.js", unavailable);
    const client = await make({ webSocket: null });
    const connecting = client.connect();
    const poll = await http.next("poll");
    poll.answer([welcomeTo(poll)]);
    await connecting;
    expect(client.getConnectionInfo().connectionType).toBe("polling");
  });
});

describe("resume", () => {
  it("is loaded with its option only, and before the first hello", async () => {
    let loaded = 0;
    vi.doMock("../src/resume.js", async (original) => {
      loaded++;
      return original();
    });
    const parked = JSON.stringify({ session: "s9", secret: "x", attach: 3, frozen: false });
    const store = memoryStore({ "rtcore:session:http://server.test/rt": parked });
    const plain = await make({ connectionType: "polling", fallbackTypes: [] });
    void plain.connect().catch(() => {});
    expect((await http.next("poll")).items).toEqual([["hello", expect.not.objectContaining({ session: "s9" })]]);
    expect(loaded).toBe(0);
    const client = await make({ connectionType: "polling", fallbackTypes: [], resume: store });
    const connecting = client.connect();
    const queued = client.send("early", 1);
    const poll = await http.next("poll");
    expect(poll.items).toEqual([["hello", expect.objectContaining({ session: "s9", attach: 4, received: null })]]);
    poll.answer([welcomeTo(poll, { reason: "reset", resumed: false })]);
    await Promise.all([connecting, queued]);
    expect([loaded, client.getConnectionInfo().rooms]).toEqual([1, []]);
  });

  it("that cannot be had costs the session of the page before, and nothing else", async () => {
    vi.doMock("../src/resume.js", unavailable);
    const client = await make({ connectionType: "polling", fallbackTypes: [], resume: memoryStore() });
    const connecting = client.connect();
    const poll = await http.next("poll");
    poll.answer([welcomeTo(poll)]);
    await connecting;
    expect(client.isConnected).toBe(true);
  });

  it("that comes too late for a client that was closed listens to nothing", async () => {
    const added: string[] = [];
    vi.stubGlobal("addEventListener", (name: string) => added.push(name));
    const client = await make({ connectionType: "polling", fallbackTypes: [], resume: memoryStore() });
    const refused = expect(client.connect()).rejects.toMatchObject({ code: "not_connected" });
    await client.close();
    await refused;
    for (let n = 0; n < 20; n++) await turn();
    expect([added, http.asked]).toEqual([[], []]);
  });
});

describe("what a page hears of itself", () => {
  /** A client that is welcomed, in a page whose listeners are counted. */
  async function welcomed() {
    const added: string[] = [];
    vi.stubGlobal("addEventListener", (name: string) => added.push(name));
    const client = await make({ connectionType: "polling", fallbackTypes: [] });
    const connecting = client.connect();
    const poll = await http.next("poll");
    poll.answer([welcomeTo(poll)]);
    await connecting;
    return { client, added };
  }

  it("is listened to when the code is there, and no connection waits for that", async () => {
    let come = () => {};
    const there = new Promise<void>((done) => {
      come = done;
    });
    vi.doMock("../src/page.js", async (original) => {
      await there;
      return original();
    });
    const { added } = await welcomed();
    expect(added).toEqual([]);
    come();
    await until(() => added.includes("online") && added.includes("pagehide"));
  });

  it("is missed where the code cannot be had, and nothing else", async () => {
    vi.doMock("../src/page.js", unavailable);
    const { client, added } = await welcomed();
    for (let n = 0; n < 20; n++) await turn();
    expect([client.isConnected, added]).toEqual([true, []]);
  });
});

describe("a WebSocket", () => {
  let sockets: FakeSocket[];

  beforeEach(() => {
    sockets = [];
  });

  /** A client whose socket is open, and which says hello. */
  async function opened(options: object = {}) {
    const webSocket = class extends FakeSocket {
      constructor(url: string) {
        super(url);
        sockets.push(this);
      }
    };
    const client = await make({ webSocket, ...options });
    const connecting = client.connect();
    connecting.catch(() => {});
    await until(() => sockets.length);
    const socket = sockets[0] as FakeSocket;
    socket.open();
    await until(() => socket.frames.length);
    return { client, connecting, socket };
  }

  it("needs neither the fallbacks nor the page", async () => {
    for (const name of ["transports/sse", "transports/polling", "page"]) vi.doMock(`../src/${name}.js`, unavailable);
    const { client, connecting, socket } = await opened();
    socket.welcome();
    await connecting;
    expect(client.getConnectionInfo().connectionType).toBe("websocket");
  });

  it("waits a moment for what is loaded beside it, so that its first hello offers that", async () => {
    let come = () => {};
    const there = new Promise<void>((done) => {
      come = done;
    });
    vi.doMock("../src/more.js", async (original) => {
      await there;
      return original();
    });
    setTimeout(() => come(), 50);
    const { socket } = await opened();
    expect(socket.hello).toMatchObject({ compress: ["deflate"], parts: 16 * 1024 * 1024 });
  });

  it("does without that, if it cannot be had: it offers nothing of it, and works", async () => {
    vi.doMock("../src/more.js", unavailable);
    const { client, connecting, socket } = await opened({ timing: { climb: 1 } });
    expect(socket.hello).not.toHaveProperty("parts");
    expect(socket.hello).not.toHaveProperty("compress");
    socket.welcome({ limits: { part: 1024 } });
    await connecting;
    const large = "x".repeat(100_000);
    await client.send("large", large);
    expect(socket.messages("large")).toEqual([{ type: "large", payload: large }]);
    socket.drop();
    await until(() => sockets.length === 2);
    sockets[1]?.open();
    await until(() => sockets[1]?.frames.length);
    sockets[1]?.welcome({ limits: { part: 1024 } });
    await until(() => sockets[1]?.messages("large").length);
    await expect(client.switchTransport("polling")).rejects.toMatchObject({ code: "NETWORK_ERROR" });
    expect(client.isConnected).toBe(true);
  });

  it("goes on without it, if it takes its time, and has it the next time", async () => {
    let come = () => {};
    const there = new Promise<void>((done) => {
      come = done;
    });
    vi.doMock("../src/more.js", async (original) => {
      await there;
      return original();
    });
    const { connecting, socket } = await opened();
    expect(socket.hello).not.toHaveProperty("parts");
    socket.welcome();
    await connecting;
    come();
    await new Promise((done) => setTimeout(done, 50));
    socket.drop();
    await until(() => sockets.length === 2);
    sockets[1]?.open();
    await until(() => sockets[1]?.frames.length);
    expect(sockets[1]?.hello).toHaveProperty("parts");
  });
});
