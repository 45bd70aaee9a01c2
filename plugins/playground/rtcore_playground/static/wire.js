/**
 * The wire as it happens: a row for each frame, newest last, and what is in it when it is opened.
 *
 * Rule: bounded. So many rows are kept, and so much of each frame's text; the list is drawn once per picture, however
 * many frames have crossed since. Nothing in it is live to a screen reader: that would never end.
 */

import { by, element, say, sized } from "./dom.js";
import { written } from "./frames.js";
import { Tail } from "./tail.js";

/** @typedef {import("./tap.js").Entry} Entry */
/** @typedef {import("./tap.js").Tap} Tap */
/** @typedef {import("./frames.js").Item} Item */

/**
 * What is kept of a frame.
 *
 * @typedef {Pick<Entry, "up" | "by" | "at" | "bytes" | "packed" | "readable"> & { names: string, glimpse: string,
 *   control: boolean, count: number, items: string[], priority?: string, trace?: string }} Line
 */

/** Frames that are kept. */
const KEEP = 300;
/** Characters of one item's text, and items of one frame, that are kept. */
const TEXT = 4000;
const ITEMS = 50;
/** Characters of what a frame says that are in its row. */
const GLIMPSE = 80;
/** Different names in a row before "and more". */
const NAMED = 3;

const CARRIERS = { websocket: "WS", sse: "SSE", poll: "POLL", send: "POST" };
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export class Wire {
  #list = by("frames", HTMLOListElement);
  #tail = new Tail(this.#list);
  #pause = by("pause", HTMLButtonElement);
  #control = by("control-items", HTMLInputElement);
  #search = by("search", HTMLInputElement);
  #tap;
  /** @type {Line[]} all that are kept, seen or not */
  #lines = [];
  /** @type {Line[]} that are not in the list yet */
  #fresh = [];
  #paused = false;
  #due = false;

  /** @param {Tap} tap */
  constructor(tap) {
    this.#tap = tap;
    tap.onentry = (entry) => this.#enter(entry);
    this.#pause.addEventListener("click", () => this.#hold(!this.#paused));
    by("clear", HTMLButtonElement).addEventListener("click", () => this.#clear());
    by("filter", HTMLFormElement).addEventListener("submit", (event) => event.preventDefault());
    by("filter", HTMLFormElement).addEventListener("input", () => this.#again());
    this.#list.addEventListener("keydown", (event) => this.#key(event));
    this.#list.addEventListener("click", ({ target }) => {
      const row = target instanceof Element && target.closest("button");
      if (row) this.#toggle(/** @type {HTMLButtonElement} */ (row));
    });
  }

  // -- what comes in ------------------------------------------------------------------------------------------------

  /** @param {Entry} entry */
  #enter(entry) {
    const { items, ...facts } = entry;
    const line = {
      ...facts,
      names: named(items) || (facts.readable ? "nothing new" : "not readable"),
      glimpse: glimpse(items),
      control: items.every(({ kind }) => kind === "control"),
      count: items.length,
      items: items.slice(0, ITEMS).map((item) => shortened(written(item))),
      priority: items.find(({ fields }) => fields.priority)?.fields.priority,
      trace: items.find(({ fields }) => fields.trace)?.fields.trace,
    };
    this.#lines.push(line);
    if (this.#lines.length > KEEP) this.#lines.shift();
    this.#fresh.push(line);
    if (this.#fresh.length > KEEP) this.#fresh.shift();
    this.#soon();
  }

  #soon() {
    if (this.#due) return;
    this.#due = true;
    requestAnimationFrame(() => {
      this.#due = false;
      this.#draw();
    });
  }

  #draw() {
    const { up, down } = this.#tap;
    for (const [way, { frames, bytes }] of Object.entries({ up, down }))
      say(by(`${way}-total`, HTMLElement), `${frames.toLocaleString("en")} · ${sized(bytes)}`);
    if (this.#paused) return say(this.#pause, `Go on (${this.#fresh.length} new)`);
    const list = this.#list;
    list.append(...this.#fresh.filter((line) => this.#wanted(line)).map((line) => row(line)));
    this.#fresh = [];
    while (list.children.length > KEEP) this.#drop(/** @type {Element} */ (list.firstElementChild));
    list.dataset.empty = String(!list.children.length);
    this.#keepOneStop();
    this.#tail.grown();
  }

  /** @param {Element} first a row that has become too old; whoever is on it goes on to the next one */
  #drop(first) {
    const next = first.nextElementSibling?.querySelector("button");
    if (first.contains(document.activeElement)) next?.focus();
    first.remove();
  }

  // -- what is shown ------------------------------------------------------------------------------------------------

  /** @param {Line} line */
  #wanted({ up, names, control, items }) {
    const way = new FormData(by("filter", HTMLFormElement)).get("way");
    if (way !== "both" && up !== (way === "up")) return false;
    if (control && !this.#control.checked) return false;
    const text = this.#search.value.trim().toLowerCase();
    return !text || names.toLowerCase().includes(text) || items.some((item) => item.toLowerCase().includes(text));
  }

  #again() {
    this.#list.replaceChildren();
    this.#fresh = [...this.#lines];
    this.#hold(false);
  }

  #clear() {
    this.#lines = [];
    this.#again();
  }

  /** @param {boolean} paused */
  #hold(paused) {
    this.#paused = paused;
    say(this.#pause, paused ? "Go on" : "Pause");
    this.#soon();
  }

  // -- by hand ------------------------------------------------------------------------------------------------------

  /** @param {KeyboardEvent} event */
  #key(event) {
    /** @type {(Element | null)[]} */
    const rows = [...this.#list.querySelectorAll("button")];
    const at = rows.indexOf(document.activeElement);
    const row = rows[at];
    if (!(row instanceof HTMLButtonElement)) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    if (event.key === "Escape" && row.ariaExpanded === "true") this.#toggle(row);
    else if (to === undefined) return;
    const next = rows[to ?? at];
    if (next instanceof HTMLElement) next.focus();
    this.#keepOneStop();
    event.preventDefault();
  }

  /** The list is one stop of the Tab key, however long it is: the row that was used last, or the newest. */
  #keepOneStop() {
    const rows = this.#list.querySelectorAll("button");
    const focused = [...rows].find((one) => one === document.activeElement);
    const stop = focused ?? [...rows].find((one) => one.ariaExpanded === "true") ?? rows[rows.length - 1];
    for (const one of rows) one.tabIndex = one === stop ? 0 : -1;
  }

  /** @param {HTMLButtonElement} button */
  #toggle(button) {
    const open = button.ariaExpanded !== "true";
    button.ariaExpanded = String(open);
    if (open) button.after(details(/** @type {Line} */ (LINES.get(button))));
    else button.nextElementSibling?.remove();
  }
}

