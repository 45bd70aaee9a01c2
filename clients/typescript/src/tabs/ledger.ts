/**
 * The ledger: what every tab knows, so that each of them can lead. The leader writes, the others write it down.
 *
 * Rule: what a leader does is in the ledger of every tab before the server hears of it: the number of a hello, the secret
 * that it shows, the place of a message. So a tab that takes over, wherever the other one stopped, says nothing to the
 * server that contradicts what was said before, and sends again exactly what has not arrived.
 */

import type { Facts, Place, Snapshot } from "./posts.js";

/** Of one tab. */
export class Ledger {
  facts: Facts = {
    term: 0,
    life: 0,
    attach: 0,
    from: 0,
    gate: 0,
    up: false,
    status: { state: "connecting" },
    samples: [],
    members: {},
  };
  seq = 0;
  /** Messages of tabs that are not confirmed, the oldest first; those without a place wait for what is before them. */
  places: Place[] = [];
  /** Places that the server has confirmed. */
  confirmed = 0;
  /** Messages of each tab that are done with. */
  done: Record<string, number> = {};

  /** Places, ever. */
  get sent(): number {
    return this.places.reduce((n, { data }) => n + (data === undefined ? 0 : 1), this.confirmed);
  }

  /** Return how many messages of a tab have a place, or are done with. */
  taken(tab: string): number {
    const last = this.places.findLast((place) => place.tab === tab);
    return last ? last.at + 1 : (this.done[tab] ?? 0);
  }

  /** Return everything, for another tab. `count`: messages that were received. */
  snapshot(count: number): Snapshot {
    const { facts, seq, places, confirmed, done } = this;
    return { ...facts, seq, count, window: [...places], confirmed, done: { ...done } };
  }

  /** Take all of what another tab knew. */
  restore({ seq, count: _, window, confirmed, done, ...facts }: Snapshot): void {
    Object.assign(this, { facts, seq, places: [...window], confirmed, done: { ...done } });
  }

  /** Some of it has changed. With another life of the counts all messages begin anew. */
  patch(facts: Partial<Facts>): void {
    if (facts.life !== undefined && facts.life !== this.facts.life) {
      this.places = [];
      this.confirmed = 0;
      this.done = {};
    }
    Object.assign(this.facts, facts);
  }

  /** These messages follow. Return the tabs of which more are done with now. */
  place(places: readonly Place[]): Set<string> {
    this.places.push(...places);
    return this.confirm(this.confirmed);
  }

  /** The server has so many. Return the tabs of which more are done with now. */
  confirm(n: number): Set<string> {
    const tabs = new Set<string>();
    for (let head = this.places[0]; head && (head.data === undefined || this.confirmed < n); head = this.places[0]) {
      this.places.shift();
      if (head.data !== undefined) this.confirmed++;
      this.done[head.tab] = head.at + 1;
      tabs.add(head.tab);
    }
    return tabs;
  }
}
