/**
 * Server-Sent Events, by POST: the hello is the body, the stream is the answer, upstream is `POST /rt/send`.
 *
 * Where `fetch` cannot stream, an XMLHttpRequest makes the same POST and hands over what has arrived so far. A plain
 * `EventSource` could not: it can say no hello, so every loss would be a new session.
 */

import type { Codec, Data } from "../wire/format.js";
import { post } from "./http.js";
import { asLost, type Context, type Link, LinkLost, type Speech } from "./link.js";
import { Upstream } from "./upstream.js";
import { stream } from "./xhr.js";

/**
 * Cuts text into the data of its events (WHATWG HTML, section 9.2.6). Pure; no I/O.
 *
 * @param maxSize characters of one event.
 */
export class EventStream {
  private _rest = "";
  private _data: string[] = [];
  private _size = 0;

  constructor(private readonly _maxSize: number) {}

  /**
   * Take text; return the events that are complete.
   *
   * @throws LinkLost: an event is larger than allowed.
   */
  feed(chunk: string): string[] {
    const events: string[] = [];
    const text = this._rest + chunk;
    // A CR at the very end may be the half of a line end.
    const end = text.endsWith("\r") ? text.length - 1 : text.length;
    const lines = text.slice(0, end).split(/\r\n|\r|\n/);
    this._rest = (lines.pop() as string) + text.slice(end);
    for (const line of lines) {
      if (line.startsWith("data:")) {
        const data = line.slice(line[5] === " " ? 6 : 5);
        this._data.push(data);
        this._size += data.length + 1;
      } else if (!line && this._data.length) {
        events.push(this._data.join("\n"));
        this._data = [];
        this._size = 0;
      }
    }
    if (this._size + this._rest.length > this._maxSize) {
      throw new LinkLost("message_too_big", `an event of more than ${this._maxSize} characters`);
    }
    return events;
  }
}

/** A `Link` whose way down is an event stream. Text only. */
export class SseLink implements Link {
  readonly type = "sse";
  readonly confirms = false;
  readonly codec: Codec;
  private readonly _abort = new AbortController();
  private _upstream: Upstream | undefined;

  constructor(private readonly _context: Context) {
    this.codec = _context.codec.binary ? _context.text : _context.codec;
  }

  get busy(): boolean {
    return this._upstream?.busy ?? true;
  }

  open(hello: () => Data): void {
    this._read(hello()).catch((error) => {
      if (!this._abort.signal.aborted) this._context.lost(asLost(error));
    });
  }

  speak(speech: Speech): void {
    this._upstream = new Upstream(this._context, { ...speech, codec: this.codec });
  }

  send(items: readonly Data[], place: number): void {
    this._upstream?.send(items, place);
  }

  control(item: Data): void {
    this._upstream?.control(item);
  }

  async flush(): Promise<void> {
    await this._upstream?.flush();
  }

  async close(last?: Data): Promise<void> {
    const said = this._upstream?.close(last);
    // The server takes a goodbye only by a connection that lives.
    if (last !== undefined) await said;
    this._abort.abort();
  }

  private async _read(hello: Data): Promise<void> {
    const { signal } = this._abort;
    const events = new EventStream(this._context.settings.limits.frame);
    const take = async (chunk: string) => {
      this._context.heard();
      for (const frame of events.feed(chunk)) {
        if (!signal.aborted) await this._context.frame(frame);
      }
    };
    // Whether the platform can stream at all, not whether this answer has a body.
    if (this._context.settings.fetch || "body" in Response.prototype) {
      const response = await post(this._context, "sse", hello, this.codec, { signal });
      const kind = response.headers.get("Content-Type") ?? "nothing";
      if (!kind.startsWith("text/event-stream") || !response.body) {
        throw new LinkLost("NETWORK_ERROR", `the answer is ${kind}, not an event stream`);
      }
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (let got = await reader.read(); !got.done; got = await reader.read()) {
        await take(decoder.decode(got.value, { stream: true }));
      }
    } else {
      await stream(this._context, hello as string, take, signal);
    }
    throw new LinkLost("NETWORK_ERROR", "the stream has ended");
  }
}
