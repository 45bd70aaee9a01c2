/** How good the connection is: round trips and losses, as heartbeats see them. */

import type { ConnectionType } from "./options.js";

export type Quality = "excellent" | "good" | "fair" | "poor";

/** Quality, round trip in milliseconds at most, share of lost heartbeats at most; the best first. */
const LEVELS: readonly [Quality, number, number, ConnectionType][] = [
  ["excellent", 100, 0, "websocket"],
  ["good", 300, 0.05, "websocket"],
  ["fair", 1000, 0.15, "sse"],
];

/** Judges a connection by its last heartbeats. The client feeds it; a program may feed its own. */
export class ConnectionQualityDetector {
  /** A latency, or `undefined` for a heartbeat that was lost. */
  private _last: (number | undefined)[] = [];

  /** @param samples how many of the last heartbeats count. */
  constructor(private readonly _samples = 20) {}

  /** A round trip took so many milliseconds. */
  recordLatency(milliseconds: number): void {
    this._record(Math.max(0, milliseconds));
  }

  /** A heartbeat was not answered. */
  recordPacketLoss(): void {
    this._record(undefined);
  }

  /** Forget everything: the connection is another one. */
  reset(): void {
    this._last = [];
  }

  /** The median round trip, in milliseconds; `undefined` before the first. */
  get latency(): number | undefined {
    const known = this._last.filter((value) => value !== undefined).sort((a, b) => a - b);
    return known[known.length >> 1];
  }

  /** The share of heartbeats that were lost, 0 to 1. */
  get loss(): number {
    return this._last.filter((value) => value === undefined).length / (this._last.length || 1);
  }

  /** Judge. Without any heartbeat: `good`. */
  getConnectionQuality(): Quality {
    return this._last.length ? (this._level()?.[0] ?? "poor") : "good";
  }

  /** Return the most demanding transport that such a connection carries well. */
  getSuggestedConnectionType(): ConnectionType {
    return this._last.length ? (this._level()?.[3] ?? "polling") : "websocket";
  }

  private _level() {
    const { latency, loss } = this;
    return LEVELS.find(([, slowest, lossiest]) => latency !== undefined && latency <= slowest && loss <= lossiest);
  }

  private _record(value: number | undefined): void {
    this._last.push(value);
    if (this._last.length > this._samples) this._last.shift();
  }
}
