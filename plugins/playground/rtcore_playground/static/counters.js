/** Counters that show whether anything was lost. They move faster than anybody reads, so they are drawn now and then. */

import { by, say } from "./dom.js";

/** @typedef {import("./rtcore-client.js").RealtimeClient} Client */
/** @typedef {import("./tap.js").Tap} Tap */

/** Milliseconds. */
const EVERY = 250;

export class Counters {
  /** Messages of whose fate nobody knows: their session is gone. */
  unknown = 0;

  /**
   * @param {Client} client
   * @param {Tap} tap
   */
  constructor(client, tap) {
    this.client = client;
    this.tap = tap;
    setInterval(() => this.show(), EVERY);
  }

  show() {
    const { sent, confirmed, queued, received, duplicates, missed, reconnects } =
      this.client.getConnectionInfo().counters;
    const lost = missed + this.unknown;
    const shown = {
      sent,
      confirmed,
      waiting: Math.max(0, queued + sent - confirmed - this.unknown),
      received,
      again: this.tap.again,
      twice: duplicates,
      resumed: reconnects,
      lost,
    };
    for (const [name, value] of Object.entries(shown)) say(by(name, HTMLElement), value.toLocaleString("en"));
    by("lost", HTMLElement).classList.toggle("bad", lost > 0);
  }
}
