/** What a page keeps for the next one. */

/** Return a store of the page's; `null` where there is none, or it may not be used. */
export function pageStore(name: "localStorage" | "sessionStorage"): Storage | null {
  try {
    // Some servers' runtimes have one, too, which all their clients would share.
    return globalThis.document ? globalThis[name] : null;
  } catch {
    return null;
  }
}
