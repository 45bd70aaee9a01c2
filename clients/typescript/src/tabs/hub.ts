/**
 * The hub: what the tab that leads does for all tabs. It has the connection; tabs have everything else.
 *
 *     up      a tab's message → the engine's outbox → a place in the count, told to all tabs → the link
 *     down    a message, with its number → all tabs, or the one whose request it answers
 *
 * Rule: a message is given its place in the ledger of every tab before it is written, and confirmed to the server only when
 * every tab that is awake has it. So nothing is lost and nothing comes twice, whoever leads next and however this tab ends.
 */

import {
  asMap,
  Connector,
  Events,
  envelope,
  type Link,
  LinkLost,
  Message,
  now,
  type RealtimeError,
  Refused,
  RequestError,
  Suspended,
  Undecodable,
} from "../core.js";
import type { Welcome } from "../wire/hello.js";
import { Engine, type Owner, Relayed, SharedDetector } from "./engine.js";
import { Gate } from "./gate.js";
import { Members } from "./members.js";
import type { Port } from "./port.js";
import type { Came, Facts, Said, SaidPost, Sent, Status, Told } from "./posts.js";
import { tell } from "./told.js";

/** Characters of a tab's name, with which the ids of its requests begin. */
const NAME = 8;
/** Names the hub itself in requests. */
const SELF = "the--hub";
/** Milliseconds without anything to do, after which this tab may have slept. */
const SLEPT = 3000;
/** Places that are remembered once they are confirmed: an error may still name one. */
const RECENT = 1000;

type Of<Kind> = Said & { kind: Kind };

/** Leads. */
export class Hub implements Owner {
  private readonly _events = new Events();
  private readonly _detector = new SharedDetector(this);
  private readonly _engine: Engine;
  private readonly _connector: Connector;
  private readonly _gate: Gate;
  private readonly _members: Members;
  /** Messages of each tab that were taken. */
  private readonly _taken = new Map<string, number>();
  private _recent: Relayed[] = [];
  private _came: Came[] = [];
  private _isConfirming = false;
  private _greeted = 0;
  private _number = 0;
  private _ended = false;
  private _active = now();
  private _looking: Promise<void> | undefined;

  constructor(private readonly _port: Port) {
    const { settings, ledger, codec } = _port;
    const { _events: events } = this;
    this._gate = new Gate(
      ledger.facts.gate,
      (n) => _port.order({ kind: "ask", n }),
      () => this._opened(),
    );
    this._members = new Members(_port, this._gate, (room) => this._leave(room));
    // What a tab gives is bounded by the tab, and has the tab's order.
    const own = { ...settings, limits: { ...settings.limits, queue: 1e9 } };
    const deaf = () => {};
    this._engine = new Engine(
      own,
      events,
      this._detector,
      {
        message: deaf,
        anew: deaf,
        missed: deaf,
        gap: deaf,
        move: (within) => this._connector.move(within),
        doubt: () => this._connector.doubt(),
        lost: (lost) => this._connector.lost(lost),
      },
      this,
    );
    this._connector = new Connector(this._engine, this._detector, own, events, () => ({}) as never, deaf);
    this._engine.restore(ledger, codec);
    events.on("disconnect", (code) => this._lost(code));
    events.on("error", (error) => this._failed(error));
  }

  // -- for the port -------------------------------------------------------------------------------------------------

  /** There are other tabs, as far as is known. */
  get hasOthers(): boolean {
    return this._members.hasOthers;
  }

  /** Tell all tabs, and connect. */
  begin(): void {
    const { _port: port } = this;
    const { facts } = port.ledger;
    this._detector.samples = facts.samples;
    this._members.begin();
    port.announce();
    const parked = facts.session === undefined && port.client.parked();
    if (parked) this._engine.line.restore(parked);
    // What the server has stopped, only a program begins again.
    if (facts.status.state !== "stopped") void this._connect();
  }

  /** A tab has said something. */
  hear(post: SaidPost): void {
    if (this._ended) return;
    const slept = now() - this._active > SLEPT;
    this._active = now();
    if (post.kind === "up" && (slept || this._looking)) void this.look().then(() => this._do(post));
    else this._do(post);
  }

  /** This tab may have slept, and been replaced: nothing may be written before that is known. */
  look(): Promise<void> {
    this._looking ??= this._port.leads().then((leads) => {
      this._looking = undefined;
      if (!leads) this._port.resign();
    });
    return this._looking;
  }

