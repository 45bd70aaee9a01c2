/**
 * Moves a session that is attached: to a better transport when its time has come, to one that a program wishes for, or
 * away from a server that stops and a link that may be dead. The old link carries the session until the new one does.
 */

import type { Connector } from "./connector.js";
import { asLost, type ConnectionType, type Deferred, later, NetworkError, now, type Timer } from "./core.js";
import type { Settings } from "./options.js";
import type { ConnectionQualityDetector } from "./quality.js";

/** Milliseconds for which a bad connection is left alone: another transport does not make it better, but it may. */
const BAD = 60_000;

/** Somebody wants the session on one of these types, the first that can be had. */
interface Wish {
  order: readonly ConnectionType[];
  done?: Deferred<void> | undefined;
}

/** Climbs, for a connector. */
export class Climber {
  private _wish: Wish | undefined;
  private _moving: Timer;
  /** When a better transport is tried. Links may come and go meanwhile. */
  declare private _due: number;
  declare private _pause: number;
  /** When one was tried last. */
  declare private _tried: number;

  constructor(
    private readonly _connector: Connector,
    private readonly _detector: ConnectionQualityDetector,
    private readonly _settings: Settings,
  ) {
    this.begin();
  }

  /** The transport is another one. */
  begin(): void {
    this._pause = this._settings.timing.climb;
    this._tried = now();
    this._postpone();
  }

  /** Wish for something else than what is wished now, or for nothing any more. */
  want(order?: readonly ConnectionType[], done?: Deferred<void>): void {
    const { _connector: connector } = this;
    this._wish?.done?.reject(new NetworkError("given up"));
    this._wish = order && { order, done };
    if (connector.state === "connected") connector.wake();
    else if (order) this.want();
  }

  /** Attach again beside the present link, unless that or something else is wished already. */
  again(order: readonly ConnectionType[]): void {
    if (!this._wish) this.want(order);
  }

  /** Do so within so many milliseconds. */
  move(within: number): void {
    clearTimeout(this._moving);
    this._moving = later(this._settings.random() * within, () => this.again(this._connector.chain.order()));
  }

  /** The client ends. */
  end(): void {
    clearTimeout(this._moving);
  }

  /** Wait for the time or a wish, and follow it. Returns when that is done, or the link is lost. */
  async step(): Promise<void> {
    const { _connector: connector } = this;
    if (!this._wish) await connector.until(Math.max(0, this._due - now()));
    if (connector.loss || connector.isClosed || (!this._wish && now() < this._due)) return;
    const { order, done }: Wish = this._wish ?? { order: this._better() };
    const { climb, maxClimb } = this._settings.timing;
    this._wish = undefined;
    connector.climbing = true;
    try {
      if (order.length) {
        this._tried = now();
        await connector.attach(order);
        this._pause = climb;
        done?.resolve();
      }
    } catch (error) {
      done?.reject(asLost(error).error);
      // That the old link was lost meanwhile says nothing of the new one.
      if (!connector.loss) this._pause = Math.min(this._pause * 2, maxClimb);
    } finally {
      connector.climbing = false;
    }
    this._postpone();
  }

  private _postpone(): void {
    this._due = now() + this._pause * (1 + this._settings.random() / 10);
  }

  /** Return what is worth a climb: nothing while the connection is bad, unless that has been so for long. */
  private _better(): ConnectionType[] {
    const { type, chain } = this._connector;
    const isBad = this._detector.getConnectionQuality() === "poor" && now() - this._tried < BAD;
    return type && !isBad ? chain.better(type) : [];
  }
}
