/**
 * Long polling: one POST waits for what the server has to say, upstream is `POST /rt/send`.
 *
 * Rule: each poll says what was received, and its answer begins there. So a poll whose answer was lost, or cut in its
 * middle, is simply asked again; only the answer to the newest one counts, and there is never more than one.
 */

import type { Context, Data } from "../core.js";
import { follow, persist, post } from "./http.js";
import { PostingLink } from "./posting.js";

/** A `Link` made of polls. */
export class PollingLink extends PostingLink {
  readonly type = "polling";
  readonly confirms = true;

  constructor(context: Context) {
    super(context, context.codec);
  }

  protected override async _run(hello: Data | Promise<Data>): Promise<void> {
    const { line, settings } = this._context;
    const { signal } = this._abort;
    await this._ask(await hello, signal);
    while (!signal.aborted && this._upstream && line.hears(this)) {
      await line.settled?.();
      // Each attempt anew: what was received meanwhile, by the answer to a POST or not at all, is said as it is then.
      const poll = (signal: AbortSignal) =>
        this._ask(this.codec.control("poll", { ...this._upstream?.name, ...line.rewind() }), signal);
      await persist(poll, this._patience, signal, settings.random);
    }
  }

  private async _ask(body: Data, signal: AbortSignal): Promise<void> {
    const { settings, frame, heard } = this._context;
    // No limit for the silence: how long a poll is held is the server's choice, and heartbeats find a dead one.
    const response = await post(this._context, "poll", body, this.codec, { signal });
    let came = false;
    const take = (data: Data) => {
      came = true;
      return signal.aborted ? undefined : frame(data);
    };
    try {
      await follow(response, this.codec, settings.limits.frame, take, heard);
      heard();
    } catch (error) {
      // What has come before the cut is a success: the next poll goes on behind it.
      if (!came || !this._upstream) throw error;
    }
  }
}
