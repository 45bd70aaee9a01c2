/** The page's elements: found by id or made. Text is only ever set as text. */

/**
 * Return the element with this id.
 *
 * @template {HTMLElement} E
 * @param {string} id
 * @param {new () => E} type what it must be
 * @returns {E}
 */
export function by(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`#${id}: expected ${type.name}, found ${found}`);
  return found;
}

/**
 * Make an element.
 *
 * @template {keyof HTMLElementTagNameMap} N
 * @param {N} name
 * @param {string} [className]
 * @param {...(string | Node)} children
 * @returns {HTMLElementTagNameMap[N]}
 */
export function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * Return a text as nodes, what is between **asterisks** in bold.
 *
 * @param {string} text
 * @returns {(string | Node)[]}
 */
export function rich(text) {
  return text.split("**").map((part, i) => (i % 2 ? element("b", "", part) : part));
}

/**
 * Set an element's text if it is another one: what is live is read out with every change.
 *
 * @param {Element} place
 * @param {string} text
 */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

const LARGE = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

/**
 * Return a size as people read it.
 *
 * @param {number} bytes
 * @returns {string}
 */
export function sized(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${LARGE.format(bytes / 1000)} kB` : `${LARGE.format(bytes / 1e6)} MB`;
}

/**
 * Return a duration as people read it.
 *
 * @param {number} ms
 * @returns {string}
 */
export function timed(ms) {
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
