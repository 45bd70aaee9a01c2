/** What event streams and polls have in common: a way down of their own, and POSTs for the way up. */

import { asLost, type Codec, type ConnectionType, type Context, type Data, type Link, type Speech } from "../core.js";
import type { Piece } from "../wire/parts.js";
import { Upstream } from "./upstream.js";

/** A `Link` whose way down is still to be written: `_run`. */
export abstract class PostingLink implements Link {
  abstract readonly type: ConnectionType;
  abstract readonly confirms: boolean;
  protected readonly _abort = new AbortController();
  protected _upstream: Upstream | undefined;
  protected _patience = 0;

  constructor(
    protected readonly _context: Context,
    public codec: Codec,
  ) {}

  get underway(): number {
    return this._upstream?.underway ?? 0;
  }

  get busy(): boolean {
    return this._upstream?.busy ?? true;
  }

  open(hello: () => Data | Promise<Data>): void {
    this._run(hello()).catch((error) => {
      if (!this._abort.signal.aborted) this._context.lost(asLost(error));
    });
  }

  /** Say hello and hand over what comes, until `_abort`. @throws LinkLost: why nothing more will. */
  protected abstract _run(hello: Data | Promise<Data>): Promise<void>;

  speak(speech: Speech): void {
    this.codec = speech.codec;
    this._patience = speech.patience;
    this._upstream = new Upstream(this._context, speech);
  }

  send(pieces: readonly Piece[], place: number): void {
    this._upstream?.send(pieces, place);
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
}
