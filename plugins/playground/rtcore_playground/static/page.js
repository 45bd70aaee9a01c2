// The demo page: a chat in a room, the connection under it, and a check that nothing gets lost.

import { random } from "./line.js";
import { Log } from "./log.js";
import { Quality } from "./quality.js";
import { RealtimeClient } from "./rt.js";
import { Run, verdict } from "./run.js";

const NAMES = { websocket: "WebSocket", sse: "SSE", polling: "polling" };
const STATES = {
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  suspended: "No connection; trying again in a minute",
  closed: "Closed",
};
const REASONS = {
  expired: "the old one had expired",
  evicted: "the old one was removed",
  unknown: "the server does not know the old one",
  node_lost: "the server was restarted",
  overflow: "more was missed than the server keeps",
};
const SAMPLES = 30; // round trips in the graph
const BURST = 100; // numbered messages

const $ = (id) => document.getElementById(id);
const me = random(); // this page, whatever sessions it has
const log = new Log($("log"));
const quality = new Quality();
const runs = new Map();
const trips = [];

let name = remembered("name") ?? ["Ada", "Grace", "Edsger", "Barbara", "Alan", "Radia"][Math.floor(Math.random() * 6)];
let room = decodeURIComponent(location.hash.slice(1)) || "lobby";
let transport = null;

const client = new RealtimeClient({ url: "rt", name });
globalThis.rt = client; // for the curious, in the browser's console

// -- chat --------------------------------------------------------------------------------------------

async function join() {
  $("name").value = name;
  $("room").value = room;
  $("room-name").textContent = room;
  document.title = `#${room} – rtcore playground`;
  try {
    await client.join(room);
    client.send("chat:joined", { by: me, name }, { room });
    log.note(`You are in **#${room}**. Whoever opens this page is here, too: try a second window`);
  } catch (error) {
    log.note(`You could not join **#${room}**: ${error.reason ?? error.code}`, { bad: true });
  }
}

$("join").addEventListener("submit", async (event) => {
  event.preventDefault();
  const asked = $("room").value.trim();
  name = $("name").value.trim() || name;
  remember("name", name);
  if (asked !== room) {
    client.leave(room).catch(() => {});
    room = asked;
    history.replaceState(null, "", `#${encodeURIComponent(room)}`);
    log.clear();
    runs.clear();
    judge();
  }
  await join();
  $("text").focus();
});

$("say").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  $("text").value = "";
  const item = log.message({ by: me, name, text, mine: true });
  item.classList.add("waiting");
  try {
    await client.request("chat:message", { by: me, name, text }, { room });
    item.classList.remove("waiting");
  } catch (error) {
    log.note(`Not sent: ${error.reason ?? error.code}`, { bad: true });
  }
});

client.addEventListener("message", ({ detail: { type, payload } }) => {
  if (type === "chat:number") number(payload);
  else if (payload.by === me) return; // a room sends to its sender as well
  else if (type === "chat:joined") log.note(`**${payload.name}** joined`);
  else if (type === "chat:message") log.message(payload);
});

// -- numbered messages -----------------------------------------------------------------------------------

// They go to the room and come back from it, so that this page checks both ways. Slower than the server's limit, so
// that there is time to do something to the connection, and room for a word in between.
$("burst").addEventListener("click", () => {
  const id = random();
  const to = room;
  const rate = client.welcome?.limits?.rate_per_second ?? Infinity;
  begin(id, { by: me, name, mine: true, run: new Run(BURST) });
  let n = 0;
  const timer = setInterval(() => {
    client.send("chat:number", { by: me, name, run: id, n: ++n, of: BURST }, { room: to });
    if (n === BURST) clearInterval(timer);
  }, Math.max(25, 1250 / rate));
});

function begin(id, entry) {
  runs.set(id, entry.run);
  log.run(entry);
  judge();
}

function number({ by, name: author, run: id, n, of }) {
  if (!runs.has(id)) begin(id, { by, name: author, run: new Run(of, n) });
  runs.get(id).take(n, client.transport);
  judge();
}

