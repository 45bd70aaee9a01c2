/** Compressed frames: raw DEFLATE streams (RFC 1951), one each, undone by the platform. Loaded once they were agreed on. */

import { WireError } from "./core.js";

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
