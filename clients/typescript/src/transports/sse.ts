/**
 * Server-Sent Events, by POST: the hello is the body, the stream is the answer, upstream is `POST /rt/send`.
 *
 * Where `fetch` cannot stream, an XMLHttpRequest makes the same POST and hands over what has arrived so far. A plain
 * `EventSource` could not: it can say no hello, so it has no token and does not say what it has; see docs/architecture.md.
 */

import { type Context, type Data, JSON_CODEC, LinkLost } from "../core.js";
import { post } from "./http.js";
import { PostingLink } from "./posting.js";
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
      throw new LinkLost(`an event of more than ${this._maxSize} characters`, "message_too_big");
    }
    return events;
  }
}

/** A `Link` whose way down is an event stream. Text only. */
export class SseLink extends PostingLink {
  readonly type = "sse";
  readonly confirms = false;

  constructor(context: Context) {
    super(context, context.codec.binary ? JSON_CODEC : context.codec);
  }

  protected override async _run(hello: Data | Promise<Data>): Promise<void> {
    const { settings, heard, frame } = this._context;
    const { signal } = this._abort;
    const events = new EventStream(settings.limits.frame);
    const take = async (chunk: string) => {
      heard();
      for (const event of events.feed(chunk)) if (!signal.aborted) await frame(event);
    };
    // Whether the platform can stream at all, not whether this answer has a body.
    if (settings.fetch || "body" in Response.prototype) {
      const response = await post(this._context, "sse", await hello, this.codec, { signal });
      const kind = response.headers.get("Content-Type") ?? "nothing";
      if (!kind.startsWith("text/event-stream") || !response.body) {
        throw new LinkLost(`the answer is ${kind}, not an event stream`);
      }
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      for (let got = await reader.read(); !got.done; got = await reader.read()) {
        await take(decoder.decode(got.value, { stream: true }));
      }
    } else {
      await stream(this._context, (await hello) as string, take, signal);
    }
    throw new LinkLost("the stream has ended");
  }
}