/** @type {WeakMap<HTMLButtonElement, Line>} */
const LINES = new WeakMap();

/** @param {Line} line */
function row(line) {
  const { up, at, priority, trace } = line;
  const button = element("button", "frame");
  button.type = "button";
  button.ariaExpanded = "false";
  const way = element("span", "way", up ? "↑" : "↓");
  way.setAttribute("aria-hidden", "true");
  const facts = element("span", "facts");
  if (priority) facts.append(element("span", "badge priority", priority));
  if (trace) facts.append(element("span", "badge trace", `trace ${trace.split("-")[1]?.slice(0, 8)}`));
  if (line.packed) facts.append(element("span", "badge", "deflate"));
  button.append(
    element("time", "", `${CLOCK.format(at)}.${String(at.getMilliseconds()).padStart(3, "0")}`),
    way,
    element("span", "hidden", up ? " up " : " down "),
    element("span", "names", line.names, element("span", "glimpse", line.glimpse)),
    facts,
    element("span", "by", CARRIERS[line.by]),
    element("span", "size", sized(line.bytes)),
  );
  LINES.set(button, line);
  const item = element("li", up ? "up" : "down", button);
  if (line.control) item.classList.add("control");
  return item;
}

/**
 * Return what is in a frame in one line: `playground:number ×3, ack`. Where the carrier says it, that it is sent is left out.
 *
 * @param {Item[]} items
 */
function named(items) {
  /** @type {Map<string, number>} */
  const times = new Map();
  for (const { name } of items) times.set(name, (times.get(name) ?? 0) + 1);
  if (times.size > 1) times.delete("send");
  const names = [...times].map(([name, n]) => (n > 1 ? `${name} ×${n}` : name));
  return names.length > NAMED ? `${names.slice(0, NAMED).join(", ")}, and more` : names.join(", ");
}

/**
 * Return the beginning of what the one item says that the frame is about; nothing of several.
 *
 * @param {Item[]} items
 */
function glimpse(items) {
  const [item, another] = items.length > 1 ? items.filter(({ name }) => name !== "send") : items;
  const said = item?.kind === "control" ? item.fields : item?.fields.payload;
  if (another || said === undefined || said === null) return "";
  return ` ${JSON.stringify(said)
    .replace(/^[{[]|[}\]]$|"/g, "")
    .slice(0, GLIMPSE)}`;
}

/** @param {Line} line */
function details({ items, count, readable }) {
  const place = element("div", "details", ...items.map((item) => element("pre", "", pretty(item))));
  if (count > items.length) place.append(`… and ${count - items.length} items more`);
  if (!count) place.append(readable ? "An empty answer: nothing had come." : "It cannot be read here.");
  return place;
}

/** @param {string} text */
function shortened(text) {
  return text.length > TEXT ? `${text.slice(0, TEXT)} … ${text.length - TEXT} characters more` : text;
}

/** @param {string} item JSON, or the beginning of it */
function pretty(item) {
  try {
    return JSON.stringify(JSON.parse(item), null, 2);
  } catch {
    return item;
  }
}
