/**
 * Who wants which messages, or events.
 *
 * A pattern is an exact type (`"chat:message"`), a prefix (`"chat:*"`) or `"*"`. Everybody whose pattern matches is
 * called, in the order in which they asked, at once. What a callback throws, also later, harms nobody else.
 */

import { unexpected } from "./errors.js";

type Callback = (value: never) => unknown;

/** Say whether a pattern covers a type. */
export function matches(pattern: string, type: string): boolean {
  return pattern.endsWith("*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern;
}

/** Callbacks by pattern. */
export class Subscriptions {
  /** Nobody is called any more, until somebody wants it otherwise. */
  isMuted = false;
  private readonly _all = new Set<{ pattern: string; callback: Callback }>();

  /** Every pattern, once, the oldest first. */
  get patterns(): string[] {
    return [...new Set([...this._all].map((one) => one.pattern))];
  }

  /** Call `callback` with each value whose type matches; return how to end that. */
  add(pattern: string, callback: Callback): () => void {
    if (!pattern) throw unexpected("pattern", "a type, a prefix with * at its end, or *", pattern);
    const one = { pattern, callback };
    this._all.add(one);
    return () => this._all.delete(one);
  }

  /** Give a value to all whom it concerns; `failed` hears what they throw. False if it concerns nobody. */
  deliver(type: string, value: unknown, failed: (error: unknown) => void): boolean {
    const concerned = [...this._all].filter(({ pattern }) => matches(pattern, type));
    for (const one of concerned) {
      // One of those before it may have ended it, or everything.
      if (!this._all.has(one) || this.isMuted) continue;
      const { callback } = one;
      try {
        const result = callback(value as never);
        if (result instanceof Promise) result.catch(failed);
      } catch (error) {
        failed(error);
      }
    }
    return concerned.length > 0;
  }
}
