/** The two halves of an attach: `hello`, written sparsely, and `welcome`, read strictly. */

import { WireError } from "./format.js";
import type { Place } from "./parts.js";

/** The version of the wire that this package speaks. */
export const VERSION = 1;

/** What a client says first on every connection. */
export interface Hello {
  v: number;
  /** Rises with every hello of this client for this session. */
  attach: number;
  /** Random, at least 16 characters: names the hello and, until it is confirmed, the session that it makes. */
  nonce: string;
  session?: string | undefined;
  secret?: string | undefined;
  /** How many messages have arrived in this session; `null`: keep identity and rooms, reset both counts. */
  received?: number | null;
  /** How many messages were sent in it, so that replays can be told from news. */
  sent?: number;
  token?: string | undefined;
  client?: string | undefined;
  compress?: string[] | undefined;
  batch?: boolean | undefined;
  /** The client keeps cursors: tell it what a message stands for, and which offsets are not for it. */
  covers?: boolean | undefined;
  /** The client takes messages in parts, of so many bytes each at most. */
  parts?: number | undefined;
  /** What it holds of one that is not all there. */
  part?: Place | undefined;
}

/** What a server answers to a hello that it takes. Times are seconds, as on the wire. */
export interface Welcome {
  session: string;
  secret: string;
  attach: number;
  resumed: boolean;
  received: number;
  /** The count of messages of this session before the first that follows. */
  from: number;
  reason?: string;
  /** What the server holds of a message that is not all there. */
  part?: Place;
  /** The session's rooms survived. */
  rooms: boolean;
  codec: string;
  compress?: string;
  batch: boolean;
  node: string;
  heartbeat: { interval: number; timeout: number };
  limits: Readonly<Partial<Record<"max_message_size" | "window" | "rate_per_second" | "burst" | "part", number>>>;
  ttl: number;
  /** Advice for coming back: attempts before the client is suspended, and where its backoff begins. */
  reconnect: { attempts: number; delay: number };
}

type Fields = Readonly<Record<string, unknown>>;

/** What a welcome must have, by example. */
const NEEDED = { session: "", secret: "", attach: 0, resumed: false, received: 0, from: 0 };
/** What it may leave out, with what is meant then. */
const USUAL = {
  rooms: false,
  codec: "json",
  batch: false,
  node: "",
  limits: {},
  ttl: 120,
  heartbeat: { interval: 30, timeout: 5 },
  reconnect: { attempts: 0, delay: 0 },
};
/** What is not there if it is not. */
const OPTIONAL = { reason: "", compress: "", part: { of: "", at: 0 } };

/**
 * Read the fields of a `welcome`.
 *
 * @throws WireError: a field is missing or of the wrong type; the text names it.
 */
export function parseWelcome(fields: Fields): Welcome {
  return read(fields, NEEDED, USUAL, OPTIONAL);
}

/** Return the fields that examples name, each of its example's type; `usual` is also what is meant without one. */
function read<N extends Fields, U extends Fields, O extends Fields>(fields: Fields, needed: N, usual: U, optional?: O) {
  const found: Record<string, unknown> = { ...usual };
  for (const [key, example] of Object.entries({ ...needed, ...usual, ...optional })) {
    const value = fields[key];
    if (value == null && !(key in needed)) continue;
    if (typeof value !== typeof example || (typeof value === "number" && !(value >= 0))) {
      throw new WireError("bad_control", `welcome: \`${key}\`: expected a ${typeof example}`);
    }
    // A map is read in the same way, and may hold more.
    found[key] = typeof value === "object" ? { ...value, ...read(value as Fields, {}, example as Fields) } : value;
  }
  return found as N & U & Partial<O>;
}
