/**
 * What a page hears of itself and of the network: online and offline, hidden and shown, frozen and thawed, its end.
 *
 * Everything here is advice. A page that gets none of these events, or a worker, works as well: only slower.
 */

import { LinkLost, type RealtimeClient } from "./core.js";
import type { Keeper } from "./resume.js";
import type { Session } from "./session.js";

type Page = Pick<RealtimeClient, "probe" | "pause" | "resume">;

/**
 * Listen; return how to end that.
 *
 * @param keeper where the session waits for the next page; without one it ends with the page.
 */
export function listen(client: Page, session: Session, keeper: Keeper | undefined): () => void {
  let gone = false;
  /** The network is another one, or the page is shown: an attempt that waits is worth making, a link worth probing. */
  const awake = () => client.probe();
  /** The page comes back as it was: thawed, or out of the back-forward cache. */
  const thaw = () => {
    keeper?.unpark();
    if (gone) client.resume();
    gone = false;
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
      // Who may be back says so: the others see it go after a grace, and not when its session is over.
      const [code, goodbye] = kept || keeper ? (["paused", "away"] as const) : (["bye", "bye"] as const);
      void session.end(session.link, new LinkLost("the page goes", code), goodbye);
      client.pause();
    },
    pageshow: (event) => (event as PageTransitionEvent).persisted && thaw(),
  };
  // What happens to the document is heard here on its way to it.
  const each = (change: "addEventListener" | "removeEventListener") => {
    for (const name in heard) globalThis[change]?.(name, heard[name] as EventListener, true);
    (globalThis.navigator as { connection?: EventTarget } | undefined)?.connection?.[change]?.("change", awake);
  };
  each("addEventListener");
  return () => each("removeEventListener");
}
