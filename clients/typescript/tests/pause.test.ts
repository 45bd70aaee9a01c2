/** What a program says of its network and of itself: probe, pause, resume. */

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { FakeNetwork, record, settled } from "./support/fake.js";

let network: FakeNetwork;

beforeEach(() => {
  vi.useFakeTimers();
  network = new FakeNetwork();
});
afterEach(() => void vi.useRealTimers());

const pass = (milliseconds: number) => vi.advanceTimersByTimeAsync(milliseconds);

describe("a probe", () => {
  /** A client whose link was quick to answer its first ping. */
  async function probed() {
    const client = await network.connected();
    network.last.say(["pong", { t: 1 }]);
    await pass(10_000);
    const told = record(client);
    client.probe();
    return { client, told };
  }

  it("asks the link, and does nothing to one that answers", async () => {
    const { client, told } = await probed();
    expect(network.last.control("ping")).toEqual([{ t: 1 }, { t: 2 }]);
    await pass(1999);
    network.last.say(["pong", { t: 2 }]);
    await pass(20_000);
    expect([network.sockets.length, told.disconnect]).toEqual([1, []]);
    await client.close();
  });

  it("replaces a link that says nothing, in two seconds and the time of an attach; nobody notices", async () => {
    const { client, told } = await probed();
    await pass(2000);
    network.last.welcome();
    await settled();
    expect(network.sockets.map(({ readyState }) => readyState)).toEqual([3, 1]);
    expect([network.last.hello.session, told.disconnect, told.reconnect]).toEqual(["s1", [], []]);
    await client.close();
  });

  it("keeps the link, if it says something after all while another one is tried in vain", async () => {
    const { client, told } = await probed();
    await pass(2000);
    const [link, other] = network.sockets;
    link?.say({ type: "late" });
    other?.drop();
    for (let n = 0; n < 10; n++) {
      link?.say(["pong", { t: link.control("ping").length }]);
      await pass(2000);
    }
    expect([client.isConnected, told.disconnect, network.sockets.length]).toEqual([true, [], 2]);
    await client.close();
  });

  it("makes an attempt now that would wait", async () => {
    const client = await network.connected();
    network.last.drop();
    await settled();
    client.probe();
    await settled();
    expect(network.sockets).toHaveLength(2);
    await client.close();
  });

  it("is nothing to a client that has not begun, or is closed", async () => {
    const client = network.client();
    client.probe();
    await settled();
    await client.close();
    client.probe();
    await pass(60_000);
    expect([network.sockets, vi.getTimerCount()]).toEqual([[], 0]);
  });
});

describe("a pause", () => {
  it("lets the link go and keeps the session; what is sent meanwhile leaves after it", async () => {
    const client = await network.connected();
    const told = record(client);
    client.pause();
    await settled();
    expect([network.last.readyState, network.last.control("bye")]).toEqual([3, []]);
    await client.send("meanwhile", 1);
    await pass(600_000);
    expect([network.sockets.length, told.disconnect, told.state]).toEqual([1, ["paused"], ["reconnecting", "paused"]]);
    client.resume();
    await settled();
    network.last.welcome();
    await settled();
    expect([network.last.hello.session, network.last.messages("meanwhile").length]).toEqual(["s1", 1]);
    expect([told.reconnect?.length, client.isConnected]).toEqual([1, true]);
    await client.close();
  });

  it.each([true, false])("that is over before it began is no loss, with autoReconnect %s", async (autoReconnect) => {
    const client = await network.connected({ autoReconnect });
    client.pause();
    client.resume();
    await settled();
    network.last.welcome();
    await settled();
    expect([network.sockets.length, client.isConnected]).toEqual([2, true]);
    await client.close();
  });

  it("ends an attempt, and connect() ends a pause", async () => {
    const client = network.client();
    const connecting = client.connect();
    await settled();
    client.pause();
    client.pause();
    await settled();
    expect([network.last.readyState, client.getConnectionInfo().state]).toEqual([3, "paused"]);
    client.probe();
    await pass(60_000);
    expect(network.sockets).toHaveLength(1);
    const again = client.connect();
    await settled();
    network.last.welcome();
    await Promise.all([connecting, again]);
    await client.close();
  });

  it("ends with the client", async () => {
    const client = await network.connected();
    client.pause();
    await settled();
    await client.close();
    client.resume();
    await pass(600_000);
    expect([network.sockets.length, vi.getTimerCount()]).toEqual([1, 0]);
  });

  it("before the first connect() is none", async () => {
    const client = network.client();
    client.pause();
    const connecting = client.connect();
    await settled();
    network.last.welcome();
    await connecting;
    await client.close();
  });
});
