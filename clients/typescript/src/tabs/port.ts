/**
 * The port: a tab's end of what it shares with others, whoever leads.
 *
 *     the tab's client ── send ──▶ port ── up ──▶ the leader's hub ──▶ the server
 *                      ◀─ items ──      ◀─ items ─
 *
 * Rule: messages from the server have the numbers that the session's count gives them. A port takes each number once, so
 * that what a new leader is sent again reaches no tab twice; and it says up to where it has come, so that the server keeps
 * what a tab lacks.
 */

import {
  type Codec,
  type Credentials,
  Deferred,
  fromMap,
  type Item,
  later,
  type Message,
  now,
  type Settings,
  type Timer,
  Undecodable,
} from "../core.js";
import type { Hub } from "./hub.js";
import { Ledger } from "./ledger.js";
import { Memberships } from "./memberships.js";
import { type Channel, holders, Lock, type Platform } from "./platform.js";
import type {
  Batch,
  Facts,
  Known,
  Member,
  Ordered,
  OrderedPost,
  Place,
  Said,
  SaidPost,
  Sent,
  Told,
  Wish,
} from "./posts.js";
import { Ring } from "./ring.js";

/** Milliseconds that a leader may be silent when it is asked, and by which a timer may be late and still mean something. */
const SILENCE = 2500;
const LATE = 1000;
/** Milliseconds in which a leader takes what it is given. */
const SOON = 1000;
/** So often in a row, and another tab leads. */
const MISSES = 2;
/** Milliseconds in which what a leader has said arrives. */
const UNDER_WAY = 30;
/** Milliseconds in which every other tab has said what it knows; one that sleeps says nothing. */
const COLLECT = 500;
/** Messages that may be on their way to the leader. */
const AHEAD = 64;

/** A tab's client, as its port knows it. */
export interface Client {
  /** The connection is there, or is another one. `kept`: the session is in the tab's rooms; `lost`: so many are missing. */
  up(kept: boolean, lost: number): void;
  /** There is a leader, who has no connection yet. */
  synced(): void;
  /** The status is another one. */
  changed(): void;
  /** These came, and are for this tab. */
  items(items: Item[]): void;
  /** The server has more of the tab's messages. */
  confirmed(): void;
  /** The leader has taken some. */
  drained(): void;
  samples(): void;
  error(told: Told): void;
  /** This tab leads from now on, or no longer. */
  leads(isLeader: boolean): void;
  /** The session that the page before this one has left. */
  parked(): Credentials | undefined;
}

/** One tab among others. */
export class Port {
  /** Names the tab. */
  readonly tab = name();
  readonly ledger = new Ledger();
  readonly memberships: Memberships;
  readonly ring = new Ring();
  /** This tab leads. */
  hub: Hub | undefined;
  /** Messages of the session's count that this tab has, in which life of the count. */
  got = 0;
  life = 0;
  /** The tab's messages that were given to the leader. */
  sent = 0;
  /** The tab has left for ever. */
  isGone = false;
  private _channel: Channel | undefined;
  private _locks: Lock[] = [];
  private _synced = false;
  private _awaited: number | undefined;
  private _misses = 0;
  private _timer: Timer;
  private _expected: Timer;
  /** Those that have left, and perhaps there was no leader to hear it. */
  private readonly _left = new Map<string, Member | undefined>();
  /** Those that were there when this tab began to lead. */
  private _others: string[] = [];
  private _known: ((from: string, known: Known | undefined) => void) | undefined;
  /** What this tab has missed, until there is a link. */
  private _missed: { lost: number; batches: Batch[]; kept: boolean } | undefined;
  private _flushed: Deferred<void>[] = [];
  private _wishes = new Map<number, (error?: Told) => void>();
  private _number = 0;

