/**
 * What a page hears of itself and of the network: online and offline, hidden and shown, frozen and thawed, its end.
 *
 * Everything here is advice. A page that gets none of these events, or a worker, works as well: only slower.
 */

import type { Connector } from "./connector.js";
import { LinkLost } from "./core.js";
import type { Keeper } from "./resume.js";
import type { Session } from "./session.js";

/**
 * Listen; return how to end that.
 *
 * @param keeper where the session waits for the next page; without one it ends with the page.
 */
export function listen(session: Session, connector: Connector, keeper: Keeper | undefined): () => void {
  let gone = false;
  /** The network is back, or the page is shown: an attempt that waits is worth making, a link worth probing. */
  const awake = () => {
    connector.retry();
    session.heartbeat.probe();
  };
  /** The page comes back as it was: thawed, or out of the back-forward cache. */
  const thaw = () => {
    gone = false;
    keeper?.unpark();
    awake();
  };
  const heard: Record<string, (event: Event) => void> = {
    online: awake,
    offline: () => session.heartbeat.probe(),
    visibilitychange: () => document.visibilityState === "visible" && awake(),
    // The page may never run again. One that has gone has parked already, and it may be the next one's by now.
    freeze: () => gone || keeper?.park(true),
    resume: thaw,
    // The page goes, perhaps into the back-forward cache: its link would only keep it out of that.
    pagehide: (event) => {
      const kept = (event as PageTransitionEvent).persisted;
      gone = true;
      keeper?.park(false);
      void session.end(session.link, new LinkLost("the page goes", kept ? undefined : "bye"), !kept && !keeper);
    },
    pageshow: (event) => (event as PageTransitionEvent).persisted && thaw(),
  };
  // What happens to the document is heard here on its way to it.
  const each = (change: "addEventListener" | "removeEventListener") => {
    for (const name in heard) globalThis[change]?.(name, heard[name] as EventListener, true);
  };
  each("addEventListener");
  return () => each("removeEventListener");
}
