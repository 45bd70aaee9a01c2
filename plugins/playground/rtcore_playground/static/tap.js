/**
 * The tap: reads what crosses the network, and knows from it what the client does not tell.
 *
 *     round trips    a ping up, and the pong with its `t` down
 *     sent again     a message up whose place in the count was up before: after a cut, and in repeated POSTs
 *     the welcome    limits, node, and why a session was not resumed
 *
 * Frames are handed on in the order in which they crossed, also where one must be decompressed first.
 */

import { read } from "./frames.js";

/** @typedef {import("./network.js").Frame} Frame */
/** @typedef {import("./frames.js").Read} Read */

/** @typedef {Read & { up: boolean, by: Frame["by"], at: Date }} Entry a frame as the page shows it */

/** Pings that may be without an answer. */
const PINGS = 20;

export class Tap {
  /** Frames and bytes, ever, each way. */
  up = { frames: 0, bytes: 0 };
  down = { frames: 0, bytes: 0 };
  /** Messages that went up once more. */
  again = 0;
  /** @type {Record<string, any>} the fields of the last welcome, without its secret */
  welcome = {};
  /** @type {(entry: Entry) => void} */
  onentry = () => {};
  /** @type {(milliseconds: number) => void} */
  ontrip = () => {};
  /** Places below this have been up in this session. */
  #highest = 0;
  /** @type {WeakMap<object, number>} the place of the next message that goes up by a link */
  #next = new WeakMap();
  /** @type {Map<unknown, number>} when each ping went up */
  #pings = new Map();
  /** @type {Promise<void> | undefined} */
  #waiting;

  /** @param {Frame} frame */
  take(frame) {
    const at = performance.now();
    const found = read(frame.data);
    if (found instanceof Promise || this.#waiting) {
      const last = (this.#waiting ?? Promise.resolve()).then(async () => this.#enter(frame, await found, at));
      this.#waiting = last;
      last.then(() => {
        if (this.#waiting === last) this.#waiting = undefined;
      });
    } else {
      this.#enter(frame, found, at);
    }
  }

  /**
   * @param {Frame} frame
   * @param {Read} found
   * @param {number} at
   */
  #enter({ up, by, link }, found, at) {
    const sum = up ? this.up : this.down;
    sum.frames += 1;
    sum.bytes += found.bytes;
    for (const { kind, name, fields } of found.items) {
      if (kind === "message") {
        if (up) this.#count(link);
      } else if (up) {
        if (name === "send") this.#next.set(link, fields.from);
        else if (name === "ping") this.#ping(fields.t, at);
      } else if (name === "welcome") this.#welcomed(link, fields);
      else if (name === "pong") this.#pong(fields.t, at);
    }
    this.onentry({ ...found, up, by, at: new Date() });
  }

  /** @param {object} link */
  #count(link) {
    const place = this.#next.get(link) ?? this.#highest;
    this.#next.set(link, place + 1);
    if (place < this.#highest) this.again += 1;
    else this.#highest = place + 1;
  }

  /**
   * @param {object} link
   * @param {Record<string, any>} welcome
   */
  #welcomed(link, welcome) {
    // The counts of another session, or of one that began again, are others.
    if (!welcome.resumed && welcome.reason !== "overflow") this.#highest = 0;
    this.welcome = welcome;
    this.#next.set(link, welcome.received ?? 0);
    this.#pings.clear();
  }

  /**
   * @param {unknown} t
   * @param {number} at
   */
  #ping(t, at) {
    if (this.#pings.size >= PINGS) this.#pings.clear();
    this.#pings.set(t, at);
  }

  /**
   * @param {unknown} t
   * @param {number} at
   */
  #pong(t, at) {
    const sent = this.#pings.get(t);
    if (sent === undefined) return;
    this.#pings.delete(t);
    this.ontrip(at - sent);
  }
}