  /**
   * @param group names those who share.
   * @param lead makes the hub of a leader.
   */
  constructor(
    readonly platform: Platform,
    readonly group: string,
    readonly settings: Settings,
    readonly codec: Codec,
    readonly client: Client,
    private readonly _lead: (port: Port) => Hub,
  ) {
    this.memberships = new Memberships(() => this._tellRooms());
  }

  // -- here and away ------------------------------------------------------------------------------------------------

  /** The port is open: others hear of this tab. */
  get isOpen(): boolean {
    return !!this._channel;
  }

  /** Be one of the tabs, again if it was before. */
  open(): void {
    if (this._channel) return;
    const { platform, group } = this;
    this._channel = new platform.BroadcastChannel(group);
    this._channel.onmessage = ({ data }) => this._hear(data);
    this._synced = false;
    this.client.leads(false);
    this._locks = [new Lock(platform, `${group}:${this.tab}`)];
    this._queue();
    this.hello();
  }

  /**
   * Be none of them any more; another one leads, if this one did and there is another.
   *
   * @param goodbye what the session says if no other tab is there: `bye` if this one is gone for ever.
   */
  async leave(goodbye?: "bye" | "away"): Promise<void> {
    const isGone = goodbye === "bye";
    this.isGone ||= isGone;
    if (!this._channel) return;
    const { hub, memberships } = this;
    const { rooms, watched } = memberships;
    this._calm();
    if (!hub || hub.hasOthers) this.say(isGone ? { kind: "gone" } : { kind: "away", rooms, watched: [...watched] });
    const done = hub?.end(goodbye);
    this._setHub(undefined);
    this._channel.onmessage = null;
    this._channel.close();
    this._channel = undefined;
    for (const lock of this._locks) lock.release();
    await done;
  }

  /** Messages that this tab has, or will have when there is a link. */
  get reached(): number {
    const { lost = 0, batches = [] } = this._missed ?? {};
    return batches.reduce((_, { first, items }) => first + items.length, this.got + lost);
  }

  // -- to the leader ------------------------------------------------------------------------------------------------

  /** Tell the leader something; nobody hears it if there is none just now. */
  say(said: Said): void {
    const post = { ...said, from: this.tab };
    if (this.hub) this.hub.hear(post);
    else this._channel?.postMessage(post);
  }

  /** Introduce this tab; the leader answers with all that there is to know, if the tab does not know it. */
  hello(): void {
    const { life, got, memberships, _synced: synced } = this;
    const { rooms, watched } = memberships;
    this.say({ kind: "hello", life, got, rooms, watched: [...watched], synced });
    if (!synced) this._await();
  }

  /** Give the leader messages of this tab; `at`: the place of the first in the tab's count. */
  send(items: readonly Place["data"][], at: number): void {
    const sent: Sent[] = [];
    for (const data of items) {
      if (data === undefined) continue;
      sent.push({ tab: this.tab, at: at++, data, ...this._look(data) });
    }
    this.sent = at;
    this.say({ kind: "up", life: this.life, items: sent });
    this._expect();
  }

  /** Messages of this tab that are on their way to the leader. */
  get ahead(): number {
    return this.sent - this.ledger.taken(this.tab);
  }

  /** Nothing more should be sent just now. */
  get busy(): boolean {
    return !this.ledger.facts.up || this.ahead >= AHEAD;
  }

  /** Resolves when all that this tab has sent is on its way to the server. */
  async flushed(): Promise<void> {
    while (this._channel && this.ahead) {
      const flushed = new Deferred<void>();
      this._flushed.push(flushed);
      await flushed.promise;
    }
    await this.hub?.flush();
  }

  /** Want something of the connection. Calls back when it is done, or why it is not. */
  wish(wish: Wish, done: (error?: Told) => void = () => {}): void {
    const number = ++this._number;
    this._wishes.set(number, done);
    this.say({ kind: "wish", wish, number });
    this.probe();
  }

  /** Find out whether the leader lives; one that does not is replaced. */
  probe(): void {
    if (this.hub || this._awaited !== undefined) return;
    this._channel?.postMessage({ kind: "alive", from: this.tab });
    this._await();
  }

