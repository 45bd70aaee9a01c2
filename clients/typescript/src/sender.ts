/** Senders: what a `send` or `request` goes through until its message is on the wire, and how it gives up. */

import type { Connector } from "./connector.js";
import { NotConnected, QueueFull, TimeoutError } from "./errors.js";
import type { Outgoing } from "./outgoing.js";
import type { Session } from "./session.js";
import type { Codec } from "./wire/format.js";

/** Brings messages into the session, and lets their senders feel how much it takes. */
export class Sender {
  /** @param _codec that messages are checked with before the first welcome. */
  constructor(
    private readonly _session: Session,
    private readonly _connector: Connector,
    private readonly _codec: Codec,
  ) {}

  /** Resolves when the message has left or is queued; with `confirm`, when the server has it. */
  async send(message: Outgoing, timeout: number, confirm: boolean): Promise<void> {
    const queued = this._submit(message);
    await this._patiently(this._finish(message, queued, confirm), message, timeout);
  }

  /** Resolves with the payload of the reply. */
  async request(message: Outgoing, timeout: number, signal: AbortSignal | undefined): Promise<unknown> {
    const { requests } = this._session;
    const reply = requests.add(message);
    try {
      const left = this._finish(message, this._submit(message), false);
      return await this._patiently(
        left.then(() => reply),
        message,
        timeout,
        signal,
      );
    } catch (error) {
      if (message.hasDeparted && (error instanceof TimeoutError || signal?.aborted)) {
        this._session.control("cancel", { id: message.id });
      }
      throw error;
    } finally {
      requests.discard(message);
    }
  }

  /** Queue a message. False if its sender must wait for that. */
  private _submit(message: Outgoing): boolean {
    const { state } = this._connector;
    if (state === "idle" || state === "stopped" || state === "closed") throw new NotConnected(`the client is ${state}`);
    this._session.check(message, this._codec);
    return this._enqueue(message);
  }

  private _enqueue(message: Outgoing): boolean {
    try {
      this._session.outbox.submit(message);
      return true;
    } catch (error) {
      if (!(error instanceof QueueFull) || !this._session.link) throw error;
      return false;
    }
  }

  private async _finish(message: Outgoing, queued: boolean, confirm: boolean): Promise<void> {
    while (!queued) {
      await this._session.outbox.room();
      if (message.withdrawn) return;
      queued = this._enqueue(message);
    }
    if (this._session.link) await message.departed();
    if (confirm) await message.confirmed();
  }

  /** Wait so long. A message that is still queued when its sender gives up is never sent. */
  private async _patiently<T>(work: Promise<T>, message: Outgoing, timeout: number, signal?: AbortSignal): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let abort: (() => void) | undefined;
    const given = new Promise<never>((_, reject) => {
      const giveUp = (error: unknown) => {
        message.withdrawn = true;
        reject(error);
      };
      timer = setTimeout(() => {
        const what = message.hasDeparted ? "it was sent and may have run" : "it was not sent";
        giveUp(new TimeoutError(`${message.type}: nothing within ${timeout} ms; ${what}`));
      }, timeout);
      abort = () => giveUp(signal?.reason);
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort);
    });
    work.catch(() => {});
    try {
      return await Promise.race([work, given]);
    } finally {
      clearTimeout(timer);
      if (abort) signal?.removeEventListener("abort", abort);
    }
  }
}
