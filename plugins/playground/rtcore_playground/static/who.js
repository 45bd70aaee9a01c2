/** Who you are, and in which room: a dialog, what the browser keeps of it, and the token, which nobody keeps. */

import { by } from "./dom.js";

const NAMES = ["Ada", "Grace", "Edsger", "Barbara", "Alan", "Radia"];

export class WhoAndWhere {
  name = remembered("name") ?? /** @type {string} */ (NAMES[Math.floor(Math.random() * NAMES.length)]);
  room = decodeURIComponent(location.hash.slice(1)) || "lobby";
  /** For a server that wants one. In this page's memory only. */
  token = "";
  /** @type {(chosen: { name: string, room: string }) => void} */
  onchosen = () => {};
  #dialog = by("who", HTMLDialogElement);
  #form = by("join", HTMLFormElement);

  constructor() {
    by("change", HTMLButtonElement).addEventListener("click", () => this.ask());
    by("cancel", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#form.addEventListener("submit", () => this.#chosen());
  }

  /** The server takes tokens. */
  withToken() {
    by("token-row", HTMLElement).hidden = false;
  }

  /** @param {{ token?: boolean }} [options] `token`: the server wants one */
  ask({ token = false } = {}) {
    by("name", HTMLInputElement).value = this.name;
    by("room", HTMLInputElement).value = this.room;
    if (token) this.withToken();
    if (!this.#dialog.open) this.#dialog.showModal();
    by(token ? "token" : "name", HTMLInputElement).focus();
  }

  #chosen() {
    this.name = by("name", HTMLInputElement).value.trim() || this.name;
    this.room = by("room", HTMLInputElement).value.trim() || this.room;
    this.token = by("token", HTMLInputElement).value || this.token;
    by("token", HTMLInputElement).value = "";
    remember("name", this.name);
    history.replaceState(null, "", `#${encodeURIComponent(this.room)}`);
    this.onchosen({ name: this.name, room: this.room });
  }
}

/**
 * @param {string} key
 * @returns {string | null}
 */
function remembered(key) {
  try {
    return localStorage.getItem(`rtcore:${key}`);
  } catch {
    return null; // a browser may refuse
  }
}

/**
 * @param {string} key
 * @param {string} value
 */
function remember(key, value) {
  try {
    localStorage.setItem(`rtcore:${key}`, value);
  } catch {
    // Then it is forgotten.
  }
}
