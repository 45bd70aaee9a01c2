/** A response as text while it arrives, by XMLHttpRequest: for platforms whose `fetch` cannot stream. */

import { type Context, LinkLost } from "../core.js";

/** Characters after which a stream is begun anew: an XMLHttpRequest keeps all that has come. */
const MOST = 4 * 1024 * 1024;

/**
 * POST a hello and hand over the answer piece by piece.
 *
 * @throws LinkLost: there was no answer, or another one than 200.
 */
export function stream(
  { settings }: Context,
  hello: string,
  take: (chunk: string) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let seen = 0;
    let taken = Promise.resolve();
    const progress = () => {
      if (request.status !== 200 || request.readyState < 3) return;
      const chunk = request.responseText.slice(seen);
      seen += chunk.length;
      if (chunk) taken = taken.then(() => take(chunk));
      taken.catch(reject);
      if (seen > MOST) request.abort();
    };
    request.open("POST", `${settings.base}/sse?codec=json`);
    request.setRequestHeader("Content-Type", "text/plain");
    for (const [name, value] of Object.entries(settings.authentication.headers ?? {}))
      request.setRequestHeader(name, value);
    request.withCredentials = settings.credentials === "include";
    request.onprogress = progress;
    request.onloadend = () => {
      progress();
      if (request.status === 200) taken.then(resolve, reject);
      else reject(failure(request));
    };
    signal.addEventListener("abort", () => request.abort());
    request.send(hello);
  });
}

function failure(request: XMLHttpRequest): LinkLost {
  try {
    return LinkLost.byServer(JSON.parse(request.responseText)[1]);
  } catch {
    return new LinkLost(request.status ? `answered with ${request.status}` : "no answer");
  }
}