  /** Resolves when all that was placed is written. */
  async flush(): Promise<void> {
    this._engine.outbox.flush();
    await this._engine.link?.flush();
  }

  /** Lead no more. With this goodbye, if no other tab is there; resolves when it has left. */
  async end(goodbye?: "bye" | "away"): Promise<void> {
    if (this._ended) return;
    const { _engine: engine } = this;
    const last = this.hasOthers ? undefined : goodbye;
    // Rooms that this tab was the last to be in.
    engine.outbox.flush();
    this._ended = true;
    this._members.end();
    this._gate.end();
    this._connector.close();
    await engine.end(engine.link, new LinkLost("another tab leads", "bye"), last);
  }

  // -- what tabs say ------------------------------------------------------------------------------------------------

  private _do(post: SaidPost): void {
    if (this._ended) return;
    const { from } = post;
    this._gate.heard(from);
    switch (post.kind) {
      case "hello":
        return this._members.came(from, post);
      case "away":
        return this._members.left(from, post);
      case "gone":
        return this._members.left(from);
      case "rooms":
        return this._members.set(from, post);
      case "got":
        return this._gate.got(from, post.n);
      case "up":
        return this._up(from, post);
      case "control":
        return this._engine.control(post.name, { ...post.fields });
      case "alive":
        return this._port.order({ kind: "alive" }, from);
      case "wish":
        return void this._wish(post).then((error) => {
          if (!this._ended) this._port.order({ kind: "granted", number: post.number, error }, from);
        });
    }
  }

  private _up(from: string, { life, items }: Of<"up">): void {
    const { facts } = this._port.ledger;
    // It is given again when the connection stands.
    if (!facts.up || life !== facts.life) return;
    for (const sent of items) {
      const next = this._taken.get(from) ?? this._port.ledger.taken(from);
      if (sent.at !== next) continue;
      this._taken.set(from, next + 1);
      this._take(from, sent);
    }
    queueMicrotask(() => this._engine.outbox.flush());
  }

  private _take(from: string, { at, data, join, leave, id, watch }: Sent): void {
    const { _members: members } = this;
    if (join !== undefined) members.joins(from, join);
    if (leave !== undefined && members.leaves(from, leave)) {
      // The session stays in the room, for others.
      this._port.order({ kind: "placed", places: [{ tab: from, at }] });
      const payload = { room: leave, left: true };
      return this._port.order({ kind: "answer", items: [{ type: "reply", re: id, payload }] }, from);
    }
    const isKept = watch && members.watches(from, watch.room, watch.on);
    this._submit(from, at, isKept ? this._without(data) : data);
  }

  /** Return a question after a room's members that does not end the watch of other tabs. */
  private _without(data: Sent["data"]): Sent["data"] {
    const { codec } = this._port;
    const message = codec.decode(data)[0] as Message;
    const { watch: _, ...payload } = asMap(message.payload);
    return codec.encode(new Message(message.type, payload, message));
  }

  /** Let the session leave a room that no tab is in any more. */
  private _leave(room: string): void {
    const id = `${SELF}${++this._number}`;
    this._submit(SELF, -1, this._port.codec.encode(new Message("room:leave", { room }, { id })));
  }

  private _submit(tab: string, at: number, data: Sent["data"]): void {
    this._engine.outbox.submit(new Relayed(this, { tab, at, data }, data, this._port.codec), true);
  }

  private async _wish({ wish }: Of<"wish">): Promise<Told | undefined> {
    const { _connector: connector, _engine: engine } = this;
    try {
      if (wish === "connect") await this._connect();
      else if (wish === "end") await this._endAll();
      else if (wish === "retry") {
        connector.retry();
        engine.heartbeat.probe(true);
      } else await connector.switch(wish.type);
    } catch (error) {
      return tell(error);
    }
    return undefined;
  }

  private _connect(): Promise<void> {
    return this._connector.connect(async () => {}).catch((error) => this._failed(error));
  }

  /** End the session, for all tabs. */
  private async _endAll(): Promise<void> {
    const { _engine: engine } = this;
    this._connector.close();
    const done = engine.end(engine.link, new LinkLost("closed", "bye"), "bye");
    engine.line.abandon();
    this._stopped(new Refused("bye", "the session was ended for all tabs", {}, 4209));
    await done;
  }

  // -- what the connector says --------------------------------------------------------------------------------------

  private _lost(code: string): void {
    this._become({ state: "reconnecting", code });
  }

