// A small client of docs/wire.md for browsers: one session that survives connections and changes of transport.
//
//   const client = new RealtimeClient({ url: "/rt", name: "Ada" });
//   client.addEventListener("message", ({ detail }) => console.log(detail.type, detail.payload));
//   client.connect();
//   await client.request("room:join", { room: "lobby" });
//   client.send("chat:message", { text: "hello" }, { room: "lobby" });
//
// Events: "message" (a message), "state" (client.state has changed), "note" (something worth telling: see `#note`),
// "rtt" (a round trip, in milliseconds).
//
// Rule: connecting, reconnecting, falling back and switching by hand are one operation, `#attach`. The connection
// that is there goes on carrying messages until another one's welcome arrives.

import { Line } from "./line.js";
import { Outbox } from "./outbox.js";
import { Pulse } from "./pulse.js";
import { LINKS } from "./transports.js";

const WELCOME_WITHIN = 5000; // ms; a transport that takes longer is given up for the next
const REQUEST_WITHIN = 15_000; // ms
const BACKOFF = { base: 1000, cap: 30_000 }; // ms; full jitter: a uniform choice below a limit that doubles
const ATTEMPTS = 5; // then the client is suspended: it tries when the network or the page comes back, or after:
const SUSPENDED = 60_000;
const CLIMB = { base: 10_000, cap: 300_000 }; // ms on a lesser transport before the preferred one is tried again
const STOP = new Set(["superseded", "unauthenticated", "forbidden", "origin_refused", "unsupported_version"]);

export class RealtimeClient extends EventTarget {
  state = "idle"; // connecting, connected, reconnecting, suspended, stopped, closed
  reason = ""; // why, where there is a why
  welcome = null; // the last one
  rooms = new Set();
  counters = { received: 0, lost: 0, unknown: 0, resumed: 0, resent: 0, repeated: 0 };
  line = new Line();
  #outbox = new Outbox(this.line);
  #pulse = new Pulse(this.line, (ms) => this.#emit("rtt", ms));
  #requests = new Map();
  #next = 1;
  #pending = 0; // attaches under way
  #keeping = false;
  #wake = () => {};
  #bad = new Set(); // transports that failed where another one did not
  #climbIn = CLIMB.base;
  #climbTimer = 0;

  constructor({ url = "/rt", transports = Object.keys(LINKS), name } = {}) {
    super();
    this.url = new URL(url, document.baseURI).href.replace(/\/$/, "");
    this.name = name;
    this.order = [...transports];
    this.preferred = this.order[0];
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
    addEventListener("pagehide", (event) => event.persisted || this.close());
  }

  get transport() {
    return this.line.connection?.kind ?? null;
  }

  // Messages, in all sessions of this client. What is neither confirmed nor unknown is on its way.
  get totals() {
    const { sent } = this.#outbox;
    const confirmed = sent - this.line.held.length - this.counters.unknown;
    return { sent, confirmed, ...this.counters };
  }

  // -- for the page ------------------------------------------------------------------------------------

  // Begin; also after a stop, or to try at once instead of waiting.
  connect() {
    if (this.state === "stopped" || this.state === "closed" || this.state === "idle") this.#become("connecting");
    this.#wake();
    this.#keep({ atOnce: true });
  }

  close() {
    this.line.connection?.bye();
    this.#stop("closed", "");
  }

  // Send one message; it waits while there is no connection. Throws when too many wait, or when it is too large.
  send(type, payload, { room, priority, id } = {}) {
    this.#outbox.push(JSON.stringify({ type, id, room, priority, payload }));
  }

