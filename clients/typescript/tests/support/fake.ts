/** A network without bytes: sockets whose other end is the test, and a client on them. For fake timers. */

import { vi } from "vitest";
import { loadMore } from "../../src/beside.js";
import type { AnyMessages, ClientOptions, WebSocketConstructor, WebSocketLike } from "../../src/index.js";
import { RealtimeClient } from "../../src/index.js";

// A hello waits for it a moment, by a clock that is not faked.
await loadMore();

export type Fields = Record<string, unknown>;
/** A control item, or the fields of a message. */
export type Said = [string, Fields] | (Fields & { type: string });

/** One WebSocket, from the server's end. */
export class FakeSocket implements WebSocketLike {
  binaryType = "";
  bufferedAmount = 0;
  readyState = 0;
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly frames: string[] = [];

  constructor(readonly url: string) {}

  send(data: string | ArrayBufferView): void {
    this.frames.push(data as string);
  }

  close(): void {
    this.drop(1000);
  }

  // -- what the server does -----------------------------------------------------------------------------------------

  /** Everything that the client has said. */
  get items(): Said[] {
    return this.frames.flatMap((frame) => frame.split("\n").map((line) => JSON.parse(line)));
  }

  /** The messages among it, or those of one type. */
  messages(type?: string): Fields[] {
    return this.items.filter(
      (item): item is Fields & { type: string } => !Array.isArray(item) && item.type === (type ?? item.type),
    );
  }

  /** The fields of the control items of one name. */
  control(name: string): Fields[] {
    return this.items
      .filter((item): item is [string, Fields] => Array.isArray(item) && item[0] === name)
      .map((item) => item[1]);
  }

  /** The upgrade is there: the client says hello. */
  open(): void {
    this.readyState = 1;
    this.onopen?.({} as never);
  }

  /** The fields of its hello. */
  get hello(): Fields {
    return this.control("hello")[0] as Fields;
  }

  say(...items: Said[]): void {
    this.onmessage?.({ data: items.map((item) => JSON.stringify(item)).join("\n") } as never);
  }

  /** Open, and welcome the client to the session that it names, or to `s1`. */
  welcome(fields: Fields = {}, ...more: Said[]): void {
    if (this.readyState !== 1) this.open();
    const { attach, nonce, session = "s1", received } = this.hello;
    const answer = {
      attach,
      nonce,
      session,
      secret: `secret-${attach}`,
      resumed: attach !== 1,
      received: 0,
      from: "session" in fields || fields.reason === "reset" ? 0 : (received ?? 0),
      rooms: true,
    };
    this.say(["welcome", { ...answer, ...fields }], ...more);
  }

  /** The connection is gone. */
  drop(code = 1006, reason = ""): void {
    this.readyState = 3;
    this.onclose?.({ code, reason } as never);
  }
}

/** Every socket that a client has opened, the oldest first. */
export class FakeNetwork {
  readonly sockets: FakeSocket[] = [];
  readonly WebSocket: WebSocketConstructor;

  constructor() {
    const { sockets } = this;
    this.WebSocket = class extends FakeSocket {
      constructor(url: string) {
        super(url);
        sockets.push(this);
      }
    };
  }

  get last(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("nobody has opened a socket");
    return socket;
  }

  /** A client that has nothing but WebSocket, and no luck: its pauses are the middle of what they may be. */
  client<M extends object = AnyMessages>(options: Partial<ClientOptions> = {}): RealtimeClient<M> {
    const client = new RealtimeClient<M>({
      url: "http://server.test/rt",
      webSocket: this.WebSocket,
      fallbackTypes: [],
      memory: null,
      random: () => 0.5,
      ...options,
    });
    // What nobody wants to hear of goes to the console, which is for those who run the tests.
    client.on("error", () => {});
    return client;
  }

  /** The same, welcomed. */
  async connected<M extends object = AnyMessages>(
    options: Partial<ClientOptions> = {},
    welcome: Fields = {},
  ): Promise<RealtimeClient<M>> {
    const client = this.client<M>(options);
    const connecting = client.connect();
    await settled();
    this.last.welcome(welcome);
    await connecting;
    return client;
  }
}

/** Everything that can happen without time passing has happened. For fake timers. */
export async function settled(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

/** What a client was told by its events. */
export function record(client: RealtimeClient): { [event: string]: unknown[] } {
  const told: { [event: string]: unknown[] } = {};
  for (const event of [
    "connect",
    "reconnect",
    "disconnect",
    "transport",
    "quality",
    "gap",
    "state",
    "error",
  ] as const) {
    const values: unknown[] = [];
    told[event] = values;
    client.on(event, (value: unknown) => values.push(value));
  }
  return told;
}
