/**
 * The codes that close a connection, and what a client does next.
 *
 * Rule: the *range* of a close number decides, so that a number which this table does not know is still obeyed:
 *
 *     4000-4099   resume   the connection is gone, the session is not: attach again, soon
 *     4100-4199   afresh   the session is gone: say hello without one
 *     4200-4299   stop     do not come back by yourself: a person or a program must change something
 *
 * `docs/codes.md` has the meanings; `tests/codes.test.ts` compares the numbers with the server's.
 */

/** What a client does after a close. */
export type Next = "resume" | "afresh" | "stop";

/** The names of each range (RFC 6455, section 7.4.2: private); the place in the list is the number. */
const RANGES: readonly (readonly [number, string])[] = [
  [
    4000,
    "going_away ping_timeout slow_consumer server_full too_many_greetings hello_timeout internal too_many_attaches " +
      "stale_attach stale_poll credentials_expired",
  ],
  [4100, "session_expired unknown_session malformed_frame session_closed evicted"],
  [
    4200,
    "superseded unauthenticated forbidden kicked unsupported_version bad_hello unsupported_codec origin_refused " +
      "message_too_big bye",
  ],
];

/** Close numbers by name. */
export const NUMBERS: Readonly<Record<string, number>> = Object.fromEntries(
  RANGES.flatMap(([first, names]) => names.split(" ").map((name, n) => [name, first + n])),
);

/** Say what a close number means for a client, also for numbers that no table knows. */
export function afterClose(number: number): Next {
  if (number >= 4100 && number < 4200) return "afresh";
  return number >= 4200 && number < 4300 ? "stop" : "resume";
}

/** Return the name of a close number; `undefined` for one that is not ours, such as 1006. */
export function nameOf(number: number): string | undefined {
  return Object.keys(NUMBERS).find((name) => NUMBERS[name] === number);
}
