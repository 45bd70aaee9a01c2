/**
 * What a client does after a close, or when it was refused.
 *
 * Rule: the *range* of a close number decides, so that a number which this version does not know is still obeyed:
 *
 *     4000-4099   resume   the connection is gone, the session is not: attach again, soon
 *     4100-4199   afresh   the session is gone: say hello without one
 *     4200-4299   stop     do not come back by yourself: a person or a program must change something
 *
 * A refusal over HTTP has no number: then the name decides, and one that is not here means resume. `docs/codes.md` has
 * the meanings; `tests/vectors.test.ts` compares the names with the server's.
 */

/** What a client does after a close. */
export type Next = "resume" | "afresh" | "stop";

const AFRESH = "session_expired unknown_session malformed_frame session_closed evicted";
const STOP =
  "superseded unauthenticated forbidden kicked unsupported_version bad_hello unsupported_codec origin_refused host_refused " +
  "message_too_big bye";

/** Say what a close means for a client; `number` is 0 if there is none. */
export function afterClose(code: string, number: number): Next {
  const range = number
    ? Math.floor(number / 100)
    : [AFRESH, STOP].findIndex((names) => names.split(" ").includes(code)) + 41;
  return range === 41 ? "afresh" : range === 42 ? "stop" : "resume";
}
