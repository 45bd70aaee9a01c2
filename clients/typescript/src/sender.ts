/** Senders: what a `send` or `request` goes through until its message is on the wire, and how it gives up. */

import type { Connector } from "./connector.js";
import { NotConnected, TimeoutError } from "./errors.js";
import { DEPARTED, type Outgoing, QUEUED } from "./outgoing.js";
import type { Session } from "./session.js";
import { later } from "./timers.js";

/**
 * Send a message. Resolves when it has come so far; as far as `DEPARTED` only, when it is queued and there is no link.
 *
 * @param timeout milliseconds, after which its sender gives up; when `signal` is aborted, too. What is still queued then
 *   is never sent; of a request that was, the server is told. With 0 it does not wait for room at all.
 */
export async function dispatch(
  session: Session,
  connector: Connector,
  message: Outgoing,
  stage: number,
  timeout: number,
  signal?: AbortSignal,
): Promise<unknown> {
  const { outbox, requests } = session;
  const isRequest = message.id !== undefined;
  const giveUp = (error: Error) => {
    if (isRequest && message.stage >= DEPARTED) session.cancel(message);
    outbox.withdraw(message, error);
  };
  const abort = () => giveUp(signal?.reason || new Error("aborted"));
  const { state, attacher } = connector;
  if (["idle", "stopped", "closed"].includes(state)) throw new NotConnected(`the client is ${state}`);
  message.check();
  outbox.form(message, session.link?.codec ?? attacher.codec);
  // To be queued is all that can be had at once.
  if (!timeout && stage === DEPARTED) return outbox.submit(message, false);
  const timer = later(timeout, () => {
    const what = message.stage >= DEPARTED ? "it may have run" : "it was not sent";
    giveUp(new TimeoutError(`${message.type}: nothing within ${timeout} ms; ${what}`));
  });
  signal?.addEventListener("abort", abort);
  if (isRequest) requests.add(message);
  try {
    if (signal?.aborted) abort();
    else outbox.submit(message, timeout > 0);
    // Queued, it leaves when there is a link again: its sender goes on.
    if (stage === DEPARTED && message.stage === QUEUED && !session.link) return undefined;
    return await message.wait(stage);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
    requests.discard(message);
  }
}
