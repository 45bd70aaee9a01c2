/** The connection: what carries the session, how good it is, and everything that one can do to it. */

import { reason } from "./chat.js";
import { by, say, timed } from "./dom.js";
import { Graph } from "./graph.js";
import { FULL_SPEED } from "./network.js";
import { ConnectionQualityDetector } from "./rtcore-client.js";
import { TRANSPORTS } from "./run.js";

/** @typedef {import("./rtcore-client.js").RealtimeClient} Client */
/** @typedef {import("./network.js").Network} Network */
/** @typedef {import("./network.js").Pace} Pace */
/** @typedef {import("./tap.js").Tap} Tap */
/** @typedef {import("./run.js").Transport} Transport */

/** @type {Record<string, Pace>} */
const PACES = {
  full: FULL_SPEED,
  slow: { up: 20_000, down: 50_000, delay: 200 },
  crawl: { up: 2000, down: 4000, delay: 600 },
};

/** @type {Record<string, string>} */
const STATES = {
  idle: "Not connected",
  connecting: "Connecting",
  reconnecting: "Reconnecting",
  suspended: "No connection; the next attempt is in a minute",
  closed: "Closed",
};

export class Connection {
  #status = by("status", HTMLElement);
  #cut = by("cut", HTMLButtonElement);
  #offline = by("offline", HTMLButtonElement);
  #graph = new Graph();
  /** Of the last few round trips only: somebody watches, and has just changed the network. */
  #detector = new ConnectionQualityDetector(5);
  /** Why the server does not want this client. */
  #refusal = "";
  /** @type {(note: string) => void} */
  onnote = () => {};
  /** @type {(note: string) => void} */
  ontrouble = () => {};

  /**
   * @param {Client} client
   * @param {Network} network
   * @param {Tap} tap
   */
  constructor(client, network, tap) {
    this.client = client;
    this.network = network;
    for (const radio of by("transports", HTMLElement).querySelectorAll("input"))
      radio.addEventListener("change", () => this.#switch(/** @type {Transport} */ (radio.value)));
    this.#cut.addEventListener("click", () => this.#cutOrConnect());
    this.#offline.addEventListener("click", () => this.#setOffline(!network.offline));
    by("pace", HTMLSelectElement).addEventListener("change", ({ target }) => {
      network.pace = PACES[/** @type {HTMLSelectElement} */ (target).value] ?? FULL_SPEED;
    });
    client.on("state", (state) => {
      if (state === "connected") this.#graph.found();
      else if (state !== "connecting") this.#graph.lost();
      this.show();
    });
    client.on("transport", () => {
      this.#detector.reset();
      this.show();
    });
    client.on("disconnect", (code) => code === "ping_timeout" && this.#detector.recordPacketLoss());
    tap.ontrip = (ms) => this.#trip(ms);
    // The graph goes on while nothing comes.
    setInterval(() => this.#graph.draw(), 2000);
    this.show();
  }

  /**
   * The server does not want this client.
   *
   * @param {string} why
   */
  refused(why) {
    this.#refusal = why;
    this.show();
  }

  /** Cut it, as a broken network would: what is in flight is gone. */
  cut() {
    const { connectionType } = this.client.getConnectionInfo();
    this.network.cut();
    if (connectionType === "polling") this.onnote("Cut in the middle of a **poll**: it is asked again");
  }

  /** Show how things stand. */
  show() {
    const { state, connectionType, sessionId, counters } = this.client.getConnectionInfo();
    const connected = state === "connected";
    this.#status.dataset.state = this.network.offline ? "offline" : state;
    if (this.network.offline) say(this.#status, "Offline, as you wish");
    else if (connected && connectionType) say(this.#status, `Connected over ${TRANSPORTS[connectionType]}`);
    else say(this.#status, STATES[state] ?? `Stopped: ${this.#refusal}`);
    say(this.#cut, connected ? "Cut the connection" : "Connect now");
    this.#cut.disabled = this.network.offline;
    for (const label of by("transports", HTMLElement).querySelectorAll("label")) {
      const here = connected && label.querySelector("input")?.value === connectionType;
      label.classList.toggle("here", here);
    }
    say(by("session", HTMLElement), sessionId ?? "–");
    say(by("attaches", HTMLElement), String(counters.attaches));
  }

  #cutOrConnect() {
    if (this.client.isConnected) this.cut();
    else this.client.connect().catch((error) => this.refused(reason(error)));
  }

  /** @param {boolean} offline */
  #setOffline(offline) {
    this.network.offline = offline;
    this.#offline.ariaChecked = String(offline);
    this.show();
    if (!offline) this.client.connect().catch((error) => this.refused(reason(error)));
  }

  /** @param {Transport} transport */
  async #switch(transport) {
    try {
      await this.client.switchTransport(transport);
    } catch (error) {
      const { connectionType } = this.client.getConnectionInfo();
      const still = connectionType ? `; still over **${TRANSPORTS[connectionType]}**` : "";
      this.ontrouble(`**${TRANSPORTS[transport]}** does not work here (${reason(error)})${still}`);
    }
  }

  /** @param {number} ms */
  #trip(ms) {
    say(by("rtt", HTMLElement), timed(ms));
    this.#detector.recordLatency(ms);
    const quality = this.#detector.getConnectionQuality();
    this.#graph.add({ at: performance.now(), ms, quality });
    const place = by("quality", HTMLElement);
    place.dataset.quality = quality;
    say(place, quality);
  }
}
