/**
 * Does anything get lost? Numbered messages go to the room and come back from it, so that every page in the room checks
 * both ways, while the page cuts its own connection as often as was asked for.
 */

import { by, say } from "./dom.js";
import { Run, verdict } from "./run.js";

/** @typedef {import("./rtcore-client.js").RealtimeClient} Client */
/** @typedef {import("./run.js").Transport} Transport */
/** @typedef {{ by: string, name: string, run: string, n: number, of: number }} Numbered */

/** The type of the messages. */
export const NUMBER = "playground:number";
/** Milliseconds that a run takes at the least, and for each of its messages: there must be time to cut something. */
const QUICK = { run: 1000, each: 4 };
/** How often it is looked which are due, milliseconds. */
const TICK = 20;
/** Of the rate that the server allows, the rest is for words in between. */
const SHARE = 0.8;
/** Milliseconds that a page may be away before more has come for it than the server keeps. */
const AWAY = 3000;

export class Proof {
  #form = by("proof-form", HTMLFormElement);
  #button = by("burst", HTMLButtonElement);
  #place = by("verdict", HTMLElement);
  /** @type {Map<string, Run>} */
  #runs = new Map();
  /** The page was told of messages that will not come, and none has come since. */
  #hole = false;

  /**
   * @param {object} page
   * @param {Client} page.client
   * @param {() => { by: string, name: string }} page.me
   * @param {() => string} page.room
   * @param {() => Record<string, number>} page.limits what the server's welcome says
   * @param {() => void} page.cut the connection
   * @param {(run: Run, author: { by: string, name: string, mine: boolean }) => void} page.show a run that begins
   */
  constructor(page) {
    this.page = page;
    this.#form.addEventListener("input", () => this.#label());
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    this.#label();
  }

  /**
   * A number has come from the room.
   *
   * @param {Numbered} number
   * @param {Transport} transport what carried it
   */
  take({ by, name, run, n, of }, transport) {
    if (!this.#runs.has(run)) {
      // Whoever comes later cannot know of the numbers before; whoever was told of a hole knows that they are in it.
      const begun = new Run(of, this.#hole ? 1 : n);
      begun.told = this.#hole;
      this.#begin(run, begun, { by, name, mine: false });
    }
    this.#hole = false;
    this.#runs.get(run)?.take(n, transport);
    this.#judge();
  }

  /** The session could not hold all that came, or is gone; the page was told so. */
  told() {
    this.#hole = true;
    for (const run of this.#runs.values()) if (!run.ended) run.told = true;
    this.#judge();
  }

  /** Another room: what was here is not to be judged there. */
  clear() {
    this.#runs.clear();
    this.#hole = false;
    this.#judge();
  }

  /** What the server allows has become known, or is another. */
  paced() {
    this.#label();
  }

  get #wish() {
    const wish = new FormData(this.#form);
    return { of: Number(wish.get("count")), cuts: Number(wish.get("cuts")) };
  }

  /**
   * Milliseconds from one number to the next.
   *
   * @param {number} of so many
   */
  #spacing(of) {
    const { rate_per_second: rate = Number.POSITIVE_INFINITY, window = 100 } = this.page.limits();
    return Math.max(QUICK.run / of + QUICK.each, 1000 / (rate * SHARE), AWAY / window);
  }

  #label() {
    const { of } = this.#wish;
    const seconds = Math.round((of * this.#spacing(of)) / 1000);
    say(this.#button, `Send ${of.toLocaleString("en")} numbered messages`);
    const lasts = seconds > 90 ? `${Math.round(seconds / 60)} minutes` : `${Math.max(1, seconds)} s`;
    say(by("lasts", HTMLElement), `About ${lasts} at the rate that this server allows.`);
  }

  #send() {
    const { of, cuts } = this.#wish;
    const { client, me, cut } = this.page;
    const run = crypto.getRandomValues(new Uint32Array(2)).join("-");
    const room = this.page.room();
    const { by, name } = me();
    this.#begin(run, new Run(of), { by, name, mine: true });
    const spacing = this.#spacing(of);
    const burst = this.page.limits().burst ?? of;
    let due = 1; // so many numbers should have been sent by now
    let n = 0;
    let done = 0;
    let looked = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      due += (now - looked) / spacing;
      looked = now;
      // What is sent without a connection leaves all at once when there is one again, and a hidden page's timers are slow:
      // it must not be more than the server takes at once.
      const { queued } = client.getConnectionInfo().counters;
      due = Math.min(due, of, n + Math.max(0, burst / 2 - queued));
      while (n < Math.floor(due)) {
        n += 1;
        // What becomes of each is what this is about; a failure is an event of the client's, too.
        client.sendToRoom(room, NUMBER, { n, of, name, by, run }).catch(() => {});
      }
      // What is not connected cannot be cut: then it is for the next time.
      if (done < cuts && n >= ((done + 1) * of) / (cuts + 1) && client.isConnected) {
        done += 1;
        cut();
      }
      if (n === of) clearInterval(timer);
    }, TICK);
  }

  /**
   * @param {string} id
   * @param {Run} run
   * @param {{ by: string, name: string, mine: boolean }} author
   */
  #begin(id, run, author) {
    this.#runs.set(id, run);
    this.page.show(run, author);
    this.#judge();
  }

  #judge() {
    const [kind, head, more] = verdict([...this.#runs.values()]);
    this.#place.dataset.verdict = kind;
    say(by("verdict-head", HTMLElement), head);
    say(by("verdict-more", HTMLElement), more);
  }
}