  // Send one message and wait for its reply. Rejects with {code, reason}.
  request(type, payload, options = {}) {
    return new Promise((resolve, reject) => {
      const id = String(this.#next++);
      const timer = setTimeout(() => this.#answer(id, { code: "timeout" }), REQUEST_WITHIN);
      this.#requests.set(id, { resolve, reject, timer });
      this.send(type, payload, { ...options, id });
    });
  }

  async join(room) {
    const answer = await this.request("room:join", { room });
    this.rooms.add(room);
    return answer;
  }

  leave(room) {
    this.rooms.delete(room);
    return this.request("room:leave", { room });
  }

  // Move the session to another transport, by hand. False if that one does not work here: nothing has changed.
  async switchTo(kind) {
    this.preferred = kind;
    this.#bad.delete(kind);
    this.#climbIn = CLIMB.base;
    clearTimeout(this.#climbTimer);
    if (this.transport === kind) return true;
    if (!this.line.connection) {
      this.connect();
      return true;
    }
    return this.#climb();
  }

  // Cut the connection, as a broken network would: what is in flight is gone.
  cut() {
    this.line.connection?.lose("cut", {});
  }

  // -- attach --------------------------------------------------------------------------------------------

  // Try one transport. Resolves when its welcome was taken; rejects with {code, number?, retryAfter?}.
  async #attach(kind) {
    this.#pending += 1;
    try {
      await new Promise((resolve, reject) => {
        const link = new LINKS[kind](this.url, this.line, {
          frame: (text) => this.#frame(link, text),
          lost: (why) => {
            clearTimeout(timer);
            reject(why);
            this.#lost(link, why);
          },
        });
        const timer = setTimeout(() => link.lose("no welcome"), WELCOME_WITHIN);
        link.kind = kind;
        link.welcomed = () => {
          clearTimeout(timer);
          resolve();
        };
        link.open(this.line.hello(link, { client: this.name, forget: this.forget }));
      });
    } finally {
      this.#pending -= 1;
      if (!this.line.connection) this.#keep();
    }
  }

  // Get a connection, whatever it takes: every transport in turn, then a pause, then again.
  async #keep({ atOnce = false } = {}) {
    if (this.#keeping || this.#pending || this.line.connection || !this.#wanted) return;
    this.#keeping = true;
    let why = {};
    for (let attempt = 0; this.#wanted && !this.line.connection; attempt++) {
      if (attempt || !atOnce) await this.#pause(attempt, why.retryAfter);
      if (!this.#wanted) break;
      const failed = [];
      if (attempt) this.#bad.clear();
      for (const kind of this.#chain()) {
        try {
          await this.#attach(kind);
          failed.forEach((one) => this.#bad.add(one));
          break;
        } catch (refusal) {
          why = refusal;
          failed.push(kind);
          this.#note("failed", { transport: kind, code: why.code });
          if (isStop(why)) this.#stop("stopped", why.code);
          if (!this.#wanted) break;
        }
      }
    }
    this.#keeping = false;
  }

  get #wanted() {
    return this.state !== "stopped" && this.state !== "closed" && this.state !== "idle";
  }

  #chain() {
    const order = [this.preferred, ...this.order.filter((kind) => kind !== this.preferred)];
    const good = order.filter((kind) => !this.#bad.has(kind));
    return good.length ? good : order;
  }

  #pause(attempt, retryAfter = 0) {
    const suspended = attempt > ATTEMPTS;
    const limit = Math.min(BACKOFF.cap, BACKOFF.base * 2 ** attempt);
    const delay = suspended ? SUSPENDED : Math.max(Math.random() * limit, retryAfter * 1000 * (1 + Math.random() / 10));
    this.#become(suspended ? "suspended" : this.line.session ? "reconnecting" : "connecting");
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  // Try the preferred transport while another one carries the session.
  async #climb() {
    try {
      await this.#attach(this.preferred);
      return true;
    } catch (why) {
      this.#note("failed", { transport: this.preferred, code: why.code });
      this.#climbIn = Math.min(CLIMB.cap, this.#climbIn * 2);
      this.#climbLater();
      return false;
    }
  }

  #climbLater() {
    clearTimeout(this.#climbTimer);
    if (this.transport === this.preferred) return;
    this.#climbTimer = setTimeout(() => this.line.connection && this.#climb(), this.#climbIn);
  }

  #welcomed(link, welcome) {
    if (!this.#wanted) return link.lose("closed");
    const before = { session: this.line.session, old: this.line.connection };
    let outcome;
    try {
      outcome = this.line.takeWelcome(link, welcome);
    } catch {
      this.forget = true;
      return link.lose("bad_welcome");
    }
    if (outcome === null) return link.lose("late");
    before.old?.drop();
    this.#bad.delete(link.kind);
    this.forget = false;
    this.welcome = welcome;
    link.attached({ session: welcome.session, secret: welcome.secret, attach: welcome.attach });
    this.#outbox.limited(welcome.limits);
    const { counters } = this;
    counters.lost += outcome.missed;
    counters.unknown += outcome.unknown.length;
    counters.resent += outcome.resend.length;
    if (welcome.resumed) counters.resumed += 1;
    if (outcome.fresh) [...this.#requests.keys()].forEach((id) => this.#answer(id, { code: "unknown_outcome" }));
    if (!welcome.rooms && before.session) this.rooms.forEach((room) => this.join(room).catch(() => {}));
    this.#note(before.session ? "attached" : "opened", {
      transport: link.kind,
      resumed: welcome.resumed,
      reason: welcome.reason,
      resent: outcome.resend.length,
      missed: outcome.missed,
    });
    this.#become("connected");
    link.flush(outcome.resend.length);
    link.welcomed();
    this.#climbLater();
    this.#pulse.begin(welcome);
    this.#outbox.flush();
  }

  #lost(link, why) {
    if (!this.line.detach(link)) return;
    if (isStop(why)) return this.#stop("stopped", why.code);
    this.#note("lost", { transport: link.kind, code: why.code });
    if (!this.#pending) {
      this.#become("reconnecting");
      this.#keep();
    }
  }

  #stop(state, reason) {
    this.line.connection?.drop();
    this.line.connection = null;
    this.#become(state, reason);
    this.#wake();
  }

