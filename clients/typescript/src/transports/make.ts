/**
 * Makes links. The code of what is not a WebSocket is loaded when it is needed, or before that.
 *
 * Rule: when a fallback is needed the network is bad, and what cannot be loaded then some browsers never load again. So
 * the fallbacks are fetched once a first connection stands.
 */

import type { ConnectionType } from "../options.js";
import { asLost, type Context, type Link } from "./link.js";
import { WebSocketLink } from "./websocket.js";

const CODE: Record<ConnectionType, () => Promise<new (context: Context) => Link>> = {
  websocket: async () => WebSocketLink,
  sse: async () => (await import("./sse.js")).SseLink,
  polling: async () => (await import("./polling.js")).PollingLink,
};

/**
 * Make a link, which is not open yet. `context` is called with what returns it once it is made.
 *
 * @throws LinkLost: its code cannot be loaded.
 */
export async function make(type: ConnectionType, context: (link: () => Link) => Context): Promise<Link> {
  try {
    const Made = await CODE[type]();
    const link: Link = new Made(context(() => link));
    return link;
  } catch (error) {
    throw asLost(error, undefined, `cannot load ${type}: `);
  }
}

/** Fetch the code of these. That it cannot be had is found out when it is needed. */
export function prefetch(types: readonly ConnectionType[]): void {
  for (const type of types) CODE[type]().catch(() => {});
}
