/** The window: messages that were written and are not confirmed, so that they can be written again. */

/** Anything whose weight is known, in bytes. */
export interface Sized {
  readonly size: number;
}

/** Messages counted out, the oldest first. Nothing leaves it unconfirmed: who fills it asks `full` first. */
export class Window<M extends Sized> {
  /** Messages counted out, ever. */
  sent = 0;
  held: M[] = [];
  bytes = 0;

  /** How many messages are known to have arrived: all before the oldest one held. */
  get confirmed(): number {
    return this.sent - this.held.length;
  }

  push(message: M): void {
    this.sent++;
    this.held.push(message);
    this.bytes += message.size;
  }

  /** The peer has received `count` messages in all. Returns those that are news; `undefined` if that cannot be. */
  confirm(count: number): M[] | undefined {
    if (count > this.sent) return undefined;
    const gone = this.held.splice(0, Math.max(0, count - this.confirmed));
    for (const message of gone) this.bytes -= message.size;
    return gone;
  }

  /** Forget everything and count from zero; return what was held. */
  reset(): M[] {
    const held = this.held;
    this.held = [];
    this.sent = this.bytes = 0;
    return held;
  }
}
