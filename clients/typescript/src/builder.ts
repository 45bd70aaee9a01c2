/** `RealtimeBuilder`: a client put together step by step, or made at once for one transport. */

import { type AnyMessages, RealtimeClient } from "./core.js";
import type { ClientOptions, ConnectionType, Limits, Timing, Token } from "./options.js";
import type { Codec } from "./wire/format.js";

type More = Omit<ClientOptions, "url">;

/** Collects options, then builds. */
export class RealtimeBuilder {
  private _options: ClientOptions;

  constructor(url: string) {
    this._options = { url };
  }

  /** Make a client that prefers WebSocket and falls back to SSE, then polling. */
  static createWebSocketClient<M extends object = AnyMessages>(url: string, options: More = {}): RealtimeClient<M> {
    return new RealtimeClient({ url, connectionType: "websocket", ...options });
  }

  /** Make a client that uses SSE and falls back to polling. */
  static createSSEClient<M extends object = AnyMessages>(url: string, options: More = {}): RealtimeClient<M> {
    return new RealtimeClient({ url, connectionType: "sse", fallbackTypes: ["polling"], ...options });
  }

  /** Make a client that polls and does nothing else. */
  static createPollingClient<M extends object = AnyMessages>(url: string, options: More = {}): RealtimeClient<M> {
    return new RealtimeClient({ url, connectionType: "polling", fallbackTypes: [], ...options });
  }

  /** Use these, the best first. */
  withTransports(connectionType: ConnectionType, ...fallbackTypes: ConnectionType[]): this {
    return this.withOptions({ connectionType, fallbackTypes });
  }

  /** Show this token, or what this function returns, at each attach. */
  withToken(token: Token): this {
    return this.withOptions({ authentication: { ...this._options.authentication, token } });
  }

  /** Send these headers with every HTTP request. */
  withHeaders(headers: Record<string, string>): this {
    return this.withOptions({ authentication: { ...this._options.authentication, headers } });
  }

  /** Call the client so. */
  withClientId(clientId: string): this {
    return this.withOptions({ clientId });
  }

  /** Speak `cbor()`. */
  withCodec(codec: Codec): this {
    return this.withOptions({ codec });
  }

  /** After a loss, try so often before the client is suspended; the first pause is at most `delay`. */
  withReconnect(attempts = 5, delay = 1000): this {
    return this.withOptions({ autoReconnect: true, maxReconnectAttempts: attempts, reconnectDelay: delay });
  }

  /** End with the first loss. */
  withoutReconnect(): this {
    return this.withOptions({ autoReconnect: false });
  }

  /** Ping so often; silence for so long after a ping, twice, is the end of a connection. */
  withHeartbeat(interval = 30_000, timeout = 5000): this {
    return this.withOptions({ heartbeatInterval: interval, pingTimeout: timeout });
  }

  /** Send up to `size` messages in one frame, after at most `interval`. */
  withBatching(size = 10, interval = 100): this {
    return this.withOptions({ enableBatching: true, batchSize: size, batchInterval: interval });
  }

  /** Set what `Timing` lists. */
  withTiming(timing: Partial<Timing>): this {
    return this.withOptions({ timing: { ...this._options.timing, ...timing } });
  }

  /** Set what `Limits` lists. */
  withLimits(limits: Partial<Limits>): this {
    return this.withOptions({ limits: { ...this._options.limits, ...limits } });
  }

  /** Set any option. */
  withOptions(options: More): this {
    this._options = { ...this._options, ...options };
    return this;
  }

  /** @throws TypeError: an option that cannot be; the text names it. */
  build<M extends object = AnyMessages>(): RealtimeClient<M> {
    return new RealtimeClient(this._options);
  }
}
