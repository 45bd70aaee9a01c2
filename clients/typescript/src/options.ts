/** What a client can be told: identity and policy in `ClientOptions`, patience in `Timing`, memory in `Limits`. */

import type { Connector, Parts } from "./connector.js";
import { unexpected } from "./errors.js";
import type { Codec } from "./wire/format.js";

export type ConnectionType = "websocket" | "sse" | "polling";

/** The best first. */
export const CONNECTION_TYPES: readonly ConnectionType[] = ["websocket", "sse", "polling"];

/** A token, or what gives one: asked before each attach, so also when the last one has expired. */
export type Token = string | (() => string | Promise<string>);

/** Who the client is. */
export interface Authentication {
  /** Goes into each `hello`, never into a URL. */
  token?: Token;
  /** Go with every HTTP request. A browser cannot send them with a WebSocket; its `hello` has the token. */
  headers?: Record<string, string>;
}

/** The part of `Storage` that is used: `localStorage`, `sessionStorage`, or a program's own. */
export type KeyStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** How several clients share a connection: see `tabs()`. */
export interface Sharing {
  /** @internal Make what keeps a client's session attached. */
  make(...parts: Parts): Connector;
}

/** The part of the WebSocket interface that is used: the browser's own, or the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(data: string | ArrayBufferView<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

/** How long the client waits for what. Milliseconds. */
export interface Timing {
  /** From the start of an attach to its `welcome`; a transport that takes longer is given up for the next. */
  open: number;
  /** For room to send, and for a confirmation. */
  send: number;
  /** For a reply. */
  request: number;
  /** The longest pause between attempts. */
  maxReconnectDelay: number;
  /** The pause between attempts once the client is suspended. */
  suspendedDelay: number;
  /** After so long on a lesser transport the client tries a better one; the pause doubles with each failure. */
  climb: number;
  /** The longest pause between those. */
  maxClimb: number;
  /** For what is queued to be sent when the client is closed. */
  close: number;
}

/** How much the client keeps. */
export interface Limits {
  /** Messages that wait to be sent, while offline or behind a full window. */
  queue: number;
  /** Messages sent and not confirmed; a sender waits when it is full. */
  window: number;
  /** The same in bytes. */
  windowBytes: number;
  /** Messages that wait in one `messages()` stream; the oldest goes, and a `gap` says so. */
  stream: number;
  /** Bytes of one frame from the server, compressed or not. */
  frame: number;
}

/** Options of `RealtimeClient`. Only `url` is needed. Times are milliseconds. */
export interface ClientOptions {
  /** `http(s)://host/rt` or `ws(s)://host/rt`; in a page also a path. Each transport's URL follows from it. */
  url: string;
  /** The preferred transport: websocket. */
  connectionType?: ConnectionType;
  /** What to use instead, the best first: sse, polling. */
  fallbackTypes?: readonly ConnectionType[];
  /** The client's own name for itself; for people, not for security. */
  clientId?: string;
  /** After a loss, attach again and resume: true. */
  autoReconnect?: boolean;
  /** After so many failures in a row the client is suspended, and tries on a slow timer: 5. */
  maxReconnectAttempts?: number;
  /** The limit of the first pause between attempts; the choice within it is random, and the limit doubles: 1000. */
  reconnectDelay?: number;
  /** A ping goes out so often: 30000. What the server says in its welcome holds where it is shorter. */
  heartbeatInterval?: number;
  /** Silence for so long after a ping, twice, is the end of a connection: 5000. */
  pingTimeout?: number;
  /** Offer to take compressed frames, where this platform can undo them: true. */
  enableCompression?: boolean;
  /** Up to `batchSize` messages share a frame, after at most `batchInterval`: false. */
  enableBatching?: boolean;
  /** 10. */
  batchSize?: number;
  /** 100. */
  batchInterval?: number;
  authentication?: Authentication;
  /** `cbor()` of `@rtcore/client/cbor`; JSON if none is given. */
  codec?: Codec;
  timing?: Partial<Timing>;
  limits?: Partial<Limits>;
  /**
   * A reload of the page resumes the session: `true` keeps it in `sessionStorage` from `pagehide` to the next load.
   * A duplicated tab finds nothing there, and has a session of its own.
   */
  resume?: boolean | KeyStore;
  /** Where the transport that worked is remembered: `localStorage`, if there is one; `null` for nowhere. */
  memory?: KeyStore | null;
  /** One connection for all tabs of a browser: `tabs()` of `@rtcore/client/tabs`. Each has its own, if none is given. */
  shared?: Sharing;
  /** Cookies of other hosts: see `fetch`. "same-origin". */
  credentials?: RequestCredentials;
  /** The WebSocket to use; `null` for none. `globalThis.WebSocket` if not given. */
  webSocket?: WebSocketConstructor | null;
  /** The fetch to use; `globalThis.fetch` if not given. */
  fetch?: typeof fetch;
  /** Random numbers from 0 to 1 for the backoff; for tests. */
  random?: () => number;
}

