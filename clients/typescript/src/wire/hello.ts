/** The two halves of an attach: `hello`, written sparsely, and `welcome`, read strictly. */

import { WireError } from "./format.js";

/** The version of the wire that this package speaks. */
export const VERSION = 1;

/** What a client says first on every connection. */
export interface Hello {
  v: number;
  /** Rises with every hello of this client for this session. */
  attach: number;
  /** Random, at least 16 characters: names the hello and, until it is confirmed, the session that it makes. */
  nonce: string;
  session?: string;
  secret?: string;
  /** How many messages have arrived in this session; `null`: keep identity and rooms, reset both counts. */
  received?: number | null;
  /** How many messages were sent in it, so that replays can be told from news. */
  sent?: number;
  token?: string;
  client?: string;
  compress?: string[];
  batch?: boolean;
}

/** What a server answers to a hello that it takes. Times are seconds, as on the wire. */
export interface Welcome {
  session: string;
  secret: string;
  attach: number;
  resumed: boolean;
  received: number;
  reason?: string;
  /** Messages that are missing before those that are replayed. */
  lost: number;
  /** The session's rooms survived. */
  rooms: boolean;
  codec: string;
  compress?: string;
  batch: boolean;
  node: string;
  heartbeat: { interval: number; timeout: number };
  limits: Readonly<Record<string, number>>;
  ttl: number;
}

/**
 * Read the fields of a `welcome`.
 *
 * @throws WireError: a field is missing or of the wrong type; the text names it.
 */
export function parseWelcome(fields: Readonly<Record<string, unknown>>): Welcome {
  const read = reader(fields);
  const beat = reader(read("heartbeat", {}, {}));
  const welcome = { heartbeat: { interval: beat("interval", 0, 30), timeout: beat("timeout", 0, 5) } };
  for (const [key, example] of Object.entries(NEEDED)) Object.assign(welcome, { [key]: read(key, example) });
  for (const [key, usual] of Object.entries(USUAL)) Object.assign(welcome, { [key]: read(key, usual, usual) });
  for (const key of ["reason", "compress"]) if (fields[key] != null) Object.assign(welcome, { [key]: read(key, "") });
  return welcome as Welcome;
}

/** What a welcome must have, by example. */
const NEEDED = { session: "", secret: "", attach: 0, resumed: false, received: 0 };
/** What it may leave out, with what is meant then. */
const USUAL = { lost: 0, rooms: false, codec: "json", batch: false, node: "", limits: {}, ttl: 120 };

/** Return what reads one field after the other: of the type of an example, with a default if there may be none. */
function reader(fields: Readonly<Record<string, unknown>>) {
  return <T>(key: string, example: T, otherwise?: T): T => {
    const value = fields[key] ?? otherwise;
    if (typeof value === typeof example && (typeof value !== "number" || value >= 0)) return value as T;
    throw new WireError("bad_control", `welcome: \`${key}\`: expected a ${typeof example}`);
  };
}
