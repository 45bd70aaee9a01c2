/** The chat's log: messages grouped by who wrote them, runs of numbers, notes. Text is only ever set as text. */

import { element, rich } from "./dom.js";
import { Tail } from "./tail.js";

/** Entries that are kept. */
const KEEP = 300;
const MINUTES = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** @typedef {{ by: string, name: string, mine?: boolean }} Author */

export class Log {
  /** @type {string | undefined} of the last entry, for grouping */
  #author;
  /** @type {HTMLLIElement | undefined} the note on the connection that is the last entry */
  #last;
  #tail;

  /** @param {HTMLElement} place that scrolls; its list is in it */
  constructor(place) {
    this.list = /** @type {HTMLOListElement} */ (place.firstElementChild);
    this.#tail = new Tail(place);
  }

  /**
   * Add a message; return its element.
   *
   * @param {Author & { text: string }} message
   */
  message({ text, ...author }) {
    return this.entry(element("p", "bubble", text), author);
  }

  /**
   * Add something that somebody has sent; return its element.
   *
   * @param {HTMLElement} content
   * @param {Author} author
   */
  entry(content, { by, name, mine = false }) {
    const who = element("p", "by", element("b", "", mine ? "You" : name), ` ${MINUTES.format(new Date())}`);
    const item = element("li", mine ? "mine" : "", who, content);
    if (this.#author === by) item.classList.add("more");
    this.#add(item);
    this.#author = by;
    return item;
  }

  /**
   * Add a note on what happened in the room or to it. Parts in **asterisks** are bold.
   *
   * @param {string} text
   * @param {{ bad?: boolean }} [options]
   */
  note(text, { bad = false } = {}) {
    const item = element("li", bad ? "note bad" : "note", ...rich(text));
    this.#add(item);
    return item;
  }

  /**
   * A note on the connection. It takes the place of the last one, if nothing has come since: a connection that is cut
   * twenty times has one line to say so, and a screen reader reads the first only.
   *
   * @param {string} text
   */
  connection(text) {
    if (this.#last) this.#last.replaceChildren(...rich(text));
    else this.#last = this.note(text);
  }

  clear() {
    this.list.replaceChildren();
    this.#author = this.#last = undefined;
  }

  /** @param {HTMLLIElement} item */
  #add(item) {
    const { list } = this;
    list.append(item);
    while (list.children.length > KEEP) list.firstElementChild?.remove();
    this.#tail.grown();
    this.#author = this.#last = undefined;
  }
}
