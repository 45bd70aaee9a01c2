// Pings, which measure round trips and find dead connections, and acks, which tell the server what it need not keep.

const PING_EVERY = 2000; // ms; a page that shows round trips wants many
const ACK_AFTER = 1000; // ms, or a quarter of the server's window, or 64 KiB: whichever comes first
const ACK_BYTES = 65536;

export class Pulse {
  #pinged = 0; // when the ping went that is not answered yet
  #unacked = { n: 0, bytes: 0 };
  #timer = 0;
  #patience = 5000; // ms
  #window = 100; // messages

  // `onTrip` is told each round trip, in milliseconds.
  constructor(line, onTrip) {
    Object.assign(this, { line, onTrip });
    setInterval(() => this.ping(), PING_EVERY);
  }

  // There is another connection. A hello says what has arrived, so nothing is left to be confirmed.
  begin({ heartbeat, limits }) {
    this.#patience = 1000 * (heartbeat?.timeout ?? 5);
    this.#window = limits?.window ?? 100;
    this.#unacked = { n: 0, bytes: 0 };
    this.#pinged = 0;
    this.ping();
  }

  // One at a time. A browser may hold this timer back, in a hidden tab for a minute; the answer needs no timer.
  ping() {
    const link = this.line.connection;
    if (!link) return;
    const waited = performance.now() - this.#pinged;
    if (this.#pinged && waited > this.#patience) link.lose("ping_timeout");
    if (this.#pinged) return;
    this.#pinged = performance.now();
    link.write(["ping", { t: this.#pinged }]);
  }

  pong(t) {
    if (t !== this.#pinged) return;
    this.#pinged = 0;
    this.onTrip(performance.now() - t);
  }

  // A message has arrived.
  count(bytes) {
    this.#unacked.n += 1;
    this.#unacked.bytes += bytes;
    if (this.#unacked.n >= this.#window / 4 || this.#unacked.bytes >= ACK_BYTES) this.#ack();
    else this.#timer ||= setTimeout(() => this.#ack(), ACK_AFTER);
  }

  #ack() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#unacked = { n: 0, bytes: 0 };
    this.line.connection?.write(["ack", { n: this.line.received }]);
  }
}
