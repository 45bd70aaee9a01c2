/** Presets: the usual set-ups, each a function of the URL. Any option goes before the preset's. */

import { RealtimeClient } from "./core.js";
import type { ClientOptions } from "./options.js";

type More = Omit<ClientOptions, "url">;

const preset =
  (defaults: More) =>
  (url: string, options: More = {}) =>
    new RealtimeClient({ url, ...defaults, ...options });

/** The presets by the names that the Python client gives them. */
export const REALTIME_PRESETS = {
  /** People talk: quick to notice a loss, quick to come back, patient with what was typed meanwhile. */
  CHAT: preset({ heartbeatInterval: 15_000, reconnectDelay: 500, maxReconnectAttempts: 10 }),
  /** An answer comes in many small pieces, and a reload in its middle must not lose the conversation. */
  AI_CHAT: preset({ heartbeatInterval: 15_000, reconnectDelay: 250, maxReconnectAttempts: 10, resume: true }),
  /** Little comes, and only down: an event stream is enough, and it may take its time to come back. */
  NOTIFICATIONS: preset({
    connectionType: "sse",
    fallbackTypes: ["polling"],
    reconnectDelay: 5000,
    maxReconnectAttempts: 20,
    timing: { maxReconnectDelay: 120_000 },
  }),
  /** Much comes, in bursts: with room for a burst while the last one is drawn. */
  DASHBOARD: preset({ limits: { stream: 5000 } }),
  /** Many small changes go up: batched for a blink, so that they share frames. */
  COLLABORATION: preset({
    enableBatching: true,
    batchSize: 20,
    batchInterval: 20,
    heartbeatInterval: 15_000,
    reconnectDelay: 500,
  }),
  /** A device reports: large batches, and a long memory while it is offline. */
  TELEMETRY: preset({
    enableBatching: true,
    batchSize: 100,
    batchInterval: 1000,
    limits: { queue: 10_000 },
    maxReconnectAttempts: 50,
  }),
} as const;