  private _failed(error: RealtimeError): void {
    if (this._ended) return;
    if (error instanceof Suspended) this._become({ state: "suspended", error: tell(error) });
    else if (this._connector.state === "stopped") {
      // The next leader's hello has taken the session; or somebody else's.
      if (error.code === "superseded") void this.look().then(() => this._stopped(error));
      else this._stopped(error);
    } else if (error instanceof RequestError) this._port.order({ kind: "error", error: tell(error) });
  }

  private _stopped(error: RealtimeError): void {
    this._become({ state: "stopped", error: tell(error) }, { session: undefined, secret: undefined });
  }

  private _become(status: Status, more: Partial<Facts> = {}): void {
    if (!this._ended) this._port.order({ kind: "patch", facts: { up: false, status, ...more } });
  }

  // -- what the engine says -----------------------------------------------------------------------------------------

  get gate(): number {
    return this._gate.open;
  }

  reached(): Promise<void> {
    return this._gate.reached();
  }

  greets(attach: number): void {
    const { _port: port } = this;
    port.order({ kind: "patch", facts: { attach } });
    // A first attempt is the change of the leader; that it has failed is news.
    const { state } = port.ledger.facts.status;
    if (++this._greeted > 1 && !port.ledger.facts.up && state === "connected") this._lost("NETWORK_ERROR");
  }

  moves({ session, secret, from }: Welcome, isAnew: boolean): void {
    const { _port: port, _engine: engine } = this;
    const facts: Partial<Facts> = { session, secret, from };
    if (isAnew) {
      this._taken.clear();
      this._recent = [];
      for (const message of [...engine.outbox.queue]) engine.outbox.withdraw(message, new Error("another session"));
      this._gate.begin(engine.line.received);
      Object.assign(facts, { life: Math.random(), gate: this.gate });
    }
    port.order({ kind: "patch", facts });
  }

  moved({ type }: Link, welcome: Welcome): void {
    const { samples } = this._detector;
    this._port.order({
      kind: "patch",
      facts: { up: true, status: { state: "connected" }, type, welcome, samples },
    });
  }

  came(item: Message | Undecodable): void {
    this._came.push(this._address(item));
  }

  cameAll(size: number): void {
    const items = this._came;
    if (!items.length || this._ended) return;
    this._came = [];
    const { received } = this._engine.line;
    this._port.order({ kind: "items", batch: { first: received - items.length, items, size } });
    this._gate.came(received);
  }

  placed(message: Relayed): void {
    this._recent.push(message);
    if (this._recent.length > RECENT) this._recent.shift();
    this._port.order({ kind: "placed", places: [message.whose] });
  }

  confirmed(): void {
    if (this._isConfirming) return;
    this._isConfirming = true;
    queueMicrotask(() => {
      this._isConfirming = false;
      if (!this._ended) this._port.order({ kind: "confirmed", n: this._engine.line.window.confirmed });
    });
  }

  failed({ whose }: Relayed, error: Error): void {
    // Of a session that is gone its tab hears by itself.
    if (this._ended || !(error instanceof RequestError)) return;
    const { tab, at, data } = whose;
    const { code, reason, retry } = error;
    const [said] = data === undefined ? [] : this._port.codec.decode(data);
    const re = said instanceof Message ? said.id : undefined;
    const payload = { code, reason, retry, ...(re === undefined && { n: at + 1 }) };
    this._port.order({ kind: "placed", places: [{ tab, at }] });
    this._port.order({ kind: "answer", items: [{ type: "error", re, payload }] }, tab);
  }

  sampled(): void {
    if (!this._ended) this._port.order({ kind: "patch", facts: { samples: this._detector.samples } });
  }

  private _opened(): void {
    if (this._ended) return;
    this._port.order({ kind: "patch", facts: { gate: this.gate } });
    this._engine.acknowledge();
  }

  /** Say for which tab a message is, in words that this tab understands. */
  private _address(item: Message | Undecodable): Came {
    if (item instanceof Undecodable) return { item: item.reason };
    const { type, re, sender, payload } = item;
    const map = envelope(item);
    if (re !== undefined) return { to: re.slice(0, NAME), item: map };
    if (type !== "error" || sender !== undefined) return { item: map };
    // The place of a message that was refused, in our count: its tab has another one.
    const { n, ...fields } = asMap(payload);
    const refused = this._recent.find(({ place }) => place === Number(n) - 1);
    if (!refused) return { item: { ...map, payload: fields } };
    const { tab, at } = refused.whose;
    return { to: tab, item: { ...map, payload: { ...fields, n: at + 1 } } };
  }
}
