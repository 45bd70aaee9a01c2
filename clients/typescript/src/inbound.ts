/** Frames on their way from a link to the session, in the order in which they came; compressed ones take a while. */

import { type Data, isPacked, WireError } from "./wire/format.js";

/** Undoes compression. Without any, a frame is taken in the turn in which it comes. */
export class Inbound {
  private _waiting = 0;
  private _last: Promise<void> = Promise.resolve();

  /**
   * @param _take takes one frame.
   * @param _failed hears of a frame that cannot be undone.
   * @param _maxSize bytes of a frame.
   * @param _agreed frames may be compressed.
   */
  constructor(
    private readonly _take: (frame: Data) => void,
    private readonly _failed: (error: unknown) => void,
    private readonly _maxSize: number,
    private readonly _agreed: boolean,
  ) {}

  /** A frame came. Resolves when it was taken. */
  push(frame: Data): Promise<void> | void {
    if (!this._waiting && !isPacked(frame)) return this._take(frame);
    this._waiting++;
    this._last = this._last.then(() => this._undo(frame)).catch(this._failed);
    return this._last;
  }

  private async _undo(frame: Data): Promise<void> {
    try {
      if (isPacked(frame)) {
        if (!this._agreed) throw new WireError("malformed_frame", "a compressed frame, but no compression was offered");
        frame = await (await import("./inflate.js")).inflate(frame, this._maxSize);
      }
    } finally {
      this._waiting--;
    }
    this._take(frame);
  }
}

/** Compressors that this platform can undo. */
export function compressors(): string[] {
  try {
    new DecompressionStream("deflate-raw");
    return ["deflate"];
  } catch {
    return [];
  }
}
