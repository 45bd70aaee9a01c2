/** The TypeScript client of rtcore servers: `RealtimeClient` and what belongs to it. */

export { RealtimeBuilder } from "./builder.js";
export {
  type AnyMessages,
  type Pattern,
  type PayloadOf,
  RealtimeClient,
  type RequestOptions,
  type SendOptions,
} from "./client.js";
export {
  CallbackError,
  NetworkError,
  NotConnected,
  QueueFull,
  RealtimeError,
  Refused,
  RequestError,
  Suspended,
  TimeoutError,
  UnknownOutcome,
} from "./errors.js";
export type { ClientEvents, Gap } from "./events.js";
export type { ConnectionInfo, State } from "./info.js";
export type {
  Authentication,
  ClientOptions,
  ConnectionType,
  KeyStore,
  Limits,
  Timing,
  Token,
  WebSocketConstructor,
  WebSocketLike,
} from "./options.js";
export { REALTIME_PRESETS } from "./presets.js";
export { ConnectionQualityDetector, type Quality } from "./quality.js";
export { PriorityMessageQueue } from "./queue.js";
export type { Joined, JoinOptions } from "./rooms.js";
export type { MessageStream } from "./stream.js";
export type { Codec } from "./wire/format.js";
export { Message, type Priority } from "./wire/message.js";
