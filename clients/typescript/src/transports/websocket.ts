/** WebSocket: one frame is one WebSocket message, text for text codecs, binary for anything else. */

import { more } from "../beside.js";
import type { WebSocketLike } from "../options.js";
import { atMost, later } from "../timers.js";
import { type Codec, type Data, JSON_CODEC } from "../wire/format.js";
import type { Piece } from "../wire/parts.js";
import { asLost, type Context, type Link, LinkLost, type Speech } from "./link.js";

/** Bytes that may wait in the socket. Small: what waits there can no longer be overtaken. */
const HIGH_WATER = 64 * 1024;
/** How often a full socket is looked at, milliseconds: no event tells that it has drained. */
const LOOK = 25;
/** Milliseconds for a goodbye to arrive. */
const LAST = 1000;

/** A `Link` on the WebSocket interface. */
export class WebSocketLink implements Link {
  readonly type = "websocket";
  readonly confirms = false;
  codec: Codec;
  private _socket: WebSocketLike | undefined;
  private _speech: Speech | undefined;
  private _looking = false;

  constructor(private readonly _context: Context) {
    this.codec = _context.codec;
  }

  get busy(): boolean {
    const busy = this._waits(HIGH_WATER);
    if (busy && !this._looking) {
      this._looking = true;
      void this._until(HIGH_WATER).then(() => {
        this._looking = false;
        this._context.drained();
      });
    }
    return busy;
  }

  open(hello: () => Data | Promise<Data>): void {
    const { settings, frame, lost } = this._context;
    const WebSocket = settings.webSocket === undefined ? globalThis.WebSocket : settings.webSocket;
    const query = this.codec === JSON_CODEC ? "" : `?codec=${this.codec.name}`;
    let socket: WebSocketLike;
    try {
      if (!WebSocket) throw new Error("no WebSocket here; give one as `webSocket`");
      socket = this._socket = new WebSocket(`${settings.base.replace(/^http/, "ws")}/ws${query}`);
    } catch (error) {
      // A page under https may not open ws, a Content-Security-Policy may forbid both.
      return lost(asLost(error));
    }
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const item = hello();
      if (item instanceof Promise) item.then((item) => this.control(item), lost);
      else this.control(item);
    };
    socket.onmessage = ({ data }: { data: string | ArrayBuffer }) =>
      void frame(typeof data === "string" ? data : new Uint8Array(data));
    socket.onclose = ({ code, reason }: { code: number; reason: string }) => {
      this._socket = undefined;
      // A number of ours is obeyed, also one that this version does not know; its reason is the name.
      lost(
        code < 4000
          ? new LinkLost(said || `closed with ${code} ${reason}`.trim())
          : LinkLost.byServer({ code: reason, number: code }),
      );
    };
    // A close follows. In a page it says as much; elsewhere this has the cause, such as the status of a refusal.
    let said: string | undefined;
    socket.onerror = ({ message }: { message?: string }) => {
      said = message;
    };
  }

  speak(speech: Speech): void {
    this._speech = speech;
    this.codec = speech.codec;
  }

  send(pieces: readonly Piece[]): void {
    const { batch, maxSize, codec } = this._speech as Speech;
    const items = pieces.map((piece) => piece.item?.(codec) ?? piece.data);
    for (const some of (batch > 1 && more?.batches(items, batch, maxSize)) || items.map((item) => [item]))
      this.control(some.length > 1 ? codec.join(some) : (some[0] as Data));
  }

  control(item: Data): void {
    if (this._socket?.readyState === 1) this._socket.send(item);
  }

  flush(): Promise<void> {
    return this._until(1);
  }

  async close(last?: Data): Promise<void> {
    const socket = this._socket;
    if (!socket) return;
    if (last !== undefined) this.control(last);
    this._socket = undefined;
    socket.onopen = socket.onmessage = null;
    const closed = new Promise<void>((done) => {
      socket.onclose = () => done();
    });
    socket.close(1000);
    // A program that ends now would take its goodbye with it.
    if (last !== undefined) await atMost(LAST, closed);
  }

  /** Say whether so many bytes wait. */
  private _waits(bytes: number): boolean {
    return this._socket?.readyState === 1 && this._socket.bufferedAmount >= bytes;
  }

  /** Resolves when fewer bytes wait, or nothing any more. */
  private async _until(bytes: number): Promise<void> {
    while (this._waits(bytes)) await new Promise<void>((done) => later(LOOK, done));
  }
}