  // -- leading ------------------------------------------------------------------------------------------------------

  /** Say something as the leader. */
  order(ordered: Ordered, to?: string): void {
    const { ledger } = this;
    const isForAll = to === undefined;
    if (isForAll) ledger.seq++;
    const post = { ...ordered, term: ledger.facts.term, seq: ledger.seq, to };
    const isOwn = to === this.tab;
    if (isForAll ? this.hub?.hasOthers : !isOwn) this._channel?.postMessage(post);
    if (isForAll || isOwn) this._take(post);
  }

  /** Say that this tab leads: also to those of whom it has not heard. */
  announce(): void {
    const { ledger } = this;
    const state = ledger.snapshot(this.reached);
    this._channel?.postMessage({
      kind: "state",
      state,
      kept: true,
      lost: 0,
      batches: [],
      past: [],
      term: state.term,
      seq: state.seq,
    });
    this.client.synced();
  }

  /** Say whether this tab still holds the leader's lock: it may have slept, and been replaced. */
  async leads(): Promise<boolean> {
    const held = await holders(this.platform);
    const me = held.get(`${this.group}:${this.tab}`);
    return me !== undefined && held.get(this.group) === me;
  }

  /** Lead no longer, and wait for another turn: another tab does. */
  resign(): void {
    const { hub } = this;
    if (!hub) return;
    this._setHub(undefined);
    void hub.end();
    this._locks.pop()?.release();
    this._queue();
    this._synced = false;
    this.hello();
  }

  // -- inside: locks ------------------------------------------------------------------------------------------------

  /** Wait for the leader's lock, or take it away from a leader that is silent. */
  private _queue(steal = false): void {
    const lock: Lock = new Lock(this.platform, this.group, () => this._begin(lock), {
      steal,
      lost: () => {
        if (this._locks[1] !== lock) return;
        if (this.hub) return this.resign();
        this._locks.pop();
        this._queue();
      },
    });
    this._locks[1]?.release();
    this._locks[1] = lock;
  }

  /** The lock is ours: learn what the others know, and lead. */
  private async _begin(lock: Lock): Promise<void> {
    this._calm();
    const { ledger } = this;
    let all: Known[] = [];
    // This tab may sleep meanwhile. Then what it was told is old, and perhaps the lock is another one's.
    for (let at = -LATE; now() - at >= LATE; ) {
      // What the last leader said may still be under way.
      if (ledger.facts.term) await new Promise<void>((done) => later(UNDER_WAY, done));
      all = await this._collect();
      at = now();
      const leads = await this.leads();
      if (!leads || this._locks[1] !== lock || !this._channel) return;
    }
    for (const known of all) {
      const { term, seq } = known.state;
      if (term < ledger.facts.term || (term === ledger.facts.term && seq <= ledger.seq)) continue;
      ledger.restore(known.state);
      if (this.life !== known.state.life) this._stand(known.state.life, known.state.count);
      else this._missed = { ...known, kept: !known.lost };
      for (const batch of known.past) this.ring.add(batch);
    }
    for (const batch of this._missed?.batches ?? []) this.ring.add(batch);
    for (const [other, member] of this._left) {
      if (member) ledger.facts.members[other] = member;
      else delete ledger.facts.members[other];
    }
    this._left.clear();
    for (const other of this._others) ledger.facts.members[other] ??= { rooms: [], watched: [], away: false };
    ledger.patch({ term: Math.floor(ledger.facts.term) + 1 + Math.random(), up: false });
    this._synced = true;
    this._setHub(this._lead(this));
    this.hub?.begin();
  }

