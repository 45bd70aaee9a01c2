/**
 * A browser with tabs, in one process: locks, channels and sockets as pages have them. A tab can be killed, put to sleep with
 * or without being told, and woken up; what it is sent meanwhile waits for it, or is lost with it. For fake timers.
 */

import type { WebSocketLike } from "../../src/index.js";
import type { Channel, Platform } from "../../src/tabs/platform.js";

/** What is at the other end of a socket. */
export interface Peer {
  opened(socket: SimSocket): void;
  said(socket: SimSocket, frame: string): void;
  closed(socket: SimSocket): void;
}

/** All of it. */
export class Browser {
  readonly tabs: Tab[] = [];
  readonly locks = new Map<string, LockQueue>();
  private number = 0;

  /** @param random decides how long everything takes, a few milliseconds. */
  constructor(
    readonly random: () => number,
    readonly peer: Peer,
  ) {}

  open(): Tab {
    const tab = new Tab(this, `tab${++this.number}`);
    this.tabs.push(tab);
    return tab;
  }

  /** Everything in its order, by a way of its own for each pair of ends. */
  pipe(): (deliver: () => void) => void {
    const waiting: (() => void)[] = [];
    let at = 0;
    return (deliver) => {
      const now = performance.now();
      at = Math.max(at, now + this.random() * 4);
      waiting.push(deliver);
      setTimeout(() => waiting.shift()?.(), at - now);
    };
  }
}

/** One page. */
export class Tab {
  state: "awake" | "asleep" | "dead" = "awake";
  isHidden = false;
  readonly channels = new Set<SimChannel>();
  readonly sockets = new Set<SimSocket>();
  readonly platform: Platform;
  readonly WebSocket: new (
    url: string,
  ) => WebSocketLike;
  private readonly events = new EventTarget();
  private waiting: (() => void)[] = [];

  constructor(
    readonly browser: Browser,
    readonly id: string,
  ) {
    const tab = this;
    this.WebSocket = class extends SimSocket {
      constructor(url: string) {
        super(tab, url);
      }
    };
    this.platform = {
      BroadcastChannel: class extends SimChannel {
        constructor(name: string) {
          super(tab, name);
        }
      },
      navigator: { locks: simLocks(tab) },
      addEventListener: this.events.addEventListener.bind(this.events) as never,
      removeEventListener: this.events.removeEventListener.bind(this.events) as never,
    };
  }

  /** Something happens to the page: now, when it wakes up, or never. */
  task(happen: () => void): void {
    if (this.state === "awake") happen();
    else if (this.state === "asleep") this.waiting.push(happen);
  }

  /** It does not run any more until `wake`. `told`: it hears of that before. */
  sleep(told: boolean): void {
    if (told) this.events.dispatchEvent(new Event("freeze"));
    this.state = "asleep";
  }

  wake(told: boolean): void {
    this.state = "awake";
    if (told) this.events.dispatchEvent(new Event("resume"));
    for (const happen of this.waiting.splice(0)) this.task(happen);
  }

  /** It is put into the back-forward cache, or thrown away. */
  hide(persisted: boolean): void {
    this.isHidden = true;
    this.events.dispatchEvent(Object.assign(new Event("pagehide"), { persisted }));
  }

  show(): void {
    this.isHidden = false;
    this.events.dispatchEvent(Object.assign(new Event("pageshow"), { persisted: true }));
  }

  /** It is gone, in the middle of whatever it did. */
  crash(): void {
    this.state = "dead";
    for (const channel of this.channels) channel.close();
    for (const socket of this.sockets) socket.cut();
    for (const queue of this.browser.locks.values()) queue.drop(this);
  }
}

class SimChannel implements Channel {
  onmessage: ((event: MessageEvent) => void) | null = null;
  private readonly pipes = new Map<SimChannel, (deliver: () => void) => void>();

  constructor(
    private readonly tab: Tab,
    private readonly name: string,
  ) {
    tab.channels.add(this);
  }

  postMessage(post: unknown): void {
    const data = structuredClone(post);
    // The timers of a tab that sleeps are not ours to stop; what they do is done when it wakes up.
    this.tab.task(() => this.post(data));
  }

  private post(data: unknown): void {
    if (!this.tab.channels.has(this)) return;
    for (const other of this.tab.browser.tabs) {
      for (const channel of other.channels) {
        if (channel === this || channel.name !== this.name) continue;
        let pipe = this.pipes.get(channel);
        if (!pipe) this.pipes.set(channel, (pipe = this.tab.browser.pipe()));
        pipe(() => other.task(() => channel.hear(data)));
      }
    }
  }

