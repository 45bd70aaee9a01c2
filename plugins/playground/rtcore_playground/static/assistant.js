/**
 * The assistant: a question, and an answer that streams. Shown where the server handles `chat:message`.
 *
 *     chat:message {conversationId, content, stream}  ─▶
 *     ◀─ stream:start   ◀─ stream:data {content}, again and again   ◀─ stream:end   ◀─ chat:response
 *
 * A text is taken from `delta`, `content` or `text`, whichever there is. What belongs to another conversation is left alone.
 * The reply to the request may come at once or at the end; to give the request up is to stop the answer.
 */

import { reason } from "./chat.js";
import { by, element, say } from "./dom.js";
import { Tail } from "./tail.js";

/** @typedef {import("./rtcore-client.js").RealtimeClient} Client */

/** Milliseconds that an answer may take. */
const PATIENCE = 600_000;
/** Turns that are kept on the page. */
const KEEP = 100;

/**
 * An answer that is on its way.
 *
 * @typedef {object} Answer
 * @property {HTMLElement} place
 * @property {HTMLElement} facts
 * @property {number} asked
 * @property {number | undefined} first when its first piece came
 * @property {number} pieces
 * @property {AbortController} stop
 */

export class Assistant {
  #section = by("assistant", HTMLElement);
  #turns = by("turns", HTMLOListElement);
  #text = by("question", HTMLInputElement);
  #ask = by("ask", HTMLButtonElement);
  #stop = by("stop", HTMLButtonElement);
  #conversation = crypto.getRandomValues(new Uint32Array(2)).join("-");
  /** @type {Answer | undefined} */
  #answer;
  #tail = new Tail(this.#turns);

  /**
   * @param {Client} client
   * @param {() => string} trace a new `traceparent` for each question
   */
  constructor(client, trace) {
    this.client = client;
    this.trace = trace;
    by("ask-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#stop.addEventListener("click", () => this.#answer?.stop.abort());
    this.#section.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#answer?.stop.abort();
    });
    client.subscribe("stream:data", ({ payload }) => this.#piece(payload));
    client.subscribe("stream:end", ({ payload }) => this.#mine(payload) && this.#end(""));
    client.subscribe("tool:result", ({ payload }) => this.#tool(payload));
    client.subscribe("chat:response", ({ payload }) => this.#whole(payload));
  }

  /** Show it: the server has one. */
  show() {
    this.#section.hidden = false;
    document.body.dataset.assistant = "";
    by("view-assistant", HTMLButtonElement).hidden = false;
  }

  async #send() {
    const content = this.#text.value.trim();
    if (!content || this.#answer) return;
    this.#text.value = "";
    this.#turn("mine", element("p", "bubble", content));
    const place = element("p", "bubble answer");
    place.setAttribute("aria-busy", "true");
    const facts = element("p", "answer-facts", "thinking");
    this.#turn("", place, facts);
    const stop = new AbortController();
    const answer = { place, facts, asked: performance.now(), first: undefined, pieces: 0, stop };
    this.#answer = answer;
    this.#working(true);
    stop.signal.addEventListener("abort", () => this.#answer === answer && this.#end("stopped"));
    try {
      const payload = { conversationId: this.#conversation, content, stream: true };
      const options = { signal: stop.signal, timeout: PATIENCE, trace: this.trace() };
      const reply = await this.client.request("chat:message", payload, options);
      // The answer itself, if nothing was streamed; else only that it was taken.
      if (this.#answer === answer && textOf(reply)) this.#whole(reply);
    } catch (error) {
      if (this.#answer === answer) this.#end(`failed: ${reason(error)}`);
    }
  }

  /** @param {any} payload */
  #mine(payload) {
    const conversation = payload?.conversationId ?? payload?.conversation_id ?? this.#conversation;
    return this.#answer !== undefined && conversation === this.#conversation;
  }

  /** @param {any} payload */
  #piece(payload) {
    if (!this.#answer || !this.#mine(payload)) return;
    const answer = this.#answer;
    answer.first ??= performance.now();
    answer.pieces += 1;
    answer.place.append(textOf(payload));
    this.#tail.grown();
  }

  /** @param {any} payload the answer in one piece: the truth, also after all its pieces */
  #whole(payload) {
    if (!this.#answer || !this.#mine(payload)) return;
    const text = textOf(payload);
    if (text) this.#answer.place.textContent = text;
    this.#end("");
  }

  /** @param {any} payload */
  #tool(payload) {
    if (!this.#mine(payload)) return;
    const said = payload.success === false ? payload.error : payload.result;
    this.#turn(
      "note",
      `${payload.toolName ?? payload.name ?? "A tool"}: ${typeof said === "string" ? said : JSON.stringify(said)}`,
    );
  }

  /** @param {string} how it ended, if not well */
  #end(how) {
    const answer = this.#answer;
    if (!answer) return;
    this.#answer = undefined;
    const { place, facts, asked, first, pieces } = answer;
    place.setAttribute("aria-busy", "false");
    const parts = [how, pieces && `${pieces} pieces`];
    if (first) parts.push(`first after ${Math.round(first - asked)} ms`);
    parts.push(`${((performance.now() - asked) / 1000).toFixed(1)} s`);
    say(facts, parts.filter(Boolean).join(", "));
    if (how) facts.classList.add("bad");
    this.#working(false);
  }

  /** @param {boolean} working */
  #working(working) {
    const focused = document.activeElement === (working ? this.#ask : this.#stop);
    this.#ask.hidden = working;
    this.#stop.hidden = !working;
    // The button that had the focus is gone: the other one stands in its place.
    if (focused) (working ? this.#stop : this.#text).focus();
  }

  /**
   * @param {string} className
   * @param {...(string | Node)} content
   */
  #turn(className, ...content) {
    this.#turns.append(element("li", className, ...content));
    while (this.#turns.children.length > KEEP) this.#turns.firstElementChild?.remove();
    this.#tail.grown();
  }
}

/**
 * Return the text of a piece or of an answer.
 *
 * @param {any} payload
 * @returns {string}
 */
function textOf(payload) {
  const text = typeof payload === "string" ? payload : (payload?.delta ?? payload?.content ?? payload?.text);
  if (typeof text === "string") return text;
  const parts = Array.isArray(payload?.parts) ? payload.parts : [];
  return parts.map((/** @type {any} */ part) => part?.text ?? "").join("");
}