  /** Ask every other tab what it knows. */
  private async _collect(): Promise<Known[]> {
    const { platform, group, tab } = this;
    const mine = `${group}:`;
    this._others = [...(await holders(platform)).keys()]
      .filter((name) => name.startsWith(mine) && name !== mine + tab)
      .map((name) => name.slice(mine.length));
    const others = new Set(this._others);
    const found: Known[] = [];
    if (!others.size) return found;
    await new Promise<void>((done) => {
      const timer = later(COLLECT, done);
      this._known = (from, known) => {
        if (known) found.push(known);
        others.delete(from);
        if (others.size) return;
        clearTimeout(timer);
        done();
      };
      this.say({ kind: "collect", life: this.life, got: this.got });
    });
    this._known = undefined;
    return found;
  }

  private _setHub(hub: Hub | undefined): void {
    this.hub = hub;
    this.client.leads(!!hub);
  }

  // -- inside: silence ----------------------------------------------------------------------------------------------

  /** The leader gives a place at once to what was sent, or is asked whether it lives. */
  private _expect(): void {
    if (!this.ahead || this.hub) return;
    this._expected ??= later(SOON, () => {
      this._expected = undefined;
      if (!this.ahead || !this._channel) return;
      this.probe();
      this._expect();
    });
  }

  /** A leader that lives is heard of now. */
  private _await(): void {
    clearTimeout(this._timer);
    const at = (this._awaited = now());
    this._timer = later(SILENCE, () => {
      this._awaited = undefined;
      if (!this._channel || this.hub) return;
      // A timer that comes late proves nothing: this tab may have slept.
      if (now() - at <= SILENCE + LATE && ++this._misses >= MISSES) {
        this._misses = 0;
        this._queue(true);
      } else if (this._synced) this.probe();
      else this.hello();
    });
  }

  /** The leader lives, or there is another one. */
  private _calm(): void {
    clearTimeout(this._timer);
    this._awaited = undefined;
    this._misses = 0;
  }

  // -- inside: what comes -------------------------------------------------------------------------------------------

  private _hear(post: SaidPost | OrderedPost): void {
    if ("to" in post && post.to !== undefined && post.to !== this.tab) return;
    if ("term" in post) this._obey(post);
    else if (post.kind === "known") this._known?.(post.from, post.known);
    else if (post.kind === "collect") {
      const { from, life, got } = post;
      const missed =
        life === this.life
          ? { ...this.ring.since(got, this.got), past: [] }
          : { lost: 0, batches: [], past: this.ring.all };
      const known = this._synced ? { state: this.ledger.snapshot(this.got), ...missed } : undefined;
      this._channel?.postMessage({ kind: "known", from: this.tab, to: from, known });
    } else if (this.hub) this.hub.hear(post);
    else if (post.kind === "away") this._left.set(post.from, { ...post, away: true });
    else if (post.kind === "gone") this._left.set(post.from, undefined);
    else if (post.kind === "hello") this._left.delete(post.from);
  }

  /** A leader speaks: this one, the next, or one that has not noticed yet that it leads no more. */
  private _obey(post: OrderedPost): void {
    const { ledger } = this;
    const { term } = ledger.facts;
    if (post.term < term) return;
    const isAnswered = post.kind === "state" || this._synced || this._awaited === undefined;
    if (isAnswered) this._calm();
    if (post.term > term) this.resign();
    // Who has missed something while there was no leader asks for it.
    if (post.kind === "state" && (this._synced || post.to !== undefined)) return this._take(post);
    const isNext = post.to !== undefined || post.seq === ledger.seq + 1;
    if (post.term === term && this._synced && isNext) {
      if (post.to === undefined) ledger.seq++;
      return this._take(post);
    }
    // This tab does not know the leader yet, or has not heard all of what it said.
    this._synced = false;
    if (isAnswered) this.hello();
  }

