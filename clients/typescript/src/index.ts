/** The TypeScript client of rtcore servers: `RealtimeClient` and what belongs to it. */

export { RealtimeBuilder } from "./builder.js";
export {
  type AnyMessages,
  CallbackError,
  type Codec,
  ConnectionQualityDetector,
  type ErrorFacts,
  type Joined,
  type JoinOptions,
  Message,
  type MessageOf,
  NetworkError,
  NotConnected,
  type Pattern,
  type Priority,
  PriorityMessageQueue,
  type Quality,
  QueueFull,
  RealtimeClient,
  RealtimeError,
  Refused,
  RequestError,
  type RequestOptions,
  type SendOptions,
  Suspended,
  TimeoutError,
  UnknownOutcome,
} from "./core.js";
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
export type { MessageStream } from "./stream.js";
