/**
 * What a page hears of itself and of the network: online and offline, hidden and shown, frozen and thawed, its end.
 *
 * Everything here is advice. A page that gets none of these events, or a worker, works as well: only slower.
 */

/** What a client does about it. */
export interface Reactions {
  /** The network is back, or the page is shown again: an attempt that waits is worth making, a link worth probing. */
  awake(): void;
  /** The network is gone, they say: see whether the link is. */
  doubt(): void;
  /** The page may never run again; it may also come back: `thaw`. */
  freeze(): void;
  /** The page comes back as it was: out of the back-forward cache, or thawed. */
  thaw(): void;
  /** The page goes. `kept`: into the back-forward cache, from which it may come back. */
  leave(kept: boolean): void;
}

/** Listen; return how to end that. Without a page or a worker there is nothing to listen to. */
export function listen(reactions: Reactions): () => void {
  if (typeof addEventListener !== "function") return () => {};
  const page = typeof document === "undefined" ? undefined : document;
  const heard: [EventTarget, string, (event: Event) => void][] = [
    [globalThis as unknown as EventTarget, "online", reactions.awake],
    [globalThis as unknown as EventTarget, "offline", reactions.doubt],
  ];
  if (page) {
    heard.push(
      [page, "visibilitychange", () => page.visibilityState === "visible" && reactions.awake()],
      [page, "freeze", reactions.freeze],
      [page, "resume", reactions.thaw],
      [
        globalThis as unknown as EventTarget,
        "pagehide",
        (event) => reactions.leave((event as PageTransitionEvent).persisted),
      ],
      [
        globalThis as unknown as EventTarget,
        "pageshow",
        (event) => (event as PageTransitionEvent).persisted && reactions.thaw(),
      ],
    );
  }
  for (const [target, name, callback] of heard) target.addEventListener(name, callback);
  return () => {
    for (const [target, name, callback] of heard) target.removeEventListener(name, callback);
  };
}

/** Return a store of the page's; `null` where there is none, or it may not be used. */
export function pageStore(name: "localStorage" | "sessionStorage"): Storage | null {
  try {
    return typeof document === "undefined" ? null : globalThis[name];
  } catch {
    return null;
  }
}
