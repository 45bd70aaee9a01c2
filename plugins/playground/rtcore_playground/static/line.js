// The client's half of a session's line: hello, welcome, what to skip, what to send again.
//
// Every rule is one method, as in rtcore/wire/client_line.py, and there is no I/O and no clock. A *connection* is any
// object that stands for one transport connection; two may be under way at once while the transport changes.

const WINDOW = 1000; // messages that went out and are not confirmed; a sender waits when it is full

export class Line {
  session = null; // these two from the last welcome
  secret = null;
  attach = 0; // the number of the last hello
  attached = 0; // the number of the hello that gave the connection: what its polls and POSTs say
  received = 0; // messages counted in, ever
  confirmed = 0; // messages that are known to have arrived, ever
  held = []; // messages counted out and not confirmed, oldest first
  connection = null; // the one that the last welcome came by
  #asked = null;
  #atHello = 0;
  #skip = 0;
  #forget = false;
  #nonce = random();

  constructor(limit = WINDOW) {
    this.limit = limit;
  }

  get sent() {
    return this.confirmed + this.held.length;
  }

  get full() {
    return this.held.length >= this.limit;
  }

  // -- attach ----------------------------------------------------------------------------------------

  // Make the fields of the hello for a connection. From here on no earlier hello's welcome is taken.
  // `forget`: the messages are gone; keep identity and rooms, reset both counts.
  hello(connection, { forget = false, ...more } = {}) {
    this.#forget = (forget || this.#forget) && this.session !== null;
    this.attach += 1;
    this.#asked = connection;
    this.#atHello = this.received;
    const fields = { v: 1, attach: this.attach, nonce: this.#nonce, batch: true, ...more };
    if (this.session !== null) {
      const received = this.#forget ? null : this.received;
      Object.assign(fields, { session: this.session, secret: this.secret, received, sent: this.sent });
    }
    return fields;
  }

  // Move the session to the connection that its welcome came by. Returns what to do next; null for a welcome
  // that must be ignored. Throws if the two speak of different conversations: say hello with `forget` then.
  takeWelcome(connection, welcome) {
    const mine = connection === this.#asked && (welcome.attach === this.attach || welcome.attach === 0);
    if (!mine) return null;
    const fresh = this.session !== welcome.session;
    const anew = fresh || welcome.reason === "reset" || welcome.reason === "unknown";
    if (!anew && welcome.received > this.sent) {
      throw new RangeError(`welcome: received ${welcome.received}, but ${this.sent} were sent`);
    }
    this.#asked = null;
    this.#forget = false;
    this.attached = this.attach;
    this.connection = connection;
    this.session = welcome.session;
    this.secret = welcome.secret;
    if (anew) return { fresh, missed: welcome.lost ?? 0, confirmed: 0, resend: [], unknown: this.#beginAnew(welcome) };
    const missed = this.#skipWhatCameTwice(welcome.lost ?? 0);
    const before = this.confirmed;
    this.confirm(welcome.received);
    return { fresh, missed, confirmed: this.confirmed - before, resend: [...this.held], unknown: [] };
  }

  // Both counts start at zero. What was on its way in a session that is gone may or may not have run.
  #beginAnew(welcome) {
    const unknown = this.held;
    this.held = [];
    this.confirmed = 0;
    this.received = welcome.lost ?? 0;
    this.#skip = 0;
    this.#nonce = random();
    return unknown;
  }

  // The replay begins where the hello said; what the old connection brought since then comes again.
  // Returns how many messages are lost for good: what the server no longer holds may yet have arrived.
  #skipWhatCameTwice(lost) {
    const since = this.received - this.#atHello;
    const missed = Math.max(0, lost - since);
    this.#skip = Math.max(0, since - lost);
    this.received += missed;
    return missed;
  }

  // A connection is gone. False if the session had left it, or had never come to it.
  detach(connection) {
    if (this.#asked === connection) this.#asked = null;
    if (this.connection !== connection) return false;
    this.connection = null;
    return true;
  }

  // -- counting --------------------------------------------------------------------------------------

  // A message arrived. Says whether it is news: neither from a connection that was left nor a replay.
  take(connection) {
    if (this.connection !== connection) return false;
    if (this.#skip) {
      this.#skip -= 1;
      return false;
    }
    this.received += 1;
    return true;
  }

  // The `received` of the next poll. Its answer begins there, so nothing in it comes twice.
  rewind() {
    this.#skip = 0;
    return this.received;
  }

  // Count a message out, as it is written. Returns its place. Not while the window is `full`.
  put(message) {
    return this.held.push(message) + this.confirmed - 1;
  }

  // The server has received so many messages. False if that cannot be.
  confirm(received) {
    if (received > this.sent) return false;
    if (received > this.confirmed) {
      this.held.splice(0, received - this.confirmed);
      this.confirmed = received;
    }
    return true;
  }

  // Whether a `superseded` speaks of this client's own newer hello, and not of a copied tab's.
  isMine(attach) {
    return attach <= this.attach;
  }
}

// A name that nobody can guess: a nonce stands for its session until that is confirmed. (`crypto.randomUUID` is missing
// in pages over plain HTTP.)
export function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
