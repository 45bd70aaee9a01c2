/**
 * Long polling: one POST waits for what the server has to say, upstream is `POST /rt/send`.
 *
 * Rule: each poll says what was received, and its answer begins there. So a poll whose answer was lost is simply asked
 * again; only the answer to the newest one counts, and there is never more than one.
 */

import type { Codec, Data } from "../wire/format.js";
import { bodyOf, persist, post } from "./http.js";
import { asLost, type Context, type Link, type Speech } from "./link.js";
import { Upstream } from "./upstream.js";

/** A `Link` made of polls. */
export class PollingLink implements Link {
  readonly type = "polling";
  readonly confirms = true;
  codec: Codec;
  private readonly _abort = new AbortController();
  private _upstream: Upstream | undefined;
  private _patience = 0;

  constructor(private readonly _context: Context) {
    this.codec = _context.codec;
  }

  get busy(): boolean {
    return this._upstream?.busy ?? true;
  }

  open(hello: () => Data): void {
    this._run(hello()).catch((error) => {
      if (!this._abort.signal.aborted) this._context.lost(asLost(error));
    });
  }

  speak(speech: Speech): void {
    this.codec = speech.codec;
    this._patience = speech.patience;
    this._upstream = new Upstream(this._context, speech);
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

  private async _run(hello: Data): Promise<void> {
    const { line, settings, frame } = this._context;
    const { signal } = this._abort;
    await frame(await this._ask(hello, signal));
    while (!signal.aborted && this._upstream && line.hears(this)) {
      const answer = await persist(
        // Each attempt anew: what was received meanwhile, by the answer to a POST or not at all, is said as it is then.
        (signal) =>
          this._ask(this.codec.encodeControl("poll", { ...this._upstream?.name, received: line.rewind() }), signal),
        this._patience,
        signal,
        settings.random,
      );
      if (signal.aborted) return;
      this._context.heard();
      if (answer.length) await frame(answer);
    }
  }

  private async _ask(body: Data, signal: AbortSignal): Promise<Data> {
    // No limit for the silence: how long a poll is held is the server's choice, and heartbeats find a dead one.
    const response = await post(this._context, "poll", body, this.codec, { signal });
    return bodyOf(response, this.codec, this._context.settings.limits.frame);
  }
}