export const TIMING: Timing = {
  open: 5000,
  send: 10_000,
  request: 30_000,
  maxReconnectDelay: 30_000,
  suspendedDelay: 60_000,
  climb: 10_000,
  maxClimb: 300_000,
  close: 2000,
};

export const LIMITS: Limits = {
  queue: 1000,
  window: 1000,
  windowBytes: 16 * 1024 * 1024,
  stream: 1000,
  frame: 16 * 1024 * 1024,
};

/** `ClientOptions` with nothing left open. */
export type Settings = ReturnType<typeof settle>;

/**
 * Fill in what was left out.
 *
 * @throws TypeError: an option that cannot be; the text names it.
 */
export function settle(options: ClientOptions) {
  const settings = {
    clientId: undefined,
    connectionType: "websocket" as ConnectionType,
    fallbackTypes: ["sse", "polling"] as readonly ConnectionType[],
    autoReconnect: true,
    maxReconnectAttempts: 5,
    reconnectDelay: 1000,
    heartbeatInterval: 30_000,
    pingTimeout: 5000,
    enableCompression: true,
    enableBatching: false,
    batchSize: 10,
    batchInterval: 100,
    authentication: {} as Authentication,
    resume: false as boolean | KeyStore,
    credentials: "same-origin" as RequestCredentials,
    random: Math.random,
    ...options,
    timing: { ...TIMING, ...options.timing },
    limits: { ...LIMITS, ...options.limits },
    base: base(options.url),
  };
  for (const type of [settings.connectionType, ...settings.fallbackTypes]) {
    if (!CONNECTION_TYPES.includes(type)) throw unexpected("connectionType", CONNECTION_TYPES, type);
  }
  for (const [name, value] of Object.entries({ ...settings, ...settings.timing, ...settings.limits })) {
    const least = /Attempts|Delay|^close|batchInterval/.test(name) ? 0 : 1;
    if (typeof value === "number" && !(value >= least)) throw unexpected(name, `${least} or more`, value);
  }
  return settings;
}

/**
 * Return `http(s)://host[:port]/path`, without a slash at its end, of the URL that an application gives.
 *
 * @throws TypeError: not such a URL, or one that holds credentials or a query, which end in logs.
 */
export function base(given: string): string {
  const url = new URL(given, (globalThis as { location?: Location }).location?.href);
  const [, secure] = /^(?:http|ws)(s?):$/.exec(url.protocol) ?? [];
  if (secure === undefined) throw unexpected("url", "http(s) or ws(s)", url.protocol);
  // It ends in logs, and so does this error.
  if (url.username || url.password || url.search) throw unexpected("url", "no user, password or query", "one");
  return `http${secure}://${url.host}${url.pathname.replace(/\/+$/, "")}`;
}
