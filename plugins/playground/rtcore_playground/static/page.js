/**
 * The demo page: a client on a network to play with, and the parts of the page around it.
 *
 * This is also how a page without a bundler uses the TypeScript client: one file, imported as a module.
 */

import { Assistant } from "./assistant.js";
import { Chat, reason } from "./chat.js";
import { Connection } from "./connection.js";
import { Counters } from "./counters.js";
import { Network } from "./network.js";
import { NUMBER, Proof } from "./proof.js";
import { RealtimeClient, Refused, UnknownOutcome } from "./rtcore-client.js";
import { TRANSPORTS } from "./run.js";
import { Tap } from "./tap.js";
import { Views } from "./views.js";
import { WhoAndWhere } from "./who.js";
import { Wire } from "./wire.js";

/** Why a session did not go on: docs/wire.md, "Why a session was not resumed". */
/** @type {Record<string, string>} */
const REASONS = {
  expired: "the old one had expired",
  evicted: "the old one was removed",
  unknown: "the server does not know the old one",
  node_lost: "the server was restarted",
  identity_changed: "the old one was somebody else's",
};

const tap = new Tap();
const network = new Network((frame) => tap.take(frame));
const who = new WhoAndWhere();

const client = new RealtimeClient({
  url: document.querySelector("meta[name=rtcore-base]")?.getAttribute("content") ?? "rt",
  webSocket: network.WebSocket,
  fetch: network.fetch,
  authentication: {
    // Read before each attach, and left out while there is none.
    get token() {
      return /** @type {string} */ (who.token || undefined);
    },
  },
  // Sooner and more often than an application would: somebody watches.
  reconnectDelay: 300,
  heartbeatInterval: 2000,
  pingTimeout: 2000,
  timing: { open: 3000 },
  limits: { queue: 5000 },
});
Object.assign(globalThis, { rt: client }); // for the curious, in the browser's console

/** A new trace (W3C Trace Context, section 3.2): the message keeps it on its way through the server to the others. */
function trace() {
  const hex = Array.from(crypto.getRandomValues(new Uint8Array(24)), (byte) => byte.toString(16).padStart(2, "0")).join(
    "",
  );
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-01`;
}

const chat = new Chat(client, trace);
const { log } = chat;
const connection = new Connection(client, network, tap);
const counters = new Counters(client, tap);
const assistant = new Assistant(client, trace);
const proof = new Proof({
  client,
  me: () => chat.me,
  room: () => chat.room,
  limits: () => tap.welcome.limits ?? {},
  cut: () => connection.cut(),
  show: (run, author) => log.entry(run.element, author),
});
new Wire(tap);
new Views();

connection.onnote = (note) => log.connection(note);
connection.ontrouble = (note) => log.note(note, { bad: true });
chat.onleft = () => proof.clear();
who.onchosen = ({ name, room }) => {
  // What is asked while the session has no connection waits for one; a client that was never in asks when it is.
  if (chat.room && client.getConnectionInfo().state !== "stopped") chat.enter(room, name);
  else begin();
};

client.subscribe(NUMBER, ({ payload }) => {
  const { connectionType = "websocket" } = client.getConnectionInfo();
  proof.take(payload, connectionType);
});
client.on("connect", () => {
  proof.paced();
  chat.enter(who.room, who.name);
});
client.on("reconnect", ({ connectionType = "websocket", resumed, counters: { reconnects } }) => {
  const times = reconnects === 1 ? "" : `, for the ${nth(reconnects)} time`;
  if (resumed) return log.connection(`Back over **${TRANSPORTS[connectionType]}**: the session was resumed${times}`);
  // The same session with a hole in it, or a new one.
  const { reason: code } = tap.welcome;
  const what =
    code === "overflow"
      ? "more was missed than the server keeps"
      : `in a new session: ${REASONS[code] ?? "nobody says why"}`;
  log.note(`Back over **${TRANSPORTS[connectionType]}**, ${what}`, { bad: true });
  proof.told();
  chat.look();
});
client.on("transport", (type) => {
  if (client.getConnectionInfo().counters.attaches > 1) log.connection(`The session moved to **${TRANSPORTS[type]}**`);
});
client.on("disconnect", (code) => {
  if (code !== "bye") log.connection(`Connection lost (${code})`);
});
client.on("gap", ({ n, reason, room }) => {
  log.note(`The server dropped ${n} messages: ${reason}`, { bad: true });
  proof.told();
  if (room === chat.room) chat.look();
});
client.on("error", (error) => {
  if (error instanceof UnknownOutcome) counters.unknown += error.messages.length;
  if (error instanceof Refused) refused(error);
  else if (error.code !== "suspended") log.note(error.reason, { bad: true });
});

/** @param {unknown} error */
function refused(error) {
  connection.refused(reason(error));
  if (error instanceof Refused && error.code === "unauthenticated") who.ask({ token: true });
}

function begin() {
  client.connect().catch((error) => {
    // Whoever is only suspended goes on by itself; the status says so.
    if (error instanceof Refused) refused(error);
  });
}

/** @param {number} n */
function nth(n) {
  return `${n}${["th", "st", "nd", "rd"][n % 100 > 10 && n % 100 < 14 ? 0 : n % 10] ?? "th"}`;
}

begin();

// What else the server offers the wire does not say: the plugin that serves this page knows it.
fetch("playground/offers.json", { cache: "no-store" })
  .then((answer) => answer.json())
  .then((offers) => {
    if (offers.assistant) assistant.show();
    if (offers.token) who.withToken();
  })
  .catch((error) => console.info("what the server offers is not known:", reason(error)));
