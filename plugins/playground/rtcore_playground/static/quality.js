// How good the connection is: round trips and losses, judged as the Python client's ConnectionQualityDetector does.

const SAMPLES = 20; // how many of the last heartbeats count
const LEVELS = [ // quality, median round trip in ms at most, share of lost heartbeats at most; the best first
  ["excellent", 100, 0],
  ["good", 300, 0.05],
  ["fair", 1000, 0.15],
];

export class Quality {
  #last = []; // ms, or null for a heartbeat that was lost

  record(ms) {
    this.#last = [...this.#last, ms].slice(-SAMPLES);
  }

  reset() {
    this.#last = [];
  }

  get level() {
    if (!this.#last.length) return "good";
    const known = this.#last.filter((ms) => ms !== null).sort((a, b) => a - b);
    const median = known[Math.floor(known.length / 2)] ?? Infinity;
    const loss = 1 - known.length / this.#last.length;
    return LEVELS.find(([, slowest, lossiest]) => median <= slowest && loss <= lossiest)?.[0] ?? "poor";
  }
}
