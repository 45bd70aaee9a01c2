/** Frames on their way from a link to the session, in the order in which they came; compressed ones take a while. */

import { type Data, isPacked, WireError } from "./wire/format.js";

const code = () => import("./inflate.js");

/**
 * Return what takes each frame that comes, and resolves when it was handed on. Without compression that is in the same
 * turn.
 *
 * @param take takes one frame.
 * @param failed hears of a frame that cannot be undone.
 * @param maxSize bytes of a frame.
 * @param offered compressors; emptied when the code for them cannot be had, so that they are offered no more.
 */
export function inbound(
  take: (frame: Data) => void,
  failed: (error: unknown) => void,
  maxSize: number,
  offered: string[],
): (frame: Data) => Promise<void> | void {
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();

  const undo = async (frame: Data) => {
    try {
      if (isPacked(frame)) {
        if (!offered.length) throw new WireError("malformed_frame", "a compressed frame, which was not offered");
        const { inflate } = await code().catch((error) => {
          offered.length = 0;
          throw error;
        });
        frame = await inflate(frame, maxSize);
      }
    } finally {
      waiting--;
    }
    take(frame);
  };

  return (frame) => {
    if (frame.length > maxSize) return failed(new WireError("message_too_big", `${frame.length} bytes`));
    if (!waiting && !isPacked(frame)) return take(frame);
    waiting++;
    last = last.then(() => undo(frame)).catch(failed);
    return last;
  };
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

/** Compressed frames will come: fetch the code. That it cannot be had is found out with the first one. */
export function prefetchInflate(): void {
  code().catch(() => {});
}