function judge() {
  const [kind, head, more] = verdict([...runs.values()]);
  const place = $("verdict");
  if (place.textContent === head + more) return; // a screen reader reads every change
  place.dataset.verdict = kind;
  place.firstElementChild.textContent = head;
  place.lastElementChild.textContent = more;
}

// -- the connection ------------------------------------------------------------------------------------

for (const radio of document.querySelectorAll("#transports input")) {
  radio.addEventListener("change", () => client.switchTo(radio.value));
}

$("cut").addEventListener("click", () => (client.state === "connected" ? client.cut() : client.connect()));

client.addEventListener("state", () => {
  const { state, reason } = client;
  const connected = state === "connected";
  $("status").dataset.state = state;
  $("status").textContent = connected ? `Connected over ${NAMES[client.transport]}` : (STATES[state] ?? `Stopped: ${reason}`);
  $("cut").textContent = connected ? "Cut the connection" : "Connect now";
  if (client.transport !== transport && connected) {
    transport = client.transport;
    quality.reset();
    $(`transports`).querySelectorAll("label").forEach((label) => {
      label.classList.toggle("here", label.firstElementChild.value === transport);
    });
  }
  $("session").textContent = client.line.session ?? "–";
  $("session").title = client.line.session ?? "";
  $("attach").textContent = client.line.attach;
  count();
});

client.addEventListener("note", ({ detail }) => {
  const { kind, code } = detail;
  const by = NAMES[detail.transport];
  if (kind === "opened") {
    join();
  } else if (kind === "attached") {
    const again = detail.resent ? `, ${detail.resent} sent again` : "";
    if (detail.resumed) log.note(`Now over **${by}**: session resumed${again}`);
    else log.note(`Now over **${by}**, in a new session: ${REASONS[detail.reason] ?? detail.reason}`, { bad: true });
  } else if (kind === "lost" && code !== "moved") {
    log.note(code === "cut" ? "Connection cut" : `Connection lost: ${code}`);
    if (code === "ping_timeout") quality.record(null);
  } else if (kind === "failed" && client.line.connection) {
    log.note(`**${by}** does not work here (${code}); still over ${NAMES[client.transport]}`, { bad: true });
  } else if (kind === "gap") {
    log.note(`${detail.n} messages were dropped: ${detail.reason}`, { bad: true });
  } else if (kind === "error") {
    log.note(detail.reason ?? code, { bad: true });
  }
  count();
});

client.addEventListener("rtt", ({ detail: ms }) => {
  quality.record(ms);
  trips.push(ms);
  if (trips.length > SAMPLES) trips.shift();
  $("rtt").textContent = ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
  $("quality").textContent = quality.level;
  $("quality").dataset.quality = quality.level;
  draw();
  count();
});

// The graph of round trips: from the right, a minute wide, never steeper than 10 ms to its height.
function draw() {
  const top = Math.max(10, ...trips) * 1.15;
  const points = trips.map((ms, i) => [160 - (trips.length - 1 - i) * (160 / (SAMPLES - 1)), 39 - (ms / top) * 37]);
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L");
  const [line_, area] = [$("spark").querySelector(".line"), $("spark").querySelector(".area")];
  line_.setAttribute("d", `M${line}`);
  area.setAttribute("d", `M${points[0][0].toFixed(1)} 40L${line}L160 40Z`);
}

function count() {
  const { totals } = client;
  for (const key of ["sent", "received", "confirmed", "resumed", "resent"]) $(key).textContent = totals[key];
  const lost = totals.lost + totals.unknown;
  $("lost").textContent = lost;
  $("lost").classList.toggle("bad", lost > 0);
}

setInterval(count, 250); // the counters move faster than anybody reads

// -- what the browser keeps for this page ----------------------------------------------------------------

function remembered(key) {
  try {
    return localStorage.getItem(`rtcore:${key}`);
  } catch {
    return null; // a browser may refuse
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(`rtcore:${key}`, value);
  } catch {}
}

client.connect();
