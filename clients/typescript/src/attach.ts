/**
 * Attach: connect, reconnect, fall back, climb and step down are this one operation.
 *
 *     open the link → hello → welcome → the session moves to it        (or `LinkLost`, and nothing has changed)
 */

import { Deferred } from "./deferred.js";
import { compressors, Inbound } from "./inbound.js";
import type { ConnectionType, Settings } from "./options.js";
import type { Session } from "./session.js";
import { asLost, type Context, type Link, LinkLost } from "./transports/link.js";
import { WebSocketLink } from "./transports/websocket.js";
import { type Codec, type Data, JSON_CODEC } from "./wire/format.js";
import { parseWelcome, type Welcome } from "./wire/hello.js";
import type { HelloOptions } from "./wire/line.js";
import { Control } from "./wire/message.js";

/** Knows how to bring a session to a link of some type. */
export class Attacher {
  /** The next hello asks to begin both counts anew. */
  forget = false;
  /** Asked for. */
  codec: Codec;
  private readonly _compress: string[];
  private _open: { link?: Link; done: Deferred<void> } | undefined;

  /** @param _adopt called with the link that the session has moved to and the one that it has left, if there was one. */
  constructor(
    private readonly _session: Session,
    private readonly _settings: Settings,
    private readonly _adopt: (link: Link, old: Link | undefined) => void,
  ) {
    this.codec = _settings.codec ?? JSON_CODEC;
    this._compress = _settings.enableCompression ? compressors() : [];
  }

  /**
   * Open a link of this type and move the session to it; `adopt` is called in the same turn. One at a time.
   *
   * @throws LinkLost: it could not be; a link that was opened is closed again.
   */
  async attach(type: ConnectionType): Promise<void> {
    const { timing } = this._settings;
    const attempt: { link?: Link; done: Deferred<void> } = { done: new Deferred<void>() };
    this._open = attempt;
    const late = new LinkLost("NETWORK_ERROR", `no welcome within ${timing.open} ms`);
    let timer: ReturnType<typeof setTimeout> | undefined;
    try {
      const token = await this._token();
      const link = await this._make(type, attempt.done);
      if (this._open === attempt) {
        attempt.link = link;
        timer = setTimeout(() => attempt.done.reject(late), timing.open);
        link.open(() => this._hello(link, token));
      }
      await attempt.done.promise;
    } catch (error) {
      if (attempt.link) {
        this._session.line.detach(attempt.link);
        void attempt.link.close();
      }
      const lost = asLost(error);
      if (lost.code !== "unsupported_codec" || this.codec === JSON_CODEC) throw lost;
      this.codec = JSON_CODEC;
      await this.attach(type);
    } finally {
      clearTimeout(timer);
      if (this._open === attempt) this._open = undefined;
    }
  }

  /** Give up what is under way. */
  abort(): void {
    const open = this._open;
    this._open = undefined;
    open?.done.reject(new LinkLost("NETWORK_ERROR", "given up"));
  }

  private async _token(): Promise<string | undefined> {
    const { token } = this._settings.authentication;
    try {
      return typeof token === "function" ? await token() : token;
    } catch (error) {
      throw new LinkLost("NETWORK_ERROR", `the token could not be had: ${error}`);
    }
  }

  private async _make(type: ConnectionType, done: Deferred<void>): Promise<Link> {
    const session = this._session;
    let welcomed = false;
    const lose = (error: unknown) => {
      const lost = asLost(error);
      if (!welcomed) done.reject(lost);
      else if (session.lose(link, lost)) void link.close();
    };
    const take = (frame: Data) => {
      if (welcomed) return session.hear(link, frame);
      try {
        this._first(link, frame);
        welcomed = true;
        done.resolve();
      } catch (error) {
        done.reject(error);
      }
    };
    const inbound = new Inbound(
      (frame) => {
        if (session.line.hears(link)) session.heard = Date.now();
        take(frame);
      },
      lose,
      this._settings.limits.frame,
      this._compress.length > 0,
    );
    const context: Context = {
      settings: this._settings,
      codec: this.codec,
      text: JSON_CODEC,
      line: session.line,
      frame: (frame) => inbound.push(frame),
      aside: (frame) => session.hear(link, frame),
      heard: () => {
        if (session.line.hears(link)) session.heard = Date.now();
      },
      lost: lose,
      drained: () => session.outbox.flush(),
    };
    const link: Link = await load(type, context);
    return link;
  }

  private _hello(link: Link, token: string | undefined): Data {
    const { clientId, enableBatching } = this._settings;
    const options: HelloOptions = { forget: this.forget };
    if (token !== undefined) options.token = token;
    if (clientId !== undefined) options.client = clientId;
    if (this._compress.length) options.compress = this._compress;
    if (enableBatching) options.batch = true;
    return link.codec.encodeControl("hello", { ...this._session.line.hello(link, options) });
  }

  /** Take the first frame: a welcome and what follows it, or a refusal. */
  private _first(link: Link, frame: Data): void {
    // In the codec that was asked for or in the text codec, if that one was refused.
    const isText = typeof frame === "string" || frame[0] === 0x5b || frame[0] === 0x7b;
    const [first, ...rest] = (isText ? JSON_CODEC : link.codec).decode(frame);
    if (!(first instanceof Control)) throw new LinkLost("bad_control", "the first item must be a welcome");
    if (first.name !== "welcome") throw LinkLost.byServer(first.fields);
    const old = this._take(link, parseWelcome(first.fields));
    this.forget = false;
    this._adopt(link, old);
    try {
      this._session.takeItems(link, rest, frame.length);
    } catch (error) {
      this._session.lose(link, asLost(error));
      void link.close();
    }
  }

  private _take(link: Link, welcome: Welcome): Link | undefined {
    const codec = [this.codec, JSON_CODEC].find(({ name }) => name === welcome.codec);
    if (!codec) throw new LinkLost("bad_control", `codec ${welcome.codec} was not asked for`);
    if (welcome.compress && !this._compress.includes(welcome.compress)) {
      throw new LinkLost("bad_control", `compressor ${welcome.compress} was not offered`);
    }
    try {
      return this._session.take(link, welcome, codec);
    } catch (error) {
      // The counts do not fit: the next hello asks to begin both anew.
      if (!(error instanceof LinkLost)) this.forget = true;
      throw error;
    }
  }
}

/** Make a link; what is not a WebSocket is loaded when it is needed. */
async function load(type: ConnectionType, context: Context): Promise<Link> {
  if (type === "websocket") return new WebSocketLink(context);
  try {
    if (type === "sse") return new (await import("./transports/sse.js")).SseLink(context);
    return new (await import("./transports/polling.js")).PollingLink(context);
  } catch (error) {
    throw new LinkLost("NETWORK_ERROR", `the code of ${type} could not be loaded: ${error}`);
  }
}
