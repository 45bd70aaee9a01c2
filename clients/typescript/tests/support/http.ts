/** The server's end of event streams, polls and POSTs, as the `fetch` of a client. */

import type { Fields, Said } from "./fake.js";

/** What a request said: its URL, and the items of its body. */
export interface Asked {
  url: URL;
  headers: Headers;
  items: Said[];
  /** Answer it: with a status and items, all at once. */
  answer(items: Said[], status?: number, headers?: Record<string, string>): void;
  /** Answer it with a stream. */
  stream(): { say(...items: Said[]): void; write(text: string): void; end(): void };
  fail(error?: Error): void;
  /** Answer it with anything. */
  respond(response: Response): void;
  signal: AbortSignal;
}

const encoder = new TextEncoder();
const lines = (items: Said[]) => items.map((item) => JSON.stringify(item)).join("\n");

/** Every request that a client has made and that is not answered yet, by the last part of its path. */
export class FakeHttp {
  readonly asked: Asked[] = [];

  readonly fetch: typeof fetch = (input, options = {}) =>
    new Promise((resolve, reject) => {
      const { body, headers, signal } = options;
      const url = new URL(String(input));
      const abort = () => reject(new DOMException("aborted", "AbortError"));
      signal?.addEventListener("abort", abort);
      this.asked.push({
        url,
        headers: new Headers(headers),
        items: String(body)
          .split("\n")
          .map((line) => JSON.parse(line)),
        answer: (items, status = 200, more = {}) => resolve(new Response(lines(items), { status, headers: more })),
        stream: () => {
          let controller: ReadableStreamDefaultController<Uint8Array>;
          const stream = new ReadableStream<Uint8Array>({ start: (made) => void (controller = made) });
          signal?.addEventListener("abort", () => controller.error(new DOMException("aborted", "AbortError")));
          resolve(new Response(stream, { headers: { "Content-Type": "text/event-stream" } }));
          const write = (text: string) => controller.enqueue(encoder.encode(text));
          return {
            write,
            say: (...items) => write(`data: ${lines(items).replaceAll("\n", "\ndata: ")}\n\n`),
            end: () => controller.close(),
          };
        },
        fail: (error = new TypeError("fetch failed")) => reject(error),
        respond: resolve,
        signal: signal as AbortSignal,
      });
    });

  /** Take the oldest request of a kind that waits; wait for one, if there is none. */
  async next(leaf: "sse" | "poll" | "send"): Promise<Asked> {
    for (let n = 0; n < 5000; n++) {
      const place = this.asked.findIndex(({ url }) => url.pathname.endsWith(`/${leaf}`));
      const [found] = place < 0 ? [] : this.asked.splice(place, 1);
      if (found) return found;
      await turn();
    }
    throw new Error(
      `no request for ${leaf}; there are ${this.asked.map(({ url }) => url.pathname).join(", ") || "none"}`,
    );
  }
}

const { setTimeout: after } = globalThis;

/** What streams, promises and imports have to do is done, or is under way. Not faked with the timers. */
export function turn(): Promise<void> {
  return new Promise((done) => after(done, 1));
}

/** Return the welcome that answers a hello. */
export function welcomeTo(asked: Asked, fields: Fields = {}): Said {
  const [name, hello] = asked.items[0] as [string, Fields];
  if (name !== "hello") throw new Error(`expected a hello, given ${name}`);
  const { attach, nonce, session = "s1", received } = hello;
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
  // Nobody here answers a ping by itself.
  return ["welcome", { ...answer, heartbeat: { interval: 3600, timeout: 3600 }, ...fields }];
}
