/**
 * Attach: connect, reconnect, fall back, climb and step down are this one operation.
 *
 *     open the link → hello → welcome → the session moves to it        (or `LinkLost`, and nothing has changed)
 */

import { loadMore, more } from "./beside.js";
import { Deferred } from "./deferred.js";
import type { ConnectionType, Settings } from "./options.js";
import type { Session } from "./session.js";
import { now, within } from "./timers.js";
import { asLost, type Context, type Link, LinkLost } from "./transports/link.js";
import { make } from "./transports/make.js";
import { type Codec, type Data, JSON_CODEC, WireError } from "./wire/format.js";
import { parseWelcome, type Welcome } from "./wire/hello.js";
import { Control } from "./wire/message.js";

/** One attach that is under way. */
interface Attempt {
  link?: Link;
  /** Since when a token is waited for. */
  asked?: number | undefined;
  done: Deferred<void>;
}

/** Knows how to bring a session to a link of some type. */
export class Attacher {
  /** The next hello asks to begin both counts anew. */
  forget = false;
  /** Asked for. */
  codec: Codec;
  private _open: Attempt | undefined;

  /** @param _adopt called with the link that the session has moved to and the one that it has left, if there was one. */
  constructor(
    private readonly _session: Session,
    private readonly _settings: Settings,
    private readonly _adopt: (link: Link, old: Link | undefined) => void,
  ) {
    this.codec = _settings.codec ?? JSON_CODEC;
  }

  /**
   * Open a link of this type and move the session to it; `adopt` is called in the same turn. One at a time.
   *
   * @throws LinkLost: it could not be; a link that was opened is closed again.
   */
  async attach(type: ConnectionType): Promise<void> {
    const attempt: Attempt = (this._open = { done: new Deferred<void>() });
    try {
      await Promise.race([attempt.done.promise, this._begin(type, attempt)]);
    } catch (error) {
      const { link } = attempt;
      if (link) {
        this._session.line.detach(link);
        void link.close();
      }
      const lost = asLost(error);
      if (lost.code !== "unsupported_codec" || this.codec === JSON_CODEC) throw lost;
      this.codec = JSON_CODEC;
      await this.attach(type);
    } finally {
      if (this._open === attempt) this._open = undefined;
    }
  }

  /** Give up what is under way. */
  abort(): void {
    const open = this._open;
    this._open = undefined;
    open?.done.reject(new LinkLost("given up"));
  }

  /** Give up what is under way, if it waits for a token and has for long: another one may be had at once. */
  hurry(): void {
    if (now() - (this._open?.asked ?? now()) > this._settings.timing.open) this.abort();
  }

  private async _begin(type: ConnectionType, attempt: Attempt): Promise<void> {
    const { request, open } = this._settings.timing;
    const limited = <T>(what: string, time: number, work: Promise<T>) =>
      within(time, work, () => new LinkLost(`no ${what} within ${time} ms`, `no_${what}`));
    attempt.asked = now();
    const token = await limited("token", request, this._token());
    attempt.asked = undefined;
    await limited("welcome", open, this._greet(type, attempt, token));
  }

  private async _token(): Promise<string | undefined> {
    const { token } = this._settings.authentication;
    try {
      return typeof token === "function" ? await token() : token;
    } catch (error) {
      throw asLost(error, "no_token", "no token: ");
    }
  }

  private async _greet(type: ConnectionType, attempt: Attempt, token: string | undefined): Promise<void> {
    const { clientId: client, enableBatching, enableCompression, limits } = this._settings;
    const { line } = this._session;
    const link = await make(type, (link) => this._context(link, attempt.done));
    if (this._open === attempt) {
      attempt.link = link;
      const options = {
        forget: this.forget,
        token,
        client,
        batch: enableBatching || undefined,
        covers: true,
      };
      const hello = () => {
        if (this._open !== attempt) throw new LinkLost("given up");
        line.parts ??= more && new more.Parts();
        const known = more && {
          parts: limits.frame,
          ...(enableCompression && { compress: more.compressors() }),
        };
        return link.codec.control("hello", { ...line.hello(link, { ...options, ...known }) });
      };
      link.open(() => (more ? hello() : loadMore().then(hello)));
    }
    await attempt.done.promise;
  }

  private _context(link: () => Link, done: Deferred<void>): Context {
    const session = this._session;
    const { line } = session;
    let welcomed = false;
    const heard = () => {
      if (line.hears(link())) session.heard = now();
    };
    const lost = (why: unknown) => (welcomed ? void session.end(link(), why) : done.reject(why));
    const { enableCompression, limits } = this._settings;
    const { frame: most } = limits;
    let push: Context["frame"] | undefined;
    let undone: Promise<void> | void;
    const take = (frame: Data) => {
      heard();
      if (frame.length > most) return lost(new WireError("message_too_big", `${frame.length} bytes`));
      if (welcomed) return session.hear(link(), frame);
      try {
        this._first(link(), frame);
        welcomed = true;
        done.resolve();
      } catch (error) {
        done.reject(error);
      }
    };
    return {
      settings: this._settings,
      codec: this.codec,
      line,
      frame(frame) {
        push ??= more?.inbound(take, lost, most, enableCompression) ?? take;
        undone = push(frame);
        return undone;
      },
      aside: (frame) => session.hear(link(), frame),
      heard,
      // What came before the end is still being undone, if it is compressed.
      lost: (why) => (undone ? void undone.then(() => lost(why)) : lost(why)),
      drained: () => session.outbox.flush(),
      outbox: session.outbox,
    };
  }

  /** Take the first frame: a welcome and what follows it, or a refusal. */
  private _first(link: Link, frame: Data): void {
    // In the codec that was asked for or in the text codec, if that one was refused.
    const isText = typeof frame === "string" || frame[0] === 0x5b;
    const [first, ...rest] = (isText ? JSON_CODEC : link.codec).decode(frame);
    const { name, fields } = first instanceof Control ? first : { name: "", fields: {} };
    if (name === "close" || name === "error") throw LinkLost.byServer(fields);
    if (name !== "welcome") throw new LinkLost("the first item is no welcome", "bad_control");
    const old = this._take(link, parseWelcome(fields));
    this.forget = false;
    this._adopt(link, old);
    try {
      this._session.takeItems(link, rest, frame.length);
    } catch (error) {
      void this._session.end(link, error);
    }
  }

  private _take(link: Link, welcome: Welcome): Link | undefined {
    const { codec: name } = welcome;
    const codec = [this.codec, JSON_CODEC].find((one) => one.name === name);
    if (!codec) throw new LinkLost(`codec ${name} was not asked for`, "bad_control");
    try {
      return this._session.take(link, welcome, codec);
    } catch (error) {
      // The counts do not fit: the next hello asks to begin both anew.
      if (!(error instanceof LinkLost)) this.forget = true;
      throw error;
    }
  }
}
