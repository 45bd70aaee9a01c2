/**
 * Frames on their way from a link to the session, in the order in which they came: compressed ones take a while. Each is a
 * raw DEFLATE stream (RFC 1951), undone by the platform.
 */

import { type Data, isPacked, WireError } from "./core.js";

/**
 * Return what takes each frame that comes, and resolves when it was handed on. Without compression that is in the same
 * turn.
 *
 * @param take takes one frame.
 * @param failed hears of a frame that cannot be undone.
 * @param maxSize bytes of a frame that was compressed.
 * @param offered whether the hello said that compressed ones may come.
 */
export function inbound(
  take: (frame: Data) => void,
  failed: (error: unknown) => void,
  maxSize: number,
  offered: boolean,
): (frame: Data) => Promise<void> | void {
  let waiting = 0;
  let last: Promise<void> = Promise.resolve();

  const undo = async (frame: Data) => {
    try {
      if (isPacked(frame)) {
        if (!offered) throw new WireError("malformed_frame", "a compressed frame, which was not offered");
        frame = await inflate(frame, maxSize);
      }
    } finally {
      waiting--;
    }
    take(frame);
  };

  return (frame) => {
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

/**
 * Undo the compression of a frame, which begins with the byte that says so.
 *
 * @param maxSize bytes of the result.
 * @throws WireError: it is no such stream, or larger than allowed.
 */
export async function inflate(frame: Uint8Array<ArrayBuffer>, maxSize: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    const reader = new Blob([frame.subarray(1)])
      .stream()
      .pipeThrough(new DecompressionStream("deflate-raw"))
      .getReader();
    for (let got = await reader.read(); !got.done; got = await reader.read()) {
      chunks.push(got.value as Uint8Array<ArrayBuffer>);
      size += got.value.length;
      if (size > maxSize) break;
    }
    if (size > maxSize) await reader.cancel();
  } catch (error) {
    throw new WireError("malformed_frame", `a compressed frame: ${error}`);
  }
  if (size > maxSize) throw new WireError("message_too_big", `decompresses to more than ${maxSize} bytes`);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}
