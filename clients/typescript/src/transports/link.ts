/**
 * A link: one transport connection as the client's session sees it.
 *
 *     open(hello) → frame: the welcome → speak(…) → send(…), control(…), frame … → lost, once, or close()
 *
 * Rule: nothing here waits and nothing throws. A link that holds more than it should says `busy`, and calls `drained`
 * when it no longer is. After `close` it calls nothing any more.
 */

import { NetworkError, type RealtimeError, Refused, said } from "../errors.js";
import type { ConnectionType, Settings } from "../options.js";
import type { Outbox } from "../outbox.js";
import type { Outgoing } from "../outgoing.js";
import { type Codec, type Data, WireError } from "../wire/format.js";
import type { ClientLine } from "../wire/line.js";
import type { Piece } from "../wire/parts.js";

/** A link has ended, or never came to be. */
export class LinkLost {
  /**
   * @param reason for people.
   * @param code a close code's name, or `NETWORK_ERROR`.
   * @param refusal what the server said, if it was the server that ended it.
   * @param retryAfter milliseconds, where somebody advised it.
   * @param passing the same again may well succeed.
   * @param cause what was thrown, if something was.
   */
  constructor(
    readonly reason: string,
    readonly code = "NETWORK_ERROR",
    readonly refusal?: Refused,
    public retryAfter: number | undefined = refusal?.retryAfter,
    readonly passing = !refusal,
    readonly cause?: unknown,
  ) {}

  /** What a program is told of it. */
  get error(): RealtimeError {
    const { refusal, reason, retryAfter, cause } = this;
    return refusal ?? new NetworkError(reason, { retryAfter, cause });
  }

  /** Make one of what the server said: the fields of a `close` or of a refusal. */
  static byServer(fields: Readonly<Record<string, unknown>>): LinkLost {
    const [code, reason, facts] = said(fields);
    const details = "attach" in fields ? { ...facts.details, attach: fields.attach } : facts.details;
    const refusal = new Refused(code, reason, { ...facts, details }, Number(fields.number) || 0);
    return new LinkLost(refusal.reason, refusal.code, refusal);
  }
}

/** Return the loss that was thrown, or one made of whatever else was: a `code` for it, and what its reason begins with. */
export function asLost(error: unknown, code?: string, what = ""): LinkLost {
  if (error instanceof LinkLost) return error;
  if (error instanceof WireError) code = error.code;
  return new LinkLost(what + error, code, undefined, undefined, true, error);
}

/** What was agreed on in `welcome`. */
export interface Speech {
  codec: Codec;
  /** Messages in one frame at most; 1 when batching was not agreed on. */
  batch: number;
  /** Bytes of one frame at most. */
  maxSize: number;
  /** How long a request that fails is tried again before the link is given up, milliseconds. */
  patience: number;
}

/** What a link is given. */
export interface Context {
  readonly settings: Settings;
  /** Asked for; a text-only link uses JSON instead. */
  readonly codec: Codec;
  /** The session's counts and secret, which POSTs and polls name. */
  readonly line: ClientLine<Outgoing>;
  /** A frame came by the way down. Returns when it was taken. */
  frame(frame: Data): Promise<void> | void;
  /** The answer to a POST came: control items only. */
  aside(frame: Data): void;
  /** Bytes came, though no frame is complete. */
  heard(): void;
  /** The link has ended by itself. Called once. */
  lost(lost: LinkLost): void;
  /** The link is no longer busy. */
  drained(): void;
  /** Where messages come from: told of one that does not pass. */
  readonly outbox: Outbox;
}

/** One transport connection. */
export interface Link {
  readonly type: ConnectionType;
  /** Of the hello and of what comes before the welcome. */
  readonly codec: Codec;
  /** The transport says by itself what was received, so that no acks are needed. */
  readonly confirms: boolean;
  /** Bytes of an upload that is under way, behind which a ping waits. */
  readonly underway?: number;
  /** More waits here than should: `send` nothing until `drained` was called. */
  readonly busy: boolean;
  /** Connect and say hello. `hello` is called when it can be said at once: it holds counts. It may wait for code. */
  open(hello: () => Data | Promise<Data>): void;
  /** The welcome has come: speak like this from now on. */
  speak(speech: Speech): void;
  /** Send encoded messages, or parts of them; `place` is the count of the first. */
  send(pieces: readonly Piece[], place: number): void;
  /** Send one encoded control item, before messages that wait. */
  control(item: Data): void;
  /** Resolves when everything has left, or the link has ended. */
  flush(): Promise<void>;
  /** End it, with a last control item that should still leave, if any: also from a page that goes. Resolves when it has. */
  close(last?: Data): Promise<void> | void;
}
