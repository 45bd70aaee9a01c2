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

/** Close numbers by name (RFC 6455, section 7.4.2: the private range). */
export const NUMBERS: Readonly<Record<string, number>> = {
  going_away: 4000,
  ping_timeout: 4001,
  slow_consumer: 4002,
  server_full: 4003,
  too_many_greetings: 4004,
  hello_timeout: 4005,
  internal: 4006,
  too_many_attaches: 4007,
  stale_attach: 4008,
  stale_poll: 4009,
  credentials_expired: 4010,
  session_expired: 4100,
  unknown_session: 4101,
  malformed_frame: 4102,
  session_closed: 4103,
  evicted: 4104,
  superseded: 4200,
  unauthenticated: 4201,
  forbidden: 4202,
  kicked: 4203,
  unsupported_version: 4204,
  bad_hello: 4205,
  unsupported_codec: 4206,
  origin_refused: 4207,
  message_too_big: 4208,
  bye: 4209,
};

/** Say what a close number means for a client, also for numbers that no table knows. */
export function afterClose(number: number): Next {
  if (number >= 4100 && number < 4200) return "afresh";
  return number >= 4200 && number < 4300 ? "stop" : "resume";
}

/** Return the name of a close number; `undefined` for one that is not ours, such as 1006. */
export function nameOf(number: number): string | undefined {
  return Object.keys(NUMBERS).find((name) => NUMBERS[name] === number);
}
