/**
 * The client's half of a session's line: hello, welcome, what to skip, what to send again.
 *
 * Every rule is one method, as in `rtcore.wire.ClientLine`, and there is no I/O and no clock. A *connection* is any
 * object that stands for one transport connection; several may be under way at once, since a client climbs to a better
 * transport while the old one still carries messages.
 */

import { WireError } from "./format.js";
import { type Hello, VERSION, type Welcome } from "./hello.js";
import type { Parts, Place } from "./parts.js";
import { type Sized, Window } from "./window.js";

/** What a welcome means for the client. */
export interface Resumption<M> {
  /** Messages to write again on the new connection, oldest first, before anything new. */
  resend: readonly M[];
  /** Messages of the client that are now known to have arrived. */
  confirmed: readonly M[];
  /** Messages whose outcome nobody knows: the session that they were sent in is gone. */
  unknown: readonly M[];
  /** Messages from the server that are lost for good. */
  missed: number;
  /** Both counts began again. */
  anew: boolean;
}

/** What the caller adds to a hello. */
export type HelloOptions = Pick<Hello, "token" | "client" | "compress" | "batch" | "covers" | "parts"> & {
  /** The messages are gone (a page was reloaded): keep identity and rooms, reset both counts. */
  forget?: boolean;
};

/** What names a session, and opens it. */
export interface Credentials {
  session: string;
  secret: string;
  /** The number of the last hello. */
  attach: number;
}

/** Counts, fences and secrets of one session, on the client. */
export class ClientLine<M extends Sized> {
  readonly window = new Window<M>();
  session: string | undefined;
  secret: string | undefined;
  /** The number of the last hello. */
  attach = 0;
  /** The number of the hello that gave the connection: what its polls and POSTs say. */
  attached = 0;
  /** Messages counted in, ever. */
  received = 0;
  /** The connection that the last welcome came by; `undefined` before it or after its end. */
  connection: object | undefined;
  /** What comes and goes in parts; `undefined` until their code is there. */
  parts: Parts | undefined;
  private _nonce = nonce();
  private _asked: object | undefined;
  private _forget = false;
  private _skip = 0;

  /**
   * @param limit messages that the window holds. The caller waits before it overflows: `full`.
   * @param limitBytes bytes that it holds, and one message more.
   */
  constructor(
    readonly limit: number,
    readonly limitBytes: number,
  ) {}

  /** To send more now would give up the proof of what was sent before. */
  get full(): boolean {
    return this.window.held.length >= this.limit || this.window.bytes >= this.limitBytes;
  }

  /** How many messages the server may forget: all that were received, if nobody else needs them. */
  get confirmable(): number {
    return this.received;
  }

  /** Resolves when it may forget all of them; before that a poll would bring them again. */
  settled?(): Promise<void>;

  // -- attach -------------------------------------------------------------------------------------------------------

  /** Go on with a session whose messages are gone: its counts begin anew. Before the first hello. */
  restore(credentials: Credentials): void {
    ({ session: this.session, secret: this.secret, attach: this.attach } = credentials);
    this._forget = true;
  }

  /** The session is gone: the next hello asks for a new one. */
  abandon(): void {
    this.session = this.secret = undefined;
  }

  /** Make the hello for a connection. From here on no earlier hello's welcome is taken. */
  hello(connection: object, { forget = false, ...options }: HelloOptions = {}): Hello {
    const { session, secret, confirmable, window } = this;
    this._forget = (forget || this._forget) && session !== undefined;
    this._asked = connection;
    return {
      v: VERSION,
      attach: ++this.attach,
      nonce: this._nonce,
      ...(session !== undefined && { session, secret, received: this._forget ? null : confirmable, sent: window.sent }),
      ...options,
      part: this.parts?.hello(this._forget),
    };
  }

  /**
   * Move the session to the connection that its welcome came by.
   *
   * @returns what to do next; `undefined` for a welcome that must be ignored: it answers a hello that was given up.
   * @throws WireError: it has received more than was sent, so that the two speak of different conversations. Nothing
   *   has changed; the caller closes and says hello with `forget`.
   */
  takeWelcome(connection: object, welcome: Welcome): Resumption<M> | undefined {
    const { attach, session, secret, received, from, reason } = welcome;
    if (connection !== this._asked || attach !== this.attach) return undefined;
    const anew = this.session !== session || reason === "reset" || reason === "unknown";
    const confirmed = anew ? [] : this.window.confirm(received);
    if (!confirmed) {
      throw new WireError("bad_control", `welcome: received ${received} of ${this.window.sent}`);
    }
    const has = anew ? 0 : this.received;
    const missed = Math.max(0, from - has);
    // What the old connection brought since the hello comes again.
    this._skip = Math.max(0, has - from);
    this._asked = undefined;
    this._forget = false;
    this.attached = this.attach;
    this.connection = connection;
    this.session = session;
    this.secret = secret;
    // Both counts start at zero. What was on its way in a session that is gone may or may not have run.
    const unknown = anew ? this.window.reset() : [];
    if (anew) this._nonce = nonce();
    this.received = has + missed;
    return { resend: [...this.window.held], confirmed, unknown, missed, anew };
  }

  /** A connection is gone. False if the session had left it, or had never come to it. */
  detach(connection: object): boolean {
    if (this._asked === connection) this._asked = undefined;
    if (!this.hears(connection)) return false;
    this.connection = undefined;
    return true;
  }

  // -- counting -----------------------------------------------------------------------------------------------------

  /** Say whether what this connection brings counts. */
  hears(connection: object): boolean {
    return this.connection === connection;
  }

  /** A message arrived. Say whether it is news: neither from a connection that was left nor a replay. */
  take(connection: object): boolean {
    if (!this.hears(connection)) return false;
    if (this._skip) {
      this._skip--;
      return false;
    }
    this.received++;
    return true;
  }

  /** Return what the next poll says. Its answer begins there; only the newest poll's may be taken. */
  rewind(): { received: number; part: Place | undefined } {
    this._skip = 0;
    return { received: this.received, part: this.parts?.place };
  }

  /** Count a message out, as it is written. Returns its place: the `from` of a POST that begins with it. */
  put(message: M): number {
    const place = this.window.sent;
    this.window.push(message);
    return place;
  }

  /** The server has received so many messages. Returns those that are news; `undefined` if that cannot be. */
  confirm(received: number): M[] | undefined {
    return this.window.confirm(received);
  }

  /** Say whether a `superseded` speaks of this client's own newer hello, and not of a copied tab's. */
  isMine(attach: number): boolean {
    return attach <= this.attach;
  }
}

/** Return 24 characters that nobody guesses. */
export function nonce(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replace(/[+/]/g, "-");
}
