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
        const face = element("span", `face colour-${colour(member)}`, [...name][0]?.toUpperCase() ?? "?");
        face.setAttribute("aria-hidden", "true");
        return element("li", "", face, element("span", "name", member === me ? `${name} (you)` : name));
      }),
    );
    const more = this.#members - Math.min(known.length, SHOWN);
    if (more > 0) this.#list.append(element("li", "more", known.length ? `and ${more} more` : `${more} here`));
    say(this.#count, members === 1 ? "1 person here" : `${members} people here`);
  }
}

/** @param {string} member */
export function colour(member) {
  // FNV-1a: names that differ in one letter must not have one colour.
  let hash = 0x811c9dc5;
  for (const letter of member) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
  return (hash >>> 16) % COLOURS;
}
