/** Events of the client itself: who wants to hear of them, and what they carry. */

import { CallbackError, type RealtimeError } from "./errors.js";
import type { ConnectionInfo } from "./info.js";
import type { ConnectionType } from "./options.js";
import type { Quality } from "./quality.js";
import { Subscriptions } from "./subscriptions.js";

/** Messages from the server that will never arrive. */
export interface Gap {
  /** Why: a reason of a drop, or why a session was not resumed. */
  reason: string;
  /** How many; 0 if nobody knows. */
  n: number;
  /** Of which room, if they were all of one. */
  room?: string | undefined;
}

/** What a callback is called with. */
export interface ClientEvents {
  /** The first welcome of a session. */
  connect: ConnectionInfo;
  /** A welcome after a disconnect; `resumed` says whether the session went on. */
  reconnect: ConnectionInfo;
  /** A code, such as `going_away`, `ping_timeout`, `NETWORK_ERROR`, `bye`. */
  disconnect: string;
  /** The transport that carries the session from now on. */
  transport: ConnectionType;
  /** The quality, when it changes. */
  quality: Quality;
  /** Messages that will never arrive. */
  gap: Gap;
  /** The state, when it changes. */
  state: ConnectionInfo["state"];
  /** What no caller is there to be told of. */
  error: RealtimeError;
}

/** Callbacks by event. One that throws becomes an `error`; it never harms the client. */
export class Events {
  /** The program has closed the client: then only `state`, `disconnect` and `error` are told. */
  isClosed = false;
  private readonly _callbacks = new Subscriptions();

  /** Call `callback` at each such event; return how to end that. */
  on<E extends keyof ClientEvents>(event: E, callback: (value: ClientEvents[E]) => unknown): () => void {
    return this._callbacks.add(event, callback);
  }

  /** Call everybody who wants to hear of this. An error that nobody wants to hear of goes to the console. */
  emit<E extends keyof ClientEvents>(event: E, value: ClientEvents[E]): void {
    if (this.isClosed && !/^(state|disc|err)/.test(event)) return;
    if (event !== "error") this._callbacks.deliver(event, value, this.failed);
    else if (!this._callbacks.deliver(event, value, (error) => console.error("rtcore: an error callback threw", error)))
      console.warn("rtcore:", value);
  }

  /** A callback threw this. */
  readonly failed = (error: unknown): void => this.emit("error", new CallbackError(error));
}
