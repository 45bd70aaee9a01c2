/**
 * A conversation with a server, over each transport, for whatever runs JavaScript: `<runtime> conversation.mjs <url>`.
 *
 * Only web APIs. It says what it was told, as lines of JSON; `"cut"` asks the one who reads them to cut the network.
 */

import { cbor } from "../../dist/esm/cbor.js";
import { RealtimeClient } from "../../dist/esm/index.js";

const { argv, exit } = globalThis.process;
const [url] = argv.slice(2);
const say = (value) => console.log(JSON.stringify(value));
const event = (client, name) => new Promise((resolve) => client.on(name, resolve));
// Node has a WebSocket of its own from version 22 on.
const webSocket = globalThis.WebSocket ?? (await import("ws")).WebSocket;

for (const type of ["websocket", "sse", "polling"]) {
  const made = () =>
    new RealtimeClient({ url, webSocket, connectionType: type, fallbackTypes: [], codec: cbor(), reconnectDelay: 20 });
  const [ann, bob] = [made(), made()];
  const errors = [];
  for (const client of [ann, bob]) client.on("error", (error) => errors.push(String(error)));
  await Promise.all([ann.connect(), bob.connect()]);
  const before = ann.getConnectionInfo();

  const room = `runtime-${type}`;
  const heard = [];
  const all = new Promise((resolve) => bob.subscribe("n", ({ payload }) => heard.push(payload) === 100 && resolve()));
  await bob.joinRoom(room);
  const { members } = await ann.joinRoom(room);
  // Polls are simply asked again; only the other two notice.
  const back = type === "polling" ? undefined : Promise.all([event(ann, "reconnect"), event(bob, "reconnect")]);
  for (let n = 0; n < 100; n++) {
    await ann.sendToRoom(room, "n", n);
    if (n === 50) say("cut");
  }
  await all;
  const resumed = (await back)?.map((info) => info.resumed) ?? [true, true];
  const text = "again and again ".repeat(500);
  const after = ann.getConnectionInfo();
  say({
    type: after.connectionType,
    codec: after.codec,
    compression: after.compression,
    members,
    inOrder: heard.every((payload, n) => payload === n),
    echo: (await ann.request("echo", { text, n: [1, -1, 0.5, null] })).text === text,
    sameSession: before.sessionId === after.sessionId,
    resumed,
    errors,
  });
  await Promise.all([ann.close(), bob.close()]);
}

say("done");
// Whoever is still there has left something behind: so this does not exit by itself.
setTimeout(() => exit(3), 10_000).unref?.();
