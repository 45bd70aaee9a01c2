/**
 * Errors of the client, as a tree. Each has a stable `code`: a name in `docs/codes.md`, or `NETWORK_ERROR`, `suspended`,
 * `callback_failed`.
 *
 *     RealtimeError
 *     ├── NetworkError       no transport reached the server
 *     │   └── Suspended      … maxReconnectAttempts times; the client goes on trying, on a slow timer
 *     ├── Refused            the server answered and does not take the connection, or has ended the session
 *     ├── RequestError       the server answered a message with an error
 *     ├── UnknownOutcome     sent, not confirmed, and the session is gone: it may have run
 *     ├── TimeoutError       no answer, or no room to send, within the time given
 *     ├── QueueFull          as many messages wait as may
 *     ├── NotConnected       the client is closed, or was never connected
 *     └── CallbackError      a callback threw; `cause` is what
 */

import { afterClose, type Next, NUMBERS } from "./wire/codes.js";
import type { Message } from "./wire/message.js";

/** Further facts of an error. */
export interface ErrorFacts {
  /** Whether the same again may succeed. */
  retry?: boolean | undefined;
  /** Milliseconds after which another try makes sense, where somebody said so. */
  retryAfter?: number | undefined;
  details?: Readonly<Record<string, unknown>> | undefined;
  cause?: unknown;
}

/** The root of what the client throws and of what its `error` event carries. */
export class RealtimeError extends Error {
  readonly retry: boolean;
  readonly retryAfter: number | undefined;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    readonly code: string,
    readonly reason: string = code,
    { retry = false, retryAfter, details = {}, cause }: ErrorFacts = {},
  ) {
    super(`${code}: ${reason}`, { cause });
    this.name = new.target.errorName;
    this.retry = retry;
    this.retryAfter = retryAfter;
    this.details = details;
  }

  /** The class's name, which a minifier may not take away. */
  static readonly errorName: string = "RealtimeError";
}

/** No transport reached the server. */
export class NetworkError extends RealtimeError {
  static override readonly errorName: string = "NetworkError";

  constructor(reason: string, facts: ErrorFacts = {}, code = "NETWORK_ERROR") {
    super(code, reason, { retry: true, ...facts });
  }
}

/** Every attempt failed. The client tries again on a slow timer, when the network comes back, and on `connect()`. */
export class Suspended extends NetworkError {
  static override readonly errorName = "Suspended";

  constructor(reason: string, facts: ErrorFacts = {}) {
    super(reason, facts, "suspended");
  }
}

/** The server answered and does not take the connection, or has ended the session. */
export class Refused extends RealtimeError {
  static override readonly errorName = "Refused";
  /** The close number; 0 if there is none. */
  readonly number: number;
  /** What the client does about it. */
  readonly next: Next;

  constructor(code: string, reason?: string, facts: ErrorFacts & { number?: number } = {}) {
    const number = facts.number || NUMBERS[code] || 0;
    super(code, reason, { retry: afterClose(number) !== "stop", ...facts });
    this.number = number;
    this.next = afterClose(number);
  }
}

/** The server answered a message with an error; `code` says which. */
export class RequestError extends RealtimeError {
  static override readonly errorName = "RequestError";

  /** Make one of the payload of an `error` message, whatever is in it. */
  static parse(payload: unknown): RequestError {
    const fields = asMap(payload);
    return new RequestError(String(fields.code ?? "internal"), text(fields.reason), {
      retry: fields.retry === true,
      retryAfter: milliseconds(fields.retry_after),
      details: asMap(fields.details),
    });
  }
}

/** Sent, not confirmed, and the session is gone: nobody knows whether it has run. `idempotent` sends it again. */
export class UnknownOutcome extends RealtimeError {
  static override readonly errorName = "UnknownOutcome";

  constructor(readonly messages: readonly Message[]) {
    super(
      "unknown_outcome",
      `sent, not confirmed, and the session is gone: ${messages.map((one) => one.type).join(", ")}`,
    );
  }
}

/** No answer, or no room to send, within the time given. */
export class TimeoutError extends RealtimeError {
  static override readonly errorName = "TimeoutError";

  constructor(reason: string) {
    super("timeout", reason, { retry: true });
  }
}

/** As many messages wait as may. */
export class QueueFull extends RealtimeError {
  static override readonly errorName = "QueueFull";

  constructor(reason: string) {
    super("queue_full", reason, { retry: true });
  }
}

/** The client is closed, or was never connected. */
export class NotConnected extends RealtimeError {
  static override readonly errorName = "NotConnected";

  constructor(reason: string) {
    super("not_connected", reason, { retry: true });
  }
}

/** A callback threw. The client goes on; `cause` is what it threw. */
export class CallbackError extends RealtimeError {
  static override readonly errorName = "CallbackError";

  constructor(cause: unknown) {
    super("callback_failed", String(cause), { cause });
  }
}

/** Return the map that a value is; an empty one if it is none. */
export function asMap(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

/** Return the text that a value is; `undefined` if it is none. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" && value ? value : undefined;
}

/** Return seconds, as on the wire, in milliseconds; `undefined` if they are none. */
export function milliseconds(seconds: unknown): number | undefined {
  return typeof seconds === "number" && seconds >= 0 ? seconds * 1000 : undefined;
}