  // -- frames ----------------------------------------------------------------------------------------------

  #frame(link, text) {
    for (const raw of text.split("\n")) {
      if (link.dead) return; // the client's fence: a connection that was left may still deliver
      if (raw.startsWith("[")) {
        const [name, fields = {}] = JSON.parse(raw);
        this.#control(link, name, fields);
      } else if (raw) {
        if (!this.line.take(link)) {
          this.counters.repeated += 1;
          continue;
        }
        this.counters.received += 1;
        this.#pulse.count(raw.length);
        this.#message(JSON.parse(raw));
      }
    }
  }

  #control(link, name, fields) {
    if (name === "welcome") return this.#welcomed(link, fields);
    if (name === "close") {
      if (fields.code === "superseded" && this.line.isMine(fields.attach ?? Infinity)) return link.lose("moved");
      return link.lose(fields.code, { number: fields.number, retryAfter: fields.retry_after });
    }
    if (this.line.connection !== link) return;
    if (name === "ack") {
      this.line.confirm(fields.n);
      this.#outbox.flush();
    } else if (name === "ping") {
      link.write(["pong", fields]);
    } else if (name === "pong") {
      this.#pulse.pong(fields.t);
    } else if (name === "move") {
      setTimeout(() => link.lose("going_away"), Math.random() * 1000 * fields.within);
    } else if (name === "error") {
      this.#note("error", fields);
    }
  }

  #message(message) {
    if (message.re !== undefined) this.#answer(message.re, message.type === "error" ? message.payload : null, message);
    else if (message.type === "error") this.#note("error", message.payload);
    else if (message.type === "gap" && message.sender === undefined) {
      this.counters.lost += message.payload.n;
      this.#note("gap", message.payload);
    } else this.#emit("message", message);
  }

  #answer(id, error, message) {
    const request = this.#requests.get(id);
    if (!request) return;
    this.#requests.delete(id);
    clearTimeout(request.timer);
    if (error) request.reject(error);
    else request.resolve(message.payload);
  }

  // -- events ----------------------------------------------------------------------------------------------

  #become(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.#emit("state", state);
  }

  // opened, attached, lost, failed (a transport), gap, error; with what is known of it.
  #note(kind, facts) {
    this.#emit("note", { kind, ...facts });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

// 4200 to 4299: a person must change something. HTTP refusals have a code and no number.
function isStop({ code, number = 0 }) {
  return (number >= 4200 && number < 4300) || STOP.has(code);
}
