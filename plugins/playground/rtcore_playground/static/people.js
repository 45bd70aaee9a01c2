/** Who is here: the members of a room that have a name, as the server tells of them (plugin `rooms`, "Who is here"). */

import { by, element, say } from "./dom.js";

/** @typedef {{ member: string, name: string }} Person */

/** Faces that are shown; the rest is a number. */
const SHOWN = 8;
/** Colours of faces; chat.css has them. */
const COLOURS = 8;

export class People {
  #list = by("people", HTMLUListElement);
  #count = by("people-count", HTMLElement);
  /** @type {Map<string, string>} names by member */
  #names = new Map();
  #members = 0;
  /** @type {Map<string, number>} colours by member: who came before keeps theirs */
  #colours = new Map();
  /** @type {string | undefined} the member that this page is */
  #me;

  /**
   * The answer to `room:members`.
   *
   * @param {{ member?: string, members: number, who?: Person[] }} answer
   */
  load({ member, members, who = [] }) {
    this.#me = member ?? this.#me;
    this.#names = new Map(who.map(({ member, name }) => [member, name]));
    this.#draw(members);
  }

  /**
   * Somebody has come, or has another name now; return what there is to tell of it.
   *
   * @param {Person & { members: number }} told
   */
  joined({ member, name, members }) {
    const before = this.#names.get(member);
    this.#names.set(member, name);
    this.#draw(members);
    if (before === name || member === this.#me) return "";
    return before ? `**${before}** is **${name}** now` : `**${name}** joined`;
  }

  /**
   * Somebody has left; return what there is to tell of it.
   *
   * @param {{ member: string, members: number }} told
   */
  left({ member, members }) {
    const name = this.#names.get(member);
    this.#names.delete(member);
    this.#draw(members);
    return name ? `**${name}** left` : "";
  }

  /** Nobody knows any more. */
  clear() {
    this.load({ members: 0 });
  }

  /** @param {number} members */
  #draw(members) {
    this.#members = members;
    const me = this.#me;
    const known = [...this.#names].sort(([one], [other]) => Number(other === me) - Number(one === me));
    this.#list.replaceChildren(
      ...known.slice(0, SHOWN).map(([member, name]) => {
        const face = element("span", `face colour-${this.#colour(member)}`, [...name][0]?.toUpperCase() ?? "?");
        face.setAttribute("aria-hidden", "true");
        return element("li", "", face, element("span", "name", member === me ? `${name} (you)` : name));
      }),
    );
    const more = this.#members - Math.min(known.length, SHOWN);
    if (more > 0) this.#list.append(element("li", "more", known.length ? `and ${more} more` : `${more} here`));
    say(this.#count, members === 1 ? "1 person here" : `${members} people here`);
  }

  /** @param {string} member */
  #colour(member) {
    for (const known of this.#colours.keys()) if (!this.#names.has(known)) this.#colours.delete(known);
    const taken = [...this.#colours.values()];
    // The first that nobody has, or the one that the fewest have.
    const times = Array.from({ length: COLOURS }, (_, colour) => taken.filter((one) => one === colour).length);
    const colour = this.#colours.get(member) ?? times.indexOf(Math.min(...times));
    this.#colours.set(member, colour);
    return colour;
  }
}