  private _take(post: OrderedPost): void {
    const { ledger, client } = this;
    switch (post.kind) {
      case "state":
        return this._sync(post);
      case "patch":
        return this._patch(post.facts);
      case "items":
        return this._items(post.batch);
      case "placed":
        this._confirmed(ledger.place(post.places));
        if (post.places.some(({ tab }) => tab === this.tab)) this._drained();
        return undefined;
      case "confirmed":
        return this._confirmed(ledger.confirm(post.n));
      case "answer":
        return client.items(post.items.map(fromMap));
      case "ask":
        return this.say({ kind: "got", n: this.got });
      case "error":
        return client.error(post.error);
      case "granted":
        this._wishes.get(post.number)?.(post.error);
        this._wishes.delete(post.number);
    }
    return undefined;
  }

  /** Take over what a leader knows: it is new, or this tab is. */
  private _sync({ state, kept, lost, batches, past, to }: OrderedPost & { kind: "state" }): void {
    const { ledger, client } = this;
    ledger.restore(state);
    this._synced = true;
    if (this.life !== state.life) this._stand(state.life, state.count);
    else if (lost && state.up) this._stand(state.life, this.got + lost);
    for (const batch of past) this.ring.add(batch);
    if (to === undefined) this.hello();
    client.samples();
    if (to === undefined) return client.synced();
    if (!state.up) {
      // There is no link yet that could bring it.
      this._missed = { lost, batches, kept };
      return client.synced();
    }
    this._missed = undefined;
    client.up(kept, lost);
    for (const batch of batches) this._items(batch);
  }

  /** Everything up to here is known, or is not for this tab. */
  private _stand(life: number, got: number): void {
    if (this.life !== life) {
      this.sent = 0;
      this.memberships.forgetAsked();
    }
    this.life = life;
    this.got = got;
    this.ring.clear();
  }

  private _patch(facts: Partial<Facts>): void {
    this.ledger.patch(facts);
    if (facts.samples) this.client.samples();
    if (facts.up) this._up();
    else if (facts.status) this.client.changed();
  }

  /** The leader was welcomed. */
  private _up(): void {
    const { _missed: missed, ledger, reached } = this;
    const { life, from, welcome } = ledger.facts;
    this._missed = undefined;
    const isSame = this.life === life;
    const lost = Math.max(0, from - (isSame ? reached : 0)) + (isSame && missed ? missed.lost : 0);
    if (!isSame || (lost && !missed)) this._stand(life, from);
    this.client.up(!!welcome?.rooms && (missed?.kept ?? true), lost);
    if (isSame) for (const batch of missed?.batches ?? []) this._items(batch);
  }

  private _items(batch: Batch): void {
    const { first, items } = batch;
    this.ring.add(batch);
    const mine: Item[] = [];
    items.forEach(({ to, item }, n) => {
      if (first + n < this.got) return;
      this.got = first + n + 1;
      if (to !== undefined && to !== this.tab) return;
      if (typeof item === "string") mine.push(new Undecodable(item));
      else mine.push(...this._for(fromMap(item)));
    });
    if (mine.length) this.client.items(mine);
  }

  private _for(item: Message | Undecodable): Item[] {
    if (item instanceof Undecodable) return [item];
    const { members } = this.ledger.facts;
    return this.memberships.comes(item, (room) => Object.values(members).some(({ rooms }) => rooms.includes(room)));
  }

  private _drained(): void {
    this.client.drained();
    for (const flushed of this._flushed.splice(0)) flushed.resolve();
  }

  private _confirmed(tabs: Set<string>): void {
    if (tabs.has(this.tab)) this.client.confirmed();
  }

  private _look(data: NonNullable<Place["data"]>): Partial<Sent> {
    // Most messages are none of these, and are not read.
    if (typeof data === "string" && !data.includes('"room:')) return {};
    const [message] = this.codec.decode(data);
    return message && "payload" in message ? this.memberships.goes(message as Message) : {};
  }

  private _tellRooms(): void {
    const { rooms, watched } = this.memberships;
    this.say({ kind: "rooms", rooms, watched: [...watched] });
  }
}

/** Return eight characters that name a tab. */
function name(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  return btoa(String.fromCharCode(...bytes)).replace(/[+/]/g, "x");
}
