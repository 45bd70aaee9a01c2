/** HTTP requests of the transports that have no socket of their own, and what their answers mean. */

import { advice, asLost, asMap, type Codec, type Context, Control, type Data, LinkLost, later, now } from "../core.js";

/** Milliseconds: the first and the longest pause before a request that failed is made again. */
const RETRY = [50, 2000] as const;
/** Refusals of one request that say nothing about the session. */
const PASSING = ["rate_limited", "too_many_requests", "timeout"];

/**
 * POST a frame; return the response, whose body is not read yet, if its status is 200.
 *
 * The body says that it is plain text and the URL names its codec: so a browser asks for no permission first (Fetch,
 * section 2.2.2, "CORS-safelisted request-header"). What is secret is in the body, never in the URL.
 *
 * @throws LinkLost: no answer (`NETWORK_ERROR`), or a refusal, with what the server said.
 */
export async function post(
  context: Context,
  leaf: "sse" | "poll" | "send",
  body: Data,
  codec: Codec,
  options: { signal: AbortSignal; keepalive?: boolean },
): Promise<Response> {
  const { settings } = context;
  let response: Response;
  try {
    response = await (settings.fetch ?? fetch)(`${settings.base}/${leaf}?codec=${codec.name}`, {
      method: "POST",
      body,
      headers: { "Content-Type": "text/plain", ...settings.authentication.headers },
      credentials: settings.credentials,
      cache: "no-store",
      ...options,
    });
  } catch (error) {
    throw asLost(error);
  }
  if (response.status === 200) return response;
  throw await refusal(response, codec);
}

/**
 * Read a response to its end.
 *
 * @throws LinkLost: it was cut short, or has more bytes than a frame may have.
 */
export async function bodyOf(response: Response, codec: Codec, limit: number): Promise<Data> {
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw asLost(error);
  }
  if (bytes.length > limit) throw tooBig(bytes.length);
  return codec.binary || bytes[0] === 1 ? bytes : new TextDecoder().decode(bytes);
}

/**
 * Hand over the items of an answer while they come: what has arrived when it is cut has arrived.
 *
 * @param take takes whole items, as a frame.
 * @param heard is called when bytes come.
 * @throws LinkLost: it was cut short, or has an item of more than `limit` bytes.
 */
export async function follow(
  response: Response,
  codec: Codec,
  limit: number,
  take: (frame: Data) => Promise<void> | void,
  heard: () => void,
): Promise<void> {
  if (!response.body?.getReader) return take(await bodyOf(response, codec, limit));
  let reader = response.body.getReader() as ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  let rest = new Uint8Array();
  for (let isFirst = true; ; isFirst = false) {
    let got: ReadableStreamReadResult<Uint8Array<ArrayBuffer>>;
    try {
      got = await reader.read();
      if (isFirst && got.value?.[0] === 1) {
        reader = unpacked(got.value, reader);
        continue;
      }
    } catch (error) {
      throw asLost(error);
    }
    if (got.done) break;
    heard();
    const bytes = new Uint8Array(rest.length + got.value.length);
    bytes.set(rest);
    bytes.set(got.value, rest.length);
    const end = codec.whole(bytes);
    rest = bytes.subarray(end);
    if (rest.length > limit) throw tooBig(rest.length);
    if (end) await take(bytes.subarray(0, end));
  }
  if (rest.length) await take(rest);
}

/** Undo the compression of a stream, whose first bytes have come. */
function unpacked(first: Uint8Array<ArrayBuffer>, reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>) {
  let next: Uint8Array<ArrayBuffer> | undefined = first.subarray(1);
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: async (pipe) => {
      const value = next ?? (await reader.read()).value;
      next = undefined;
      if (value) pipe.enqueue(value);
      else pipe.close();
    },
  });
  return stream.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
}

function tooBig(bytes: number): LinkLost {
  return new LinkLost(`an answer of ${bytes} bytes`, "message_too_big", undefined, undefined, false);
}

/** Make of a response with another status than 200 what it means. Without a code of ours it was no server of ours. */
async function refusal(response: Response, codec: Codec): Promise<LinkLost> {
  const body = new Uint8Array(await response.arrayBuffer().catch(() => new ArrayBuffer()));
  const fields = said(body, codec);
  if (fields) return LinkLost.byServer(fields);
  const after = advice(Number(response.headers.get("Retry-After") || Number.NaN));
  const passing = response.status >= 500 || [408, 425, 429].includes(response.status);
  return new LinkLost(`answered with ${response.status}`, undefined, undefined, after, passing);
}

/** Return the coded error in a body: a frame with an `error` or `close` item, in the codec or in JSON. */
function said(body: Uint8Array<ArrayBuffer>, codec: Codec): Readonly<Record<string, unknown>> | undefined {
  try {
    if (codec.binary && body[0] !== 0x5b) {
      const item = codec.decode(body)[0];
      return item instanceof Control && "code" in item.fields ? item.fields : undefined;
    }
    const [name, fields] = JSON.parse(new TextDecoder().decode(body));
    return (name === "error" || name === "close") && "code" in asMap(fields) ? fields : undefined;
  } catch {
    return undefined;
  }
}

/** A body, as much of it as was asked for, or why it cannot be had. Made anew with each attempt. */
export type Ask<T> = (signal: AbortSignal) => Promise<T>;

/** Make a request that is given up after so many milliseconds, or with a signal. */
export async function limited<T>(ask: Ask<T>, milliseconds: number, signal?: AbortSignal): Promise<T> {
  const own = new AbortController();
  const abort = () => own.abort();
  const timer = later(milliseconds, abort);
  signal?.addEventListener("abort", abort);
  try {
    return await ask(own.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

/**
 * Make a request until it is answered, or refused, or has failed for `patience` milliseconds.
 *
 * @throws LinkLost: why there is no answer.
 */
export async function persist<T>(ask: Ask<T>, patience: number, signal: AbortSignal, random: () => number): Promise<T> {
  const until = now() + patience;
  for (let [pause, longest] = RETRY as readonly [number, number]; ; pause = Math.min(pause * 2, longest)) {
    try {
      return await ask(signal);
    } catch (error) {
      if (!(error instanceof LinkLost) || signal.aborted) throw error;
      if (!error.passing && !PASSING.includes(error.code)) throw error;
      const wait = Math.max(error.retryAfter ?? 0, random() * pause);
      if (now() + wait >= until) throw error;
      await new Promise<void>((done) => later(wait, done));
      if (signal.aborted) throw error;
    }
  }
}
