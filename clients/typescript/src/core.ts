/**
 * What every client needs at once, for the entries and for the parts that are loaded when they are needed: they take what
 * they share from here, so that the build has it once, in one file.
 */

export {
  type AnyMessages,
  type MessageOf,
  type Pattern,
  RealtimeClient,
  type RequestOptions,
  type SendOptions,
} from "./client.js";
export { Connector, type Parts } from "./connector.js";
export { Deferred } from "./deferred.js";
export * from "./errors.js";
export { Events } from "./events.js";
export type { ConnectionType, KeyStore, Settings } from "./options.js";
export { CONFIRMED, DEPARTED, Outgoing } from "./outgoing.js";
export { ConnectionQualityDetector, type Quality } from "./quality.js";
export { PriorityMessageQueue } from "./queue.js";
export type { Joined, JoinOptions } from "./rooms.js";
export { type Listener, Session } from "./session.js";
export { later, now, type Timer } from "./timers.js";
export * from "./transports/link.js";
export * from "./wire/format.js";
export { ClientLine, type Credentials } from "./wire/line.js";
export * from "./wire/message.js";
export type { Sized } from "./wire/window.js";
