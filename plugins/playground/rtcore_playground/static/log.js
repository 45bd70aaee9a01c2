// The chat's log: messages grouped by who wrote them, notes, runs. Text is only ever set as text.

const KEEP = 300; // entries
const MINUTES = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export class Log {
  #author = null; // of the last entry, for grouping

  constructor(list) {
    this.list = list;
  }

  // A message of somebody's; returns its element. `mine`: on the right, and pale until it has arrived.
  message({ by, name, text, mine }) {
    const bubble = element("p", "bubble", text);
    return this.#entry(bubble, { by, name, mine });
  }

  // A run of numbered messages.
  run({ by, name, mine, run }) {
    return this.#entry(run.element, { by, name, mine });
  }

  // What happened to the connection or in the room. Parts in **asterisks** are bold.
  note(text, { bad = false } = {}) {
    const item = element("li", bad ? "note bad" : "note");
    text.split("**").forEach((part, i) => item.append(i % 2 ? element("b", "", part) : part));
    this.#author = null;
    this.#add(item);
  }

  clear() {
    this.list.replaceChildren();
    this.#author = null;
  }

  #entry(content, { by, name, mine }) {
    const item = element("li", mine ? "mine" : "");
    if (this.#author === by) item.classList.add("more");
    this.#author = by;
    const head = element("p", "by");
    head.append(element("b", "", mine ? "You" : name), ` ${MINUTES.format(new Date())}`);
    item.append(head, content);
    this.#add(item);
    return item;
  }

  #add(item) {
    const { list } = this;
    const following = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    list.append(item);
    while (list.children.length > KEEP) list.firstElementChild.remove();
    if (following) list.scrollTop = list.scrollHeight;
  }
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
