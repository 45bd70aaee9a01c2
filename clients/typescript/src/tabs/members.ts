/**
 * The members: which tabs there are, as their leader knows it, and who of them is in which room.
 *
 * Rule: the session is in a room as long as any tab is. A tab is there until it says that it is gone, or its lock is free: a
 * page that is killed says nothing, and its lock goes with it. One that is away keeps its rooms as long as a session waits.
 */

import { later, type Timer } from "../core.js";
import type { Gate } from "./gate.js";
import { holders, Lock } from "./platform.js";
import type { Port } from "./port.js";
import type { Member, Said } from "./posts.js";

/** Milliseconds between the end of a tab's lock and of what it said before that. */
const LAST = 100;
/** Seconds for which a session waits, where no server has said. */
const TTL = 120;

/** The tabs of a hub. */
export class Members {
  private readonly _watched = new Map<string, Lock>();
  private readonly _expected = new Map<string, Timer>();

  /** @param _leave called with a room that no tab is in any more. */
  constructor(
    private readonly _port: Port,
    private readonly _gate: Gate,
    private readonly _leave: (room: string) => void,
  ) {}

  private get _all(): Readonly<Record<string, Member>> {
    return this._port.ledger.facts.members;
  }

  /** There are others, and not all of them are away. */
  get hasOthers(): boolean {
    const { tab } = this._port;
    return Object.entries(this._all).some(([other, { away }]) => other !== tab && !away);
  }

  /** Take over those that the last leader knew. */
  begin(): void {
    const { tab, memberships, ledger } = this._port;
    for (const [other, { away }] of Object.entries(this._all)) {
      if (other === tab) continue;
      if (away) this._expect(other);
      else this._join(other, ledger.facts.gate);
    }
    const { rooms, watched } = memberships;
    ledger.patch({ members: { ...this._all, [tab]: { rooms, watched: [...watched], away: false } } });
  }

  /** This tab leads no more. */
  end(): void {
    for (const lock of this._watched.values()) lock.release();
    for (const timer of this._expected.values()) clearTimeout(timer);
  }

  /** A tab is here. */
  came(tab: string, { rooms, watched, life, got, synced }: Said & { kind: "hello" }): void {
    const { _port: port } = this;
    const { ledger, ring } = port;
    if (tab === port.tab) return;
    const isSame = life === ledger.facts.life;
    const kept = rooms.every((room) => this._isHeld(room));
    clearTimeout(this._expected.get(tab));
    this._expected.delete(tab);
    const last = Math.max(port.reached, this._gate.count);
    this._join(tab, isSame ? got : last);
    ledger.patch({ members: { ...this._all, [tab]: { rooms, watched, away: false } } });
    // What a leader has not got yet it will give to all.
    const { lost, batches } = isSame ? ring.since(got, this._gate.count) : { lost: 0, batches: [] };
    // It may be the next leader, and then it gives others what they have missed.
    const { lowest, count } = this._gate;
    const isAway = Object.values(this._all).some(({ away }) => away);
    const past = isSame ? [] : isAway ? ring.all : ring.since(lowest, count).batches;
    const state = ledger.snapshot(last);
    if (!synced) port.order({ kind: "state", state, kept: kept && !lost, lost, batches, past }, tab);
    port.order({ kind: "patch", facts: { members: this._all } });
  }

  /** A tab is gone, or away with its rooms. */
  left(tab: string, away?: Pick<Member, "rooms" | "watched">): void {
    this._watched.get(tab)?.release();
    this._watched.delete(tab);
    this._gate.leave(tab);
    if (away) this._expect(tab);
    this.set(tab, away, !!away);
  }

  /** A tab is in other rooms than before. */
  set(tab: string, member: Pick<Member, "rooms" | "watched"> | undefined, away = false): void {
    const before = this._all[tab]?.rooms ?? [];
    this._put(tab, member && { rooms: member.rooms, watched: member.watched, away });
    for (const room of before) if (!this._isHeld(room)) this._leave(room);
  }

  /** A tab asks to be let into a room. */
  joins(tab: string, room: string): void {
    const { rooms, watched } = this._of(tab);
    if (!rooms.includes(room)) this._put(tab, { rooms: [...rooms, room], watched, away: false });
  }

  /** A tab leaves a room. True if another one stays. */
  leaves(tab: string, room: string): boolean {
    const { rooms, watched } = this._of(tab);
    const but = (names: string[]) => names.filter((name) => name !== room);
    this._put(tab, { rooms: but(rooms), watched: but(watched), away: false });
    return this._isHeld(room);
  }

  /** A tab wants to be told of comings and goings, or no longer. True if it does not, and another one does. */
  watches(tab: string, room: string, on: boolean): boolean {
    const { rooms, watched } = this._of(tab);
    const but = watched.filter((name) => name !== room);
    this._put(tab, { rooms, watched: on ? [...but, room] : but, away: false });
    return !on && Object.values(this._all).some((member) => member.watched.includes(room));
  }

  private _of(tab: string): Member {
    return this._all[tab] ?? { rooms: [], watched: [], away: false };
  }

  private _isHeld(room: string): boolean {
    return Object.values(this._all).some(({ rooms }) => rooms.includes(room));
  }

  private _put(tab: string, member: Member | undefined): void {
    const { [tab]: _, ...others } = this._all;
    const members = member ? { ...others, [tab]: member } : others;
    this._port.order({ kind: "patch", facts: { members } });
  }

  private _join(tab: string, got: number): void {
    this._gate.join(tab, got);
    if (!this._watched.has(tab)) this._watch(tab);
  }

  /** Hear when a tab's lock is free. */
  private _watch(tab: string): void {
    const { platform, group } = this._port;
    const name = `${group}:${tab}`;
    const lock: Lock = new Lock(platform, name, () => {
      lock.release();
      later(LAST, () => void look());
    });
    const look = async () => {
      // It may have waited for its lock behind us.
      const isThere = (await holders(platform)).has(name);
      if (this._watched.get(tab) !== lock) return;
      if (isThere) this._watch(tab);
      else this.left(tab);
    };
    this._watched.set(tab, lock);
  }

  /** Wait for a tab that is away. */
  private _expect(tab: string): void {
    const { ttl = TTL } = this._port.ledger.facts.welcome ?? {};
    clearTimeout(this._expected.get(tab));
    this._expected.set(
      tab,
      later(ttl * 1000, () => this.set(tab, undefined)),
    );
  }
}
