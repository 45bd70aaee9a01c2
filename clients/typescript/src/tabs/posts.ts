/**
 * What tabs say to each other, over one `BroadcastChannel`.
 *
 *     a tab ── hello, up, control, wish, got, … ──▶ the leader          from: the tab
 *     the leader ── state, patch, items, … ──▶ one tab, or all          term: the leader's
 *
 * Rule: nothing here may be renamed by the build, and what changes its meaning changes `VERSION`: a tab may have been open
 * since before the last release.
 */

import type { ConnectionType } from "../core.js";
import type { State } from "../info.js";
import type { Data } from "../wire/format.js";
import type { Welcome } from "../wire/hello.js";
import type { Fields } from "../wire/message.js";

/** Of the language. Tabs of another one are another group, with a connection of their own. */
export const VERSION = 1;

/** A message of a tab that has its place in the session's count, or none if the leader has answered it by itself. */
export interface Place {
  tab: string;
  /** Its place in the tab's own count. */
  at: number;
  /** Its wire form; `undefined` if it has no place. */
  data?: Data | undefined;
}

/** What the leader knows of a tab. */
export interface Member {
  rooms: string[];
  /** Rooms whose comings and goings it asked to be told of. */
  watched: string[];
  /** It sleeps, or is kept by the browser: it may come back. */
  away: boolean;
}

/** An error on its way to another tab. */
export interface Told {
  kind: string;
  code: string;
  reason: string;
  retry: boolean;
  retryAfter?: number | undefined;
  details: Fields;
}

/** How the connection is. */
export interface Status {
  state: State;
  /** Why the link was lost. */
  code?: string;
  error?: Told;
}

/** What a tab must know to lead, but for what is done message by message: see `Ledger`. */
export interface Facts {
  /** The leader's number: a later leader's is larger. */
  term: number;
  /** The life of the session's counts: another one with each new session, and when they begin anew. */
  life: number;
  session?: string | undefined;
  secret?: string | undefined;
  /** The number of the last hello. */
  attach: number;
  /** Where the last welcome's replay began. */
  from: number;
  /** Messages that every tab has: the server may forget them. */
  gate: number;
  /** The leader has a link. */
  up: boolean;
  status: Status;
  type?: ConnectionType | undefined;
  welcome?: Welcome | undefined;
  /** The last round trips, milliseconds; `null`: lost. */
  samples: (number | null)[];
  members: Record<string, Member>;
}

/** All of that, and the messages that are on their way to the server. */
export interface Snapshot extends Facts {
  /** Posts of this leader so far. */
  seq: number;
  /** Messages received. */
  count: number;
  window: Place[];
  /** Places that the server has confirmed. */
  confirmed: number;
  /** Messages of each tab that are done with. */
  done: Record<string, number>;
}

/** A message from the server. */
export interface Came {
  /** It is for this tab alone. */
  to?: string | undefined;
  /** What it is on the wire; a text says why it could not be decoded. */
  item: Fields | string;
}

/** Messages that came together. */
export interface Batch {
  /** How many came before. */
  first: number;
  items: Came[];
  /** Bytes, about. */
  size: number;
}

/** A message on its way to the leader, with what the leader must know of it. */
export interface Sent extends Place {
  data: Data;
  join?: string;
  leave?: string;
  /** With a `leave`: what its answer answers. */
  id?: string | undefined;
  /** Asks to be told of comings and goings, or to be told no longer. */
  watch?: { room: string; on: boolean };
}

/** What a tab knows, for one that will lead. */
export interface Known {
  state: Snapshot;
  /** What came since that one was there, and how much of it is no longer here. */
  lost: number;
  batches: Batch[];
  /** What came before that one was there: others may lack it. */
  past: Batch[];
}

/** What a tab wants of the connection. */
export type Wish = "connect" | "retry" | "end" | { type: ConnectionType };

/** What tabs say. */
export type Said =
  | { kind: "hello"; life: number; got: number; rooms: string[]; watched: string[]; synced: boolean }
  | { kind: "up"; life: number; items: Sent[] }
  | { kind: "control"; name: string; fields: Fields }
  | { kind: "wish"; wish: Wish; number: number }
  | { kind: "got"; n: number }
  | { kind: "rooms"; rooms: string[]; watched: string[] }
  | { kind: "alive" }
  | { kind: "away"; rooms: string[]; watched: string[] }
  | { kind: "gone" }
  | { kind: "collect"; life: number; got: number }
  | { kind: "known"; to: string; known: Known | undefined };

/** What a leader says. */
export type Ordered =
  | { kind: "state"; state: Snapshot; kept: boolean; lost: number; batches: Batch[]; past: Batch[] }
  | { kind: "patch"; facts: Partial<Facts> }
  | { kind: "items"; batch: Batch }
  | { kind: "placed"; places: Place[] }
  | { kind: "confirmed"; n: number }
  | { kind: "answer"; items: Fields[] }
  | { kind: "ask"; n: number }
  | { kind: "error"; error: Told }
  | { kind: "granted"; number: number; error?: Told | undefined }
  | { kind: "alive" };

/** As it is posted. */
export type SaidPost = Said & { from: string };
export type OrderedPost = Ordered & { term: number; seq: number; to?: string | undefined };
