/** A message on its way out, and who waits for what becomes of it. */

import { Deferred } from "./deferred.js";
import { unexpected } from "./errors.js";
import { type Codec, type Data, sizeOf } from "./wire/format.js";
import { Message, type MessageFields, odd, PRIORITIES } from "./wire/message.js";

/** How far a message has come: it waits for room in the queue. From anywhere it may fail. */
export const WAITING = 0;
/** It has a place in the queue. */
export const QUEUED = 1;
/** Counted out. */
export const DEPARTED = 2;
/** The server has it. */
export const CONFIRMED = 3;
/** The reply is there. */
export const ANSWERED = 4;

/** What a message is, and what may become of it. */
export interface OutgoingOptions extends MessageFields {
  /** It may run twice: it is sent again when its outcome is unknown. */
  idempotent?: boolean | undefined;
  /** It leaves before everything that waits, in this session or not at all. */
  first?: boolean | undefined;
}

/** A message with a fate. */
export class Outgoing extends Message {
  /** Bytes of its wire form. */
  size = 0;
  stage = WAITING;
  /** Its place in the count, once it has departed. */
  place = -1;
  /** What parts of it call it. */
  of: string | undefined;
  /** It cannot pass: something else stands in its place. */
  isBlank = false;
  /** Why it comes no further. */
  failure: Error | undefined;
  private _waiting: [stage: number, Deferred<unknown>][] = [];
  private _codec: Codec | undefined;
  private _data: Data = "";

  constructor(
    type: string,
    payload: unknown,
    readonly options: OutgoingOptions,
  ) {
    super(type, payload, options);
  }

  /** @throws TypeError: no server takes it; the text names the field. */
  check(): void {
    const field = odd(this as unknown as Record<string, unknown>);
    if (!field) return;
    const text = `text of 1 to ${field === "type" ? 128 : 256} characters, none of them half`;
    const expected = { priority: PRIORITIES, version: "a whole number" }[field] ?? text;
    throw unexpected(field, expected, JSON.stringify(this[field as keyof this])?.slice(0, 200));
  }

  /**
   * Return its wire form, made once per codec.
   *
   * @throws TypeError: the payload holds something that the codec cannot express.
   */
  form(codec: Codec): Data {
    if (this._codec !== codec) {
      this._data = codec.encode(this.isBlank ? ({ type: "" } as Message) : this);
      this._codec = codec;
      this.size = sizeOf(this._data);
      this.of = undefined;
    }
    return this._data;
  }

  /** Return what takes its place from now on: a nameless message, which counts, and which the server refuses. */
  blank(codec: Codec): Data {
    this.isBlank = true;
    this._codec = undefined;
    return this.form(codec);
  }

  /** Resolves when it has come so far, with the reply if that was asked for; rejects when it fails. */
  async wait(stage: number): Promise<unknown> {
    if (this.failure) throw this.failure;
    if (this.stage >= stage) return undefined;
    const deferred = new Deferred<unknown>();
    this._waiting.push([stage, deferred]);
    return deferred.promise;
  }

  /** It has come so far. */
  reach(stage: number, reply?: unknown): void {
    this.stage = Math.max(stage, this.stage);
    this.release(stage, reply);
  }

  /** Who waits for this stage goes on, wherever it is: it stays queued while there is no link. */
  release(stage: number, reply?: unknown): void {
    this._waiting = this._waiting.filter(([awaited, deferred]) => awaited > stage || deferred.resolve(reply));
  }

  /** It comes no further. False if nobody waits to hear that. */
  fail(error: Error): boolean {
    if (this.failure) return true;
    this.failure = error;
    const waiting = this._waiting.splice(0);
    for (const [, deferred] of waiting) deferred.reject(error);
    return waiting.length > 0;
  }
}
