/**
 * Round trips and quality of the last two minutes, drawn as one goes.
 *
 *     the line    how long each ping took          the strip below    how good the connection was, by its colour
 *     a gap       there was no connection
 */

import { by, say, timed } from "./dom.js";

/** @typedef {"excellent" | "good" | "fair" | "poor"} Quality */
/** @typedef {{ at: number, ms: number, quality: Quality }} Trip */

/** Milliseconds from the left edge to now. */
const SPAN = 120_000;
/** Of the picture, in its own units; style.css stretches it. */
const WIDTH = 300;
const HEIGHT = 84;
const FLOOR = 74;
/** Heights that the scale may have, milliseconds. */
const SCALES = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000];
const SVG = "http://www.w3.org/2000/svg";

export class Graph {
  #picture = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (document.getElementById("graph")));
  /** @type {Trip[]} */
  #trips = [];
  /** @type {{ from: number, to: number | undefined }[]} when there was no connection */
  #gaps = [];

  /** @param {Trip} trip */
  add(trip) {
    this.#trips.push(trip);
    this.draw();
  }

  /** There is no connection from now on. */
  lost() {
    if (this.#gaps.at(-1)?.to !== undefined || !this.#gaps.length)
      this.#gaps.push({ from: performance.now(), to: undefined });
    this.draw();
  }

  /** There is one again. */
  found() {
    const gap = this.#gaps.at(-1);
    if (gap) gap.to ??= performance.now();
    this.draw();
  }

  draw() {
    const now = performance.now();
    this.#trips = this.#trips.filter(({ at }) => now - at < SPAN);
    this.#gaps = this.#gaps.filter(({ to }) => to === undefined || now - to < SPAN);
    const most = Math.max(0, ...this.#trips.map(({ ms }) => ms));
    const scale = SCALES.find((height) => height >= most * 1.1) ?? most * 1.1;
    const x = (/** @type {number} */ at) => Math.max(0, WIDTH * (1 - (now - at) / SPAN));
    const y = (/** @type {number} */ ms) => FLOOR - (ms / scale) * (FLOOR - 6);
    this.#picture.replaceChildren(
      shape("path", "grid", { d: `M0 ${y(scale / 2)}H${WIDTH}M0 ${y(scale)}H${WIDTH}M0 ${FLOOR}H${WIDTH}` }),
      ...this.#gaps.map(({ from, to = now }) =>
        shape("rect", "gap", { x: x(from), y: 4, width: Math.max(1.5, x(to) - x(from)), height: FLOOR - 4 }),
      ),
      ...this.#pieces().flatMap((trips) => {
        const line = trips.map(({ at, ms }) => `${x(at).toFixed(1)} ${y(ms).toFixed(1)}`).join("L");
        const [first, last] = [trips[0], trips[trips.length - 1]].map((trip) => x(trip?.at ?? now).toFixed(1));
        return [
          shape("path", "area", { d: `M${first} ${FLOOR}L${line}L${last} ${FLOOR}Z` }),
          shape("path", "line", { d: `M${line}${trips.length === 1 ? "h.1" : ""}` }),
        ];
      }),
      ...this.#spells().map(({ from, to, quality }) =>
        shape("rect", quality, { x: x(from), y: HEIGHT - 5, width: Math.max(0, x(to) - x(from)), height: 5 }),
      ),
    );
    say(by("graph-top", HTMLElement), timed(scale).replace(".0", ""));
    say(by("graph-says", HTMLElement), this.#says());
  }

  /** From when to when the quality was the same. */
  #spells() {
    /** @type {{ from: number, to: number, quality: Quality }[]} */
    const spells = [];
    for (const { at, quality } of this.#trips) {
      const last = spells.at(-1);
      if (last) last.to = at;
      if (last?.quality !== quality) spells.push({ from: at, to: performance.now(), quality });
      else last.to = performance.now();
    }
    return spells;
  }

  /** Trips with no gap between them. */
  #pieces() {
    /** @type {Trip[][]} */
    const pieces = [];
    let last = -Infinity;
    for (const trip of this.#trips) {
      const apart = this.#gaps.some(({ from }) => from > last && from <= trip.at);
      if (!pieces.length || apart) pieces.push([]);
      pieces.at(-1)?.push(trip);
      last = trip.at;
    }
    return pieces;
  }

  /** The picture in words, for those who do not see it and for those who want numbers. */
  #says() {
    if (!this.#trips.length) return "No round trip yet";
    const sorted = this.#trips.map(({ ms }) => ms).sort((one, other) => one - other);
    const [median, worst] = [sorted[sorted.length >> 1] ?? 0, sorted.at(-1) ?? 0];
    const n = this.#gaps.length;
    const gaps = n === 1 ? ", one gap" : n ? `, ${n} gaps` : "";
    return `Median ${timed(median)}, worst ${timed(worst)}${gaps}`;
  }
}

/**
 * @param {string} name
 * @param {string} className
 * @param {Record<string, string | number>} attributes
 */
function shape(name, className, attributes) {
  const made = document.createElementNS(SVG, name);
  made.setAttribute("class", className);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
