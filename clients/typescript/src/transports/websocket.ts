/** WebSocket: one frame is one WebSocket message, text for text codecs, binary for anything else. */

import type { WebSocketLike } from "../options.js";
import { nameOf } from "../wire/codes.js";
import type { Codec, Data } from "../wire/format.js";
import { batches, type Context, type Link, LinkLost, type Speech } from "./link.js";

/** Bytes that may wait in the socket. Small: what waits there can no longer be overtaken. */
const HIGH_WATER = 64 * 1024;
/** How often a full socket is looked at, milliseconds: no event tells that it has drained. */
const LOOK = 25;

/** The WebSocket that a client uses: its own, or the platform's; `undefined` if there is none. */
export function webSocketOf(settings: Context["settings"]) {
  return settings.webSocket === undefined ? globalThis.WebSocket : (settings.webSocket ?? undefined);
}

/** A `Link` on the WebSocket interface. */
export class WebSocketLink implements Link {
  readonly type = "websocket";
  readonly confirms = false;
  codec: Codec;
  private _socket: WebSocketLike | undefined;
  private _speech: Speech | undefined;
  private _looking: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly _context: Context) {
    this.codec = _context.codec;
  }

  get busy(): boolean {
    const busy = !this._socket || this._socket.bufferedAmount >= HIGH_WATER;
    if (busy && this._socket) this._look();
    return busy;
  }

  open(hello: () => Data): void {
    const { settings, frame, lost } = this._context;
    const WebSocket = webSocketOf(settings);
    if (!WebSocket) return lost(new LinkLost("NETWORK_ERROR", "this platform has no WebSocket"));
    const query = this.codec === this._context.text ? "" : `?codec=${this.codec.name}`;
    let socket: WebSocketLike;
    try {
      socket = this._socket = new WebSocket(`${settings.base.replace(/^http/, "ws")}/ws${query}`);
    } catch (error) {
      // A page under https may not open ws, a Content-Security-Policy may forbid both.
      return lost(new LinkLost("NETWORK_ERROR", String(error)));
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.control(hello());
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) =>
      void frame(typeof data === "string" ? data : new Uint8Array(data));
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      const name = nameOf(code);
      this._forget();
      lost(
        name
          ? LinkLost.byServer({ code: name, number: code })
          : new LinkLost("NETWORK_ERROR", `closed with ${code} ${reason}`),
      );
    };
    // A close follows, and says as much.
    socket.onerror = () => {};
  }

  speak(speech: Speech): void {
    this._speech = speech;
    this.codec = speech.codec;
  }

  send(items: readonly Data[], _place: number): void {
    const { batch, maxSize, codec } = this._speech as Speech;
    if (batch === 1) for (const item of items) this.control(item);
    else for (const some of batches(items, batch, maxSize)) this.control(codec.join(some));
  }

  control(item: Data): void {
    if (this._socket?.readyState === 1) this._socket.send(item);
  }

  async flush(): Promise<void> {
    while (this._socket?.readyState === 1 && this._socket.bufferedAmount)
      await new Promise((done) => setTimeout(done, LOOK));
  }

  close(last?: Data): void {
    const socket = this._socket;
    if (!socket) return;
    if (last !== undefined) this.control(last);
    this._forget();
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  private _forget(): void {
    clearTimeout(this._looking);
    this._looking = this._socket = undefined;
  }

  private _look(): void {
    this._looking ??= setTimeout(() => {
      this._looking = undefined;
      if (!this.busy) this._context.drained();
    }, LOOK);
  }
}
