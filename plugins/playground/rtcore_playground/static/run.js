// A run of numbered messages and its check: what is missing, what came twice, what came out of order.

const NAMES = { websocket: "WebSocket", sse: "SSE", polling: "polling" };

export class Run {
  repeated = 0;
  disordered = 0;
  #seen = new Set();
  #last = 0;
  #by = { websocket: 0, sse: 0, polling: 0 };

  // `first`: the first number that this page can have seen; one that joined later cannot know of those before.
  constructor(of, first = 1) {
    Object.assign(this, { of, first });
    this.element = document.createElement("div");
    this.element.className = "run";
    this.element.setAttribute("aria-live", "off");
    this.cells = Array.from({ length: of }, () => document.createElement("i"));
    this.title = document.createElement("b");
    this.count = document.createElement("span");
    const head = document.createElement("p");
    head.append(this.title, this.count);
    const grid = document.createElement("div");
    grid.className = "cells";
    grid.setAttribute("aria-hidden", "true");
    grid.append(...this.cells);
    this.legend = document.createElement("p");
    this.legend.className = "legend";
    this.element.append(head, grid, this.legend);
    this.title.textContent = `${of} numbered messages`;
    this.#show();
  }

  get expected() {
    return this.of - this.first + 1;
  }

  get arrived() {
    return this.#seen.size;
  }

  // Numbers that were passed by, and cannot come any more: order is part of the promise.
  get missing() {
    return Math.max(0, this.#last - this.first + 1 - this.#seen.size);
  }

  get whole() {
    return this.arrived === this.expected && this.sound;
  }

  get sound() {
    return !this.missing && !this.repeated && !this.disordered;
  }

  // Number `n` has arrived by a transport.
  take(n, transport) {
    if (this.#seen.has(n)) this.repeated += 1;
    else if (n < this.#last) this.disordered += 1;
    this.#seen.add(n);
    this.#last = Math.max(this.#last, n);
    this.#by[transport] += 1;
    this.cells[n - 1]?.classList.add(transport);
    this.#show();
  }

  #show() {
    this.count.textContent = `${this.arrived} of ${this.expected}`;
    const used = Object.entries(this.#by).filter(([, n]) => n);
    this.legend.replaceChildren(
      ...used.map(([transport, n]) => {
        const cell = document.createElement("i");
        cell.className = transport;
        const entry = document.createElement("span");
        entry.append(cell, `${n} over ${NAMES[transport]}`);
        return entry;
      }),
    );
    if (!used.length) this.legend.textContent = "on their way";
  }
}

// What is to be said of all runs that this page has seen: of what kind it is, in a word, in a sentence.
export function verdict(runs) {
  if (!runs.length) return ["", "Nothing sent yet", "There is nothing to check."];
  const sum = (key) => runs.reduce((total, run) => total + run[key], 0);
  if (!runs.every((run) => run.sound)) {
    const faults = `${sum("missing")} missing, ${sum("repeated")} twice, ${sum("disordered")} out of order`;
    return ["broken", "Something went wrong", faults];
  }
  if (!runs.every((run) => run.whole)) return ["running", "On their way", "Switch or cut the connection now."];
  return ["whole", "Nothing lost", `${sum("arrived")} of ${sum("expected")} arrived, in order, none twice.`];
}
