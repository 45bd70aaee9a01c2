/**
 * What a page hears of itself and of the network: online and offline, hidden and shown, frozen and thawed, its end.
 *
 * Everything here is advice. A page that gets none of these events, or a worker, works as well: only slower.
 */

import { LinkLost, type RealtimeClient } from "./core.js";
import type { Settings } from "./options.js";
import type { Keeper } from "./resume.js";
import type { Session } from "./session.js";
import { pageStore } from "./store.js";

type Page = Pick<RealtimeClient, "probe" | "pause" | "resume">;

/**
 * Take up what the page before has left, and listen; return how to end that.
 *
 * @param isHere the client still is: it may have been closed while code was loaded.
 */
export async function listen(
  client: Page,
  session: Session,
  { resume, base }: Settings,
  isHere: () => boolean,
): Promise<() => void> {
  const store = resume === true ? pageStore("sessionStorage") : resume;
  // Where the session waits for the next page; without that it ends with this one.
  let keeper: Keeper | undefined;
  try {
    if (store) {
      const { Keeper } = await import("./resume.js");
      keeper = new Keeper(store, `rtcore:session:${base}`, session.line);
      keeper.unpark();
    }
  } catch {
    // Its code cannot be had: the session is this page's alone.
  }
  if (!isHere()) return () => {};
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
