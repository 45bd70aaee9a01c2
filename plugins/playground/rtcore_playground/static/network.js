/**
 * A network to play with: what the client's WebSockets and requests go through, so that the page can cut it, slow it
 * down and take it away, and watch what crosses.
 *
 * The client takes any WebSocket and any fetch as options, so this needs nothing from it:
 *
 *     const network = new Network((frame) => console.log(frame));
 *     new RealtimeClient({ url: "rt", webSocket: network.WebSocket, fetch: network.fetch });
 *
 * Rule: to the client this is a network and nothing else. What is cut fails as a broken connection fails, what waits in a
 * slow lane is lost when it is cut, and nothing is told to anybody.
 */

import { Lane } from "./lane.js";

/**
 * Something that crosses: handed over by the client, or about to be handed to it.
 *
 * @typedef {object} Frame
 * @property {boolean} up from the client to the server
 * @property {"websocket" | "sse" | "poll" | "send"} by what carries it
 * @property {string | Uint8Array<ArrayBuffer>} data
 * @property {object} link the same for all that one WebSocket or one request carries
 */

/** @typedef {{ up: number, down: number, delay: number }} Pace bytes a second each way; milliseconds each way */

/** @type {Pace} */
export const FULL_SPEED = { up: Infinity, down: Infinity, delay: 0 };

export class Network {
  /** @type {Pace} */
  pace = FULL_SPEED;
  #offline = false;
  /** @type {Set<() => void>} cuts each connection that is open */
  #open = new Set();
  up = new Lane(
    () => this.pace.up,
    () => this.pace.delay,
  );
  down = new Lane(
    () => this.pace.down,
    () => this.pace.delay,
  );

  /** @param {(frame: Frame) => void} crosses called with everything that does, in order */
  constructor(crosses) {
    const network = this;
    this.crosses = crosses;
    /** The `webSocket` of a client. */
    this.WebSocket = class extends PlaySocket {
      /** @param {string} url */
      constructor(url) {
        super(network, url);
      }
    };
    /**
     * The `fetch` of a client.
     *
     * @type {typeof fetch}
     */
    this.fetch = (input, init) => this.#fetch(String(input), init ?? {});
  }

  /** Something takes longer than it need. */
  get slow() {
    return this.pace.delay > 0 || this.up.waiting + this.down.waiting > 0;
  }

  get offline() {
    return this.#offline;
  }

  /** Nothing gets through, until this is false again. What is open is cut. */
  set offline(offline) {
    this.#offline = offline;
    if (offline) this.cut();
  }

  /** Cut everything that is open; new connections are taken at once. */
  cut() {
    for (const one of [...this.#open]) one();
  }

  /**
   * Something is open until it calls what this returns.
   *
   * @param {() => void} cut
   */
  opened(cut) {
    this.#open.add(cut);
    return () => this.#open.delete(cut);
  }

  /**
   * @param {string} url
   * @param {RequestInit} init
   */
  async #fetch(url, init) {
    if (this.#offline) throw new TypeError("the page is offline");
    const by = /** @type {Frame["by"]} */ (new URL(url).pathname.split("/").at(-1));
    const link = {};
    const broken = new AbortController();
    const signal = init.signal ? AbortSignal.any([init.signal, broken.signal]) : broken.signal;
    const close = this.opened(() => broken.abort(new TypeError("the connection was cut")));
    signal.addEventListener("abort", close);
    try {
      const body = /** @type {string} */ (init.body);
      this.crosses({ up: true, by, data: body, link });
      // Without a wait where nothing is slowed: a page that goes has no later turn to say goodbye in.
      if (this.slow && !init.keepalive) await this.up.carry(body.length, signal);
      const response = await fetch(url, { ...init, signal });
      const whole = new Watch(by, (data) => this.crosses({ up: false, by, data, link }));
      const slowed = response.body?.pipeThrough(
        new TransformStream({
          transform: async (chunk, out) => {
            if (this.slow) await this.down.carry(chunk.length, signal);
            whole.take(chunk);
            out.enqueue(chunk);
          },
          flush: () => {
            whole.end();
            close();
          },
        }),
      );
      if (!slowed) close();
      const { status, statusText, headers } = response;
      return new Response(slowed, { status, statusText, headers });
    } catch (error) {
      close();
      throw error;
    }
  }
}

/** Puts frames together of what a response brings: an event stream's events, or one body. */
class Watch {
  #decoder = new TextDecoder();
  #rest = "";
  /** @type {Uint8Array<ArrayBuffer> | undefined} a compressed body begins with 1, as no text does */
  #packed;

  /**
   * @param {Frame["by"]} by
   * @param {(frame: Frame["data"]) => void} frame
   */
  constructor(by, frame) {
    this.by = by;
    this.frame = frame;
  }

  /** @param {Uint8Array<ArrayBuffer>} chunk */
  take(chunk) {
    if (this.#packed || (!this.#rest && chunk[0] === 1)) {
      this.#packed = new Uint8Array([...(this.#packed ?? []), ...chunk]);
      return;
    }
    this.#rest += this.#decoder.decode(chunk, { stream: true });
    if (this.by !== "sse") return;
    const blocks = this.#rest.split("\n\n");
    this.#rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").filter((line) => line.startsWith("data:"));
      if (data.length) this.frame(data.map((line) => line.slice(5).trimStart()).join("\n"));
    }
  }

  end() {
    if (this.#packed) this.frame(this.#packed);
    else if (this.by !== "sse" || this.#rest) this.frame(this.#rest);
  }
}

/** A WebSocket of a `Network`: what the client uses of the interface. */
class PlaySocket {
  /** @type {((event: any) => void) | null} */
  onopen = null;
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** @type {((event: any) => void) | null} */
  onerror = null;
  binaryType = "arraybuffer";
  /** @type {WebSocket | undefined} */
  #socket;
  #network;
  #over = new AbortController();
  #closed;

  /**
   * @param {Network} network
   * @param {string} url
   */
  constructor(network, url) {
    this.#network = network;
    this.#closed = network.opened(() => this.#break(1006, ""));
    if (network.offline) {
      setTimeout(() => this.#break(1006, ""));
      return;
    }
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => network.down.pass(0, this.#over.signal, () => this.onopen?.({}));
    socket.onmessage = ({ data }) => {
      const frame = typeof data === "string" ? data : new Uint8Array(data);
      network.down.pass(frame.length, this.#over.signal, () => {
        network.crosses({ up: false, by: "websocket", data: frame, link: this });
        this.onmessage?.({ data });
      });
    };
    // What the server said last must not be overtaken by its closing.
    socket.onclose = ({ code, reason }) => network.down.pass(0, this.#over.signal, () => this.#break(code, reason));
  }

  get readyState() {
    return this.#over.signal.aborted ? 3 : (this.#socket?.readyState ?? 0);
  }

  get bufferedAmount() {
    return this.#network.up.waiting + (this.#socket?.bufferedAmount ?? 0);
  }

  /** @param {string | ArrayBufferView<ArrayBuffer>} data */
  send(data) {
    const frame = typeof data === "string" ? data : new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#network.crosses({ up: true, by: "websocket", data: frame, link: this });
    this.#network.up.pass(frame.length, this.#over.signal, () => this.#socket?.send(frame));
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    this.#network.up.pass(0, this.#over.signal, () => this.#socket?.close(code, reason));
  }

  /**
   * It is over for the client, as a broken connection is.
   *
   * @param {number} code
   * @param {string} reason
   */
  #break(code, reason) {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#closed();
    this.#socket?.close();
    this.onclose?.({ code, reason });
  }
}
