/**
 * What is loaded beside the first connection: frames that are compressed, messages in parts, the climb to a better
 * transport. The first hello waits for it a moment and says what is there; without it a client does without.
 */

import { atMost } from "./timers.js";

/** Milliseconds for it to come. */
const MOMENT = 1000;

/** The code; `undefined` while it is not here. */
export let more: typeof import("./more.js") | undefined;

/** Fetch it. Resolves when it is here, or after a moment. */
export async function loadMore(): Promise<void> {
  const fetch = async () => {
    more = await import("./more.js");
  };
  if (!more) await atMost(MOMENT, fetch());
}
