/** What a client says of itself. */

import type { ConnectionType } from "./options.js";
import type { Quality } from "./quality.js";

/**
 * idle: never connected. suspended: see `Suspended`. stopped: the server said not to come back. closed: the program did.
 * paused: the program wants no link just now.
 */
export type State =
  | "idle"
  | "connecting"
  | "connected"
  | "reconnecting"
  | "suspended"
  | "paused"
  | "stopped"
  | "closed";

/** A tab's part in a connection that several share: its leader holds it. */
export type Role = "leader" | "follower";

/** How things stood at one moment. */
export interface ConnectionInfo {
  state: State;
  /** The transport that carries the session, or carried it last. */
  connectionType: ConnectionType | undefined;
  /** This tab's part in the connection that it shares with others; `undefined` if it shares none. */
  shared: Role | undefined;
  /** Messages flow. */
  isConnected: boolean;
  /** The patterns that somebody subscribes to. */
  subscriptions: readonly string[];
  /** The rooms that the client is in. */
  rooms: readonly string[];
  quality: Quality;
  /** Median round trip, milliseconds. */
  latency: number | undefined;
  /** Names the session; not a secret. */
  sessionId: string | undefined;
  clientId: string | undefined;
  /** The server that carries the session. */
  node: string | undefined;
  codec: string;
  compression: string | undefined;
  /** At the last welcome the session went on with nothing missing. */
  resumed: boolean;
  /** Why it did not, if it was to: `expired`, `evicted`, `overflow`, … */
  reason: string | undefined;
  /** Messages, ever; `queued`: now. */
  counters: {
    sent: number;
    confirmed: number;
    queued: number;
    received: number;
    duplicates: number;
    missed: number;
    attaches: number;
    reconnects: number;
  };
}
