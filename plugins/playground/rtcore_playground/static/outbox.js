// What waits to be sent: while there is no connection, while the window is full, and for the server's rate limit.

const QUEUE = 10_000; // messages

export class Outbox {
  sent = 0; // messages, in all sessions
  #queue = [];
  #limits = {};
  #tokens = { left: 0, at: 0 };
  #timer = 0;

  constructor(line) {
    this.line = line;
  }

  // What a welcome says of limits: `max_message_size` (bytes), `rate_per_second`, `burst`.
  limited(limits = {}) {
    this.#limits = limits;
  }

  // Take one message. Throws when too many wait, or when the server would refuse its size.
  push(text) {
    const { max_message_size: limit = Infinity } = this.#limits;
    if (text.length * 3 > limit && new TextEncoder().encode(text).length > limit) throw new Error("message_too_big");
    if (this.#queue.length >= QUEUE) throw new Error("queue_full");
    this.#queue.push(text);
    this.flush();
  }

  // Send what may go now.
  flush() {
    const { line } = this;
    const link = line.connection;
    let n = 0;
    while (link && this.#queue.length && !line.full && this.#mayGo()) {
      line.put(this.#queue.shift());
      n += 1;
    }
    this.sent += n;
    if (n) link.flush(n);
  }

  // Within the server's limit, so that nothing is refused: half of the burst that it allows is left to the network.
  #mayGo() {
    const { rate_per_second: rate, burst = rate } = this.#limits;
    if (!rate) return true;
    const now = performance.now() / 1000;
    const left = Math.min(Math.max(1, burst / 2), this.#tokens.left + (now - this.#tokens.at) * rate);
    const go = left >= 1;
    this.#tokens = { left: go ? left - 1 : left, at: now };
    clearTimeout(this.#timer);
    if (!go) this.#timer = setTimeout(() => this.flush(), (1000 * (1 - left)) / rate);
    return go;
  }
}
