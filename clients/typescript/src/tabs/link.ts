/** A tab's link: what its client's session takes for a transport is the way to the tab that leads. */

import type { Codec, ConnectionType, Control, Data, Link } from "../core.js";
import type { Port } from "./port.js";

/** The session's way to its port. */
export class PortLink implements Link {
  /** The port says by itself what has come. */
  readonly confirms = true;
  readonly codec: Codec;
  /** Its end is the tab's own: then the tab leaves the others. */
  isBound = true;

  constructor(
    private readonly _port: Port,
    readonly type: ConnectionType,
  ) {
    this.codec = _port.codec;
  }

  get busy(): boolean {
    return this._port.busy;
  }

  open(): void {}
  speak(): void {}

  send(items: readonly Data[], place: number): void {
    this._port.send(items, place);
  }

  control(item: Data): void {
    const { name, fields } = this._read(item);
    // Asked is whether the leader lives: it asks the server by itself.
    if (name === "ping") this._port.probe();
    else this._port.say({ kind: "control", name, fields });
  }

  flush(): Promise<void> {
    return this._port.flushed();
  }

  async close(last?: Data): Promise<void> {
    if (this.isBound) await this._port.leave(last === undefined ? last : (this._read(last).name as "bye" | "away"));
  }

  /** Return what a control item says. */
  private _read(item: Data): Control {
    return this.codec.decode(item)[0] as Control;
  }
}
