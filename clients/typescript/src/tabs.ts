/**
 * One connection for all tabs of a browser.
 *
 *     new RealtimeClient({ url: "/rt", shared: tabs({ key: user.id }) })
 *
 * One tab leads: it has the connection, and the others talk through it. When it is closed, crashes or sleeps another one
 * goes on with the same session. `docs/client-typescript.md` says what is shared, and what each tab has for itself.
 */

import { Connector, type Parts, RealtimeError, unexpected } from "./core.js";
import type { Sharing } from "./options.js";
import { lacks, type Platform } from "./tabs/platform.js";
import { VERSION } from "./tabs/posts.js";
import { Sharer } from "./tabs/sharer.js";

/** Who shares with whom. */
export interface TabsOptions {
  /**
   * Names the identity that the connection has: tabs share one if their URLs and their keys agree. Needed with a token or
   * headers, which may differ from tab to tab: the user's id is a good one.
   */
  key?: string;
}

/** What `tabs()` makes. */
export interface Tabs extends Sharing {
  /** End the session of all tabs, as at a logout: each tab's client is stopped, with the code `bye`. */
  end(): Promise<void>;
}

/** @internal Share with the tabs of this platform: a browser, or a test's. */
export function tabsOf(platform: Platform, { key }: TabsOptions = {}): Tabs {
  const sharers = new Set<Sharer>();
  return {
    make(...parts) {
      const [, , { base, codec, authentication }, events] = parts as Parts;
      const { token, headers } = authentication;
      const text = 'a `key`, such as the user\'s id, beside a token or headers: tabs({ key: "…" })';
      if (key === undefined ? token || headers : typeof key !== "string" || !key) throw unexpected("shared", text, key);
      const missing = lacks(platform);
      if (missing) {
        const reason = `no ${missing} here: this tab has a connection of its own`;
        queueMicrotask(() => events.emit("error", new RealtimeError("not_shared", reason)));
        return new Connector(...parts);
      }
      const sharer = new Sharer(platform, `rtcore:${VERSION}:${base}:${codec?.name ?? "json"}:${key ?? ""}`, parts);
      sharers.add(sharer);
      return sharer;
    },
    async end() {
      await [...sharers].find((sharer) => sharer.isOpen)?.end();
    },
  };
}

/** Share one connection with the other tabs of this browser. */
export function tabs(options?: TabsOptions): Tabs {
  return tabsOf(globalThis as unknown as Platform, options);
}