  close(): void {
    this.tab.channels.delete(this);
  }

  private hear(data: unknown): void {
    if (this.tab.channels.has(this)) this.onmessage?.({ data } as MessageEvent);
  }
}

/** Who holds a lock, and who waits. */
interface Wait {
  tab: Tab;
  grant: () => Promise<unknown>;
  refuse: (error: Error) => void;
}

class LockQueue {
  holder: Wait | undefined;
  readonly waiting: Wait[] = [];

  add(wait: Wait, steal: boolean): void {
    if (steal) {
      const old = this.holder;
      this.holder = undefined;
      this.waiting.unshift(wait);
      old?.tab.task(() => old.refuse(new DOMException("stolen", "AbortError")));
    } else this.waiting.push(wait);
    this.next();
  }

  drop(tab: Tab): void {
    this.waiting.splice(0, this.waiting.length, ...this.waiting.filter((wait) => wait.tab !== tab));
    if (this.holder?.tab !== tab) return;
    this.holder = undefined;
    this.next();
  }

  release(wait: Wait): void {
    const place = this.waiting.indexOf(wait);
    if (place >= 0) this.waiting.splice(place, 1);
    if (this.holder !== wait) return;
    this.holder = undefined;
    this.next();
  }

  private next(): void {
    if (this.holder) return;
    const wait = (this.holder = this.waiting.shift());
    if (!wait) return;
    setTimeout(() => wait.tab.task(() => void wait.grant().finally(() => this.release(wait))), 1);
  }
}

function simLocks(tab: Tab): Pick<LockManager, "request" | "query"> {
  const { locks } = tab.browser;
  return {
    request: ((name: string, options: LockOptions, callback: () => Promise<unknown>) =>
      new Promise((resolve, reject) => {
        let queue = locks.get(name);
        if (!queue) locks.set(name, (queue = new LockQueue()));
        const wait: Wait = {
          tab,
          refuse: reject,
          grant: async () => {
            const result = callback();
            result.then(resolve, reject);
            await result;
          },
        };
        options.signal?.addEventListener("abort", () => {
          if (queue.waiting.includes(wait)) reject(new DOMException("aborted", "AbortError"));
          if (queue.waiting.includes(wait)) queue.release(wait);
        });
        if (tab.state !== "dead") queue.add(wait, !!options.steal);
      })) as never,
    query: async () => {
      await new Promise<void>((done) => setTimeout(() => tab.task(done), 1));
      const held = [...locks].flatMap(([name, { holder }]) => (holder ? [{ name, clientId: holder.tab.id }] : []));
      return { held, pending: [] } as unknown as LockManagerSnapshot;
    },
  };
}

/** A WebSocket of a tab. */
export class SimSocket implements WebSocketLike {
  binaryType = "";
  bufferedAmount = 0;
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  private readonly up: (deliver: () => void) => void;
  private readonly down: (deliver: () => void) => void;
  private isCut = false;

  constructor(
    readonly tab: Tab,
    readonly url: string,
  ) {
    this.up = tab.browser.pipe();
    this.down = tab.browser.pipe();
    if (tab.state === "dead") return;
    tab.sockets.add(this);
    this.down(() => {
      if (this.isCut) return;
      tab.task(() => {
        this.readyState = 1;
        tab.browser.peer.opened(this);
        this.onopen?.({} as never);
      });
    });
  }

  send(data: string | ArrayBufferView): void {
    this.tab.task(() => this.up(() => this.isCut || this.tab.browser.peer.said(this, data as string)));
  }

  close(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    // What was written before arrives before the end.
    this.up(() => this.cut());
  }

  // -- the server's end ---------------------------------------------------------------------------------------------

  say(frame: string): void {
    this.down(() => this.isCut || this.tab.task(() => this.onmessage?.({ data: frame } as never)));
  }

  /** The server ends it. */
  end(code: number, reason: string): void {
    this.down(() => {
      this.tab.task(() => {
        this.readyState = 3;
        this.onclose?.({ code, reason } as never);
      });
      this.cut(false);
    });
  }

  /** The cable is cut: what is on its way is lost, or has just arrived. */
  cut(tells = true): void {
    if (this.isCut) return;
    this.isCut = true;
    this.tab.sockets.delete(this);
    this.tab.browser.peer.closed(this);
    if (!tells) return;
    this.tab.task(() => {
      this.readyState = 3;
      this.onclose?.({ code: 1006, reason: "" } as never);
    });
  }
}
