/**
 * Errors of the client, as a tree. Each has a stable `code`: a name in `docs/codes.md`, or `NETWORK_ERROR`, `suspended`,
 * `callback_failed`.
 *
 *     RealtimeError
 *     ├── NetworkError       no transport reached the server
 *     │   └── Suspended      … maxReconnectAttempts times; the client goes on trying, on a slow timer
 *     ├── Refused            the server answered and does not take the connection, or has ended the session
 *     ├── RequestError       the server answered a message with an error
 *     ├── UnknownOutcome     sent, not confirmed: it may have run
 *     ├── TimeoutError       no answer, or no room to send, within the time given
 *     ├── QueueFull          as many messages wait as may, and this one was not to wait for room
 *     ├── NotConnected       the client is closed, or was never connected
 *     └── CallbackError      a callback threw; `cause` is what
 */

import { afterClose, type Next } from "./wire/codes.js";
import { asMap, type Fields, type Message } from "./wire/message.js";

/** Further facts of an error. */
export interface ErrorFacts {
  /** Whether the same again may succeed. */
  retry?: boolean | undefined;
  /** Milliseconds after which another try makes sense, where somebody said so. */
  retryAfter?: number | undefined;
  details?: Fields | undefined;
  cause?: unknown;
}

/** Milliseconds; no server is obeyed for longer. */
const LONGEST_ADVICE = 3_600_000;

/** Return the milliseconds of the seconds that a server advises to wait, if they can be meant. */
export function advice(seconds: unknown): number | undefined {
  return typeof seconds === "number" && seconds >= 0 ? Math.min(seconds * 1000, LONGEST_ADVICE) : undefined;
}

/** Return what an error that came says, whatever is in it: as a constructor of an error takes it. */
export function said({ code, reason, retry, retry_after, details }: Fields): [string, string | undefined, ErrorFacts] {
  const facts = { retry: retry === true, retryAfter: advice(retry_after), details: asMap(details) };
  return [text(code) ?? "internal", text(reason), facts];
}

/** The root of what the client throws and of what its `error` event carries. */
export class RealtimeError extends Error {
  readonly retry: boolean;
  readonly retryAfter: number | undefined;
  readonly details: Fields;

  constructor(
    readonly code: string,
    readonly reason: string = code,
    { retry = false, retryAfter, details = {}, cause }: ErrorFacts = {},
  ) {
    super(`${code}: ${reason}`, { cause });
    this.name = "RealtimeError";
    this.retry = retry;
    this.retryAfter = retryAfter;
    this.details = details;
  }
}

/** No transport reached the server. */
export class NetworkError extends RealtimeError {
  constructor(reason: string, facts: ErrorFacts = {}, code = "NETWORK_ERROR") {
    super(code, reason, { retry: true, ...facts });
  }
}

/** Every attempt failed. The client tries again on a slow timer, when the network comes back, and on `connect()`. */
export class Suspended extends NetworkError {
  constructor(reason: string, facts: ErrorFacts = {}) {
    super(reason, facts, "suspended");
  }
}

/** The server answered and does not take the connection, or has ended the session. */
export class Refused extends RealtimeError {
  /** What the client does about it. */
  readonly next: Next;

  /** @param number the close number; 0 for a refusal that had none. */
  constructor(
    code: string,
    reason?: string,
    facts: ErrorFacts = {},
    readonly number = 0,
  ) {
    const next = afterClose(code, number);
    super(code, reason, { ...facts, retry: next !== "stop" });
    this.next = next;
  }
}

/** The server answered a message with an error; `code` says which. */
export class RequestError extends RealtimeError {
  /** Make one of the payload of an `error` message, whatever is in it. */
  static parse(payload: unknown): RequestError {
    return new RequestError(...said(asMap(payload)));
  }
}

/** Sent, not confirmed, and the session is gone: nobody knows whether it has run. `idempotent` sends it again. */
export class UnknownOutcome extends RealtimeError {
  constructor(readonly messages: readonly Message[]) {
    super("unknown_outcome", `sent, not confirmed: ${messages.map((one) => one.type).join(", ")}`);
  }
}

/** Make a class of errors after which the same again may succeed. */
const passing = (code: string) =>
  class extends RealtimeError {
    constructor(reason: string) {
      super(code, reason, { retry: true });
    }
  };

/** No answer, or no room to send, within the time given. */
export class TimeoutError extends passing("timeout") {}

/** As many messages wait as may, and this one was not to wait for room. */
export class QueueFull extends passing("queue_full") {}

/** The client is closed, or was never connected. */
export class NotConnected extends passing("not_connected") {}

/** A callback threw. The client goes on; `cause` is what it threw. */
export class CallbackError extends RealtimeError {
  constructor(cause: unknown) {
    super("callback_failed", String(cause), { cause });
  }
}

/** Return the error of an option or argument that cannot be. */
export function unexpected(name: string, expected: unknown, given: unknown): TypeError {
  return new TypeError(`${name}: expected ${expected}, given ${given}`);
}

/** Return the text that a value is; `undefined` if it is none. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" && value ? value : undefined;
}
