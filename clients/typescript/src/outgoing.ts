/** A message on its way out, and what its sender waits for. */

import { Deferred } from "./deferred.js";
import { type Codec, type Data, sizeOf } from "./wire/format.js";
import { Message, type MessageFields } from "./wire/message.js";

/**
 * A message with a fate.
 *
 *     queued ──counted out──▶ departed ──acknowledged──▶ confirmed        (`fail` from anywhere)
 */
export class Outgoing extends Message {
  /** Bytes of its wire form. */
  size = 0;
  /** It was counted out. */
  hasDeparted = false;
  /** Its sender gave up while it was queued; it is never sent. */
  withdrawn = false;
  private _departed: Deferred<void> | undefined;
  private _confirmed: Deferred<void> | undefined;
  private _failure: Error | undefined;
  private _isConfirmed = false;
  private _codec: Codec | undefined;
  private _data: Data = "";

  /** @param idempotent it may run twice: it is sent again when its outcome is unknown. */
  constructor(
    type: string,
    payload: unknown,
    fields: MessageFields,
    readonly idempotent = false,
  ) {
    super(type, payload, fields);
  }

  /**
   * Return its wire form, made once per codec.
   *
   * @throws TypeError: the payload holds something that the codec cannot express.
   */
  form(codec: Codec): Data {
    if (this._codec !== codec) {
      this._data = codec.encode(this);
      this._codec = codec;
      this.size = sizeOf(this._data);
    }
    return this._data;
  }

  depart(): void {
    this.hasDeparted = true;
    this._departed?.resolve();
  }

  confirm(): void {
    this._isConfirmed = true;
    this._confirmed?.resolve();
  }

  /** It will not be confirmed. False if nobody waits to hear that. */
  fail(error: Error): boolean {
    this._failure = error;
    this._departed?.reject(error);
    this._confirmed?.reject(error);
    return !!(this._confirmed ?? (this.hasDeparted ? undefined : this._departed));
  }

  /** There is no link to wait for: its sender goes on, and it stays queued. */
  release(): void {
    this._departed?.resolve();
    this._departed = undefined;
  }

  /** It goes back to where it waits. */
  requeue(): void {
    this.hasDeparted = this._isConfirmed = false;
  }

  /** Wait until it was counted out, or failed, or there is no link to wait for. */
  async departed(): Promise<void> {
    if (this._failure) throw this._failure;
    if (!this.hasDeparted) await (this._departed ??= new Deferred()).promise;
  }

  /** Wait until the server has received it, or it failed. */
  async confirmed(): Promise<void> {
    if (this._failure) throw this._failure;
    if (!this._isConfirmed) await (this._confirmed ??= new Deferred()).promise;
  }
}
