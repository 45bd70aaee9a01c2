/**
 * Who wants which messages.
 *
 * A pattern is an exact type (`"chat:message"`), a prefix (`"chat:*"`) or `"*"`. Everybody whose pattern matches gets the
 * message, in the order in which it was sent, at once.
 */

import type { Message } from "./wire/message.js";

type Callback = (message: Message) => unknown;

/** Say whether a pattern covers a message type. */
export function matches(pattern: string, type: string): boolean {
  return pattern.endsWith("*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
}

/** All of a client. */
export class Subscriptions {
  private readonly _all = new Set<{ pattern: string; callback: Callback }>();

  /** Every pattern, once, the oldest first. */
  get patterns(): string[] {
    return [...new Set([...this._all].map((one) => one.pattern))];
  }

  /** Call `callback` with each message that matches; return how to end that. */
  add(pattern: string, callback: Callback): () => void {
    if (!pattern) throw new TypeError("pattern: expected a message type, a prefix with * at its end, or *");
    const one = { pattern, callback };
    this._all.add(one);
    return () => this._all.delete(one);
  }

  /** Give one message to all whom it concerns. */
  deliver(message: Message, call: (callback: Callback, message: Message) => void): void {
    for (const { pattern, callback } of [...this._all]) if (matches(pattern, message.type)) call(callback, message);
  }
}
