/**
 * The chat: one room at a time, what is said in it, and who is here.
 *
 * Messages have types of the page's own: `chat:message` is an assistant's, where the server has one.
 */

import { by, say } from "./dom.js";
import { Log } from "./log.js";
import { People } from "./people.js";

/** @typedef {import("./rtcore-client.js").RealtimeClient} Client */

/** The type of what is said. */
export const SAID = "playground:said";
/** Characters of a name; the server takes no more. */
const NAME_MAX = 64;

export class Chat {
  /** This page, whatever sessions it has. */
  id = crypto.getRandomValues(new Uint32Array(2)).join("-");
  name = "";
  room = "";
  log = new Log(by("log", HTMLElement));
  people = new People();
  #text = by("text", HTMLInputElement);
  /** @type {() => void} called when the room is another one */
  onleft = () => {};

  /**
   * @param {Client} client
   * @param {() => string} trace a new `traceparent` for each message
   */
  constructor(client, trace) {
    this.client = client;
    this.trace = trace;
    by("say", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#say();
    });
    client.subscribe(SAID, ({ payload }) => {
      // A room sends to its sender as well.
      if (payload.by !== this.id) this.log.message(payload);
    });
    client.subscribe("room:*", ({ type, room, payload }) => {
      if (room === this.room) this.#heard(type, payload);
    });
  }

  /** Who this page is, in its messages. */
  get me() {
    return { by: this.id, name: this.name };
  }

  /**
   * Go into a room, or be called something else in it.
   *
   * @param {string} room
   * @param {string} name
   */
  async enter(room, name) {
    const left = this.room;
    this.name = name.slice(0, NAME_MAX);
    this.room = room;
    say(by("room-name", HTMLElement), room);
    say(by("me", HTMLElement), this.name);
    document.title = `#${room} – rtcore playground`;
    if (left && left !== room) {
      this.client.leaveRoom(left).catch(() => {});
      this.log.clear();
      this.people.clear();
      this.onleft();
    }
    try {
      await this.client.joinRoom(room, { name: this.name });
      if (left !== room)
        this.log.note(`You are in **#${room}**. Whoever opens this page is here, too: try a second window`);
      await this.look();
    } catch (error) {
      this.log.note(`You could not join **#${room}**: ${reason(error)}`, { bad: true });
    }
  }

  /** Ask who is here, and be told of changes from then on. Again after whatever may have made one miss some. */
  async look() {
    const { room } = this;
    try {
      const answer = await this.client.request("room:members", { room, watch: true });
      if (room === this.room) this.people.load(/** @type {any} */ (answer));
    } catch (error) {
      // Without the right to know, or by a server of before, one chats all the same.
      console.info("who is here is not known:", reason(error));
    }
  }

  /**
   * @param {string} type
   * @param {any} told
   */
  #heard(type, told) {
    let note = "";
    if (type === "room:joined") note = this.people.joined(told);
    else if (type === "room:left") note = this.people.left(told);
    else if (type === "room:crowded" && told.crowded) this.people.load(told);
    else if (type === "room:crowded") this.look();
    if (note) this.log.note(note);
  }

  async #say() {
    const text = this.#text.value.trim();
    if (!text || !this.room) return;
    this.#text.value = "";
    const item = this.log.message({ ...this.me, text, mine: true });
    item.classList.add("waiting");
    try {
      // A request, so that its reply says that the room has it.
      await this.client.request(SAID, { text, ...this.me }, { room: this.room, trace: this.trace(), timeout: 120_000 });
      item.classList.remove("waiting");
    } catch (error) {
      item.classList.add("failed");
      this.log.note(`Not sent: ${reason(error)}`, { bad: true });
    }
  }
}

/**
 * Return what an error says to people.
 *
 * @param {unknown} error
 * @returns {string}
 */
export function reason(error) {
  const { reason, code } = /** @type {{ reason?: string, code?: string }} */ (error ?? {});
  return reason ?? code ?? String(error);
}
