/** A run of numbered messages and its check: what is missing, what came twice, what came out of order. */

import { element } from "./dom.js";

/** @typedef {"websocket" | "sse" | "polling"} Transport */

/** @type {Record<Transport, string>} */
export const TRANSPORTS = { websocket: "WebSocket", sse: "SSE", polling: "polling" };

/** Cells of a run; where there are more numbers, a cell stands for several. */
const CELLS = 100;

export class Run {
  repeated = 0;
  disordered = 0;
  /** The session did not hold all of it, and whoever watches was told: what is missing is not missing unheard. */
  told = false;
  /** @type {Set<number>} */
  #seen = new Set();
  #last = 0;
  /** @type {Record<Transport, number>} */
  #by = { websocket: 0, sse: 0, polling: 0 };
  #share;
  /** @type {number[]} how many of each cell's numbers have come */
  #filled;
  #cells;
  #count = element("span");
  #legend = element("p", "legend");

  /**
   * @param {number} of numbers, from 1
   * @param {number} [first] that this page can have seen; one that joined later cannot know of those before
   */
  constructor(of, first = 1) {
    this.of = of;
    this.first = first;
    this.#share = Math.max(1, Math.ceil(of / CELLS));
    this.#cells = Array.from({ length: Math.ceil(of / this.#share) }, () => element("i"));
    this.#filled = this.#cells.map(() => 0);
    const head = element("p", "", element("b", "", `${of.toLocaleString("en")} numbered messages`), this.#count);
    const grid = element("div", "cells", ...this.#cells);
    grid.setAttribute("aria-hidden", "true");
    this.element = element("div", "run", head, grid, this.#legend);
    this.element.setAttribute("aria-live", "off");
    this.#show();
  }

  get expected() {
    return this.of - this.first + 1;
  }

  get arrived() {
    return this.#seen.size;
  }

  /** Numbers that were passed by, and cannot come any more: order is part of the promise. */
  get missing() {
    return Math.max(0, this.#last - this.first + 1 - this.#seen.size);
  }

  get sound() {
    return !this.missing && !this.repeated && !this.disordered;
  }

  get whole() {
    return this.arrived === this.expected && this.sound;
  }

  /** The last number is here: no other can come. */
  get ended() {
    return this.#last === this.of;
  }

  /**
   * Number `n` has arrived.
   *
   * @param {number} n
   * @param {Transport} transport what carried it
   */
  take(n, transport) {
    if (this.#seen.has(n)) this.repeated += 1;
    else if (n < this.#last) this.disordered += 1;
    this.#seen.add(n);
    this.#last = Math.max(this.#last, n);
    this.#by[transport] += 1;
    const at = Math.floor((n - 1) / this.#share);
    const cell = this.#cells[at];
    if (!cell) return;
    const filled = (this.#filled[at] ?? 0) + 1;
    this.#filled[at] = filled;
    cell.className = filled >= Math.min(this.#share, this.of - at * this.#share) ? transport : `${transport} part`;
    this.#show();
  }

  #show() {
    this.#count.textContent = `${this.arrived} of ${this.expected}`;
    const used = /** @type {[Transport, number][]} */ (Object.entries(this.#by)).filter(([, n]) => n);
    this.#legend.replaceChildren(
      ...used.map(([transport, n]) =>
        element("span", "", element("i", transport), `${n} over ${TRANSPORTS[transport]}`),
      ),
    );
    if (!used.length) this.#legend.textContent = "on their way";
  }
}

/**
 * Return what is to be said of all runs that a page has seen: of what kind it is, in a word, in a sentence.
 *
 * @param {Run[]} runs
 * @returns {["" | "running" | "whole" | "told" | "broken", string, string]}
 */
export function verdict(runs) {
  if (!runs.length) return ["", "Nothing sent yet", "There is nothing to check."];
  const sum = (/** @type {"missing" | "repeated" | "disordered" | "arrived" | "expected"} */ key) =>
    runs.reduce((total, run) => total + run[key], 0);
  const faults = `${sum("missing")} missing, ${sum("repeated")} twice, ${sum("disordered")} out of order`;
  if (runs.some((run) => !run.sound && !run.told)) return ["broken", "Something went wrong", faults];
  if (runs.some((run) => !run.whole && !run.ended))
    return ["running", "On their way", "Switch or cut the connection now."];
  if (runs.some((run) => run.told && !run.whole))
    return ["told", "Lost, but not unheard", `The session could not hold it all, and said so: ${faults}.`];
  return ["whole", "Nothing lost", `${sum("arrived")} of ${sum("expected")} arrived, in order, none twice.`];
}
