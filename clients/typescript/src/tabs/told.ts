/** Errors on their way from one tab to another, which is another world: classes do not travel. */

import { NetworkError, RealtimeError, Refused, RequestError, Suspended } from "../core.js";
import type { Told } from "./posts.js";

/** A close number of each range that says the same of what to do next; `docs/codes.md`. */
const NUMBERS = { resume: 4000, afresh: 4100, stop: 4200 };

/** Return what can be posted of an error. */
export function tell(error: unknown): Told {
  const { code, reason, retry, retryAfter, details } =
    error instanceof RealtimeError ? error : new RealtimeError("internal", String(error));
  const kind =
    error instanceof Refused
      ? error.next
      : error instanceof Suspended
        ? "suspended"
        : error instanceof NetworkError
          ? "network"
          : error instanceof RequestError
            ? "request"
            : "";
  return { kind, code, reason, retry, retryAfter, details };
}

/** Make the error again. */
export function hearOf({ kind, code, reason, retry, retryAfter, details }: Told): RealtimeError {
  const facts = { retry, retryAfter, details };
  if (kind in NUMBERS) return new Refused(code, reason, facts, NUMBERS[kind as keyof typeof NUMBERS]);
  if (kind === "suspended") return new Suspended(reason, facts);
  if (kind === "network") return new NetworkError(reason, facts, code);
  return new (kind === "request" ? RequestError : RealtimeError)(code, reason, facts);
}
