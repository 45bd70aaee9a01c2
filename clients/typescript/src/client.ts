/** `RealtimeClient`: the public face. What it promises is here, how it is done in the modules that it brings together. */

import { Attacher } from "./attach.js";
import { Chain } from "./chain.js";
import { Connector } from "./connector.js";
import { listen, pageStore } from "./environment.js";
import { NotConnected } from "./errors.js";
import { type ClientEvents, Events } from "./events.js";
import { Heartbeat } from "./heartbeat.js";
import type { ConnectionInfo } from "./info.js";
import { type ClientOptions, type ConnectionType, type Settings, settle } from "./options.js";
import { Outgoing } from "./outgoing.js";
import { ConnectionQualityDetector } from "./quality.js";
import { type Joined, type JoinOptions, Rooms } from "./rooms.js";
import { Sender } from "./sender.js";
import { Session } from "./session.js";
import { SessionStore } from "./store.js";
import { MessageStream } from "./stream.js";
import { Subscriptions } from "./subscriptions.js";
import { LinkLost } from "./transports/link.js";
import type { Message, MessageFields, Priority } from "./wire/message.js";

/** Message types and their payloads, where nobody has said them. */
// biome-ignore lint/suspicious/noExplicitAny: an untyped client takes everything
export type AnyMessages = Record<string, any>;

/** A type of the map, a prefix with `*` at its end, or `*`. */
export type Pattern<M> = (keyof M & string) | `${string}*`;

/** The payload of the messages that a pattern covers. */
export type PayloadOf<M, P> = P extends keyof M ? M[P] : M[keyof M];

/** What comes after a type: the payload, which may be left out if the map says so, and options. */
type Rest<Payload, Options> = undefined extends Payload
  ? [payload?: Payload, options?: Options]
  : [payload: Payload, options?: Options];

/** How a message is sent. */
export interface SendOptions {
  /** What overtakes what while messages wait: normal. */
  priority?: Priority;
  /** Publish to the members of this room. */
  room?: string;
  /** Of the payload's shape. */
  version?: number;
  /** A W3C `traceparent`. */
  trace?: string;
  /** Resolve only when the server has received it. */
  confirm?: boolean;
  /** It may run twice: send it again if its session is gone and its outcome unknown. */
  idempotent?: boolean;
  /** Milliseconds to wait for room to send, and for the confirmation or the reply. */
  timeout?: number;
}

/** How a request is sent. */
export interface RequestOptions extends Omit<SendOptions, "confirm"> {
  /** When it is aborted the server is told, and cancels its handler. */
  signal?: AbortSignal;
}

/**
 * A client of an rtcore server: one session that survives connections and changes of transport.
 *
 *     const client = new RealtimeClient<{ "chat:message": { text: string } }>({ url: "wss://example.org/rt" });
 *     await client.connect();
 *     client.subscribe("chat:message", (message) => console.log(message.payload.text));
 *     await client.send("chat:message", { text: "hello" });
 *
 * @typeParam M message types and their payloads.
 */
export class RealtimeClient<M extends object = AnyMessages> {
  private readonly _settings: Settings;
  private readonly _events = new Events();
  private readonly _detector = new ConnectionQualityDetector();
  private readonly _subscriptions = new Subscriptions();
  private readonly _streams = new Set<MessageStream<Message>>();
  private readonly _session: Session;
  private readonly _rooms: Rooms;
  private readonly _connector: Connector;
  private readonly _heartbeat: Heartbeat;
  private readonly _sender: Sender;
  private readonly _store: SessionStore | undefined;
  private _deaf: (() => void) | undefined;

  /** @throws TypeError: an option that cannot be; the text names it. */
  constructor(options: ClientOptions) {
    const settings = (this._settings = settle(options));
    const { memory, resume } = settings;
    const events = this._events;
    this._rooms = new Rooms((...asked) => this._ask(...asked), events);
    this._session = new Session(settings, events, {
      message: (message) => this._deliver(message),
      anew: () => this._rooms.rejoin(),
      pong: (t) => this._heartbeat.pong(t),
      move: (within) => this._connector.move(within),
      lost: (lost) => this._connector.lost(lost),
    });
    const chain = new Chain(
      [...new Set([settings.connectionType, ...settings.fallbackTypes])],
      memory === undefined ? pageStore("localStorage") : memory,
      `rtcore:transport:${settings.base}`,
    );
    this._connector = new Connector(this._session, chain, this._detector, settings, {
      state: (state) => events.emit("state", state),
      attached: (first) => events.emit(first ? "connect" : "reconnect", this.getConnectionInfo()),
      transport: (type) => events.emit("transport", type),
      disconnected: (code) => events.emit("disconnect", code),
      failed: (error) => events.emit("error", error),
      stopped: () => this._endStreams(),
    });
    this._heartbeat = new Heartbeat(this._session, this._detector, events, (lost) => this._drop(lost));
    const attacher = new Attacher(this._session, settings, (link, old) => this._connector.adopt(link, old));
    this._connector.attacher = attacher;
    this._connector.heartbeat = this._heartbeat;
    this._sender = new Sender(this._session, this._connector, attacher.codec);
    const store = resume === true ? pageStore("sessionStorage") : resume;
    if (store) this._store = new SessionStore(store, `rtcore:session:${settings.base}`);
  }

  // -- the connection -----------------------------------------------------------------------------------------------

  /**
   * Resolves when the client is connected; begins to connect, or tries again at once, if it is not.
   *
   * @throws NetworkError: no transport reached the server. `Suspended`, a kind of it, says that the client goes on trying.
   * @throws Refused: the server does not want this client; `code` says why.
   * @throws NotConnected: the client is or was closed.
   */
  async connect(): Promise<void> {
    if (this._connector.state === "closed") throw new NotConnected("the client was closed; make a new one");
    if (!this._deaf) {
      this._unpark();
      this._listen();
    }
    await this._connector.connect();
  }

  /**
   * Prefer a transport from now on, and move the session to it; the old link carries it until the new one does.
   *
   * @throws NetworkError: it could not be had; the session stays where it is.
   */
  switchTransport(type: ConnectionType): Promise<void> {
    return this._connector.switch(type);
  }

  /** Send what is queued, for `timing.close` at most, say goodbye, and end everything. Again is harmless. */
  async close(): Promise<void> {
    const { state } = this._connector;
    if (state === "closed") return;
    this._connector.close();
    this._deaf?.();
    if (state === "connected") await this._sayAll();
    await this._leave(true);
    this._session.outbox.fail(new NotConnected("the client was closed"));
    this._endStreams();
    if (state === "connected") this._events.emit("disconnect", "bye");
  }

  // -- messages out -------------------------------------------------------------------------------------------------

  /**
   * Send a message. Resolves when it was given to the transport, or queued because there is none just now.
   *
   * @throws TypeError: the payload holds something that the codec cannot express.
   * @throws QueueFull: the client is offline, and as many messages wait as may.
   * @throws TimeoutError: no room within the time, and it was not sent; or no confirmation, and it may have been.
   * @throws UnknownOutcome: with `confirm`: the session is gone, and with it the knowledge.
   * @throws RequestError: the server refused it, or it is larger than the server takes.
   * @throws NotConnected: the client is closed or was never connected.
   */
  async send<T extends keyof M & string>(type: T, ...[payload, options = {}]: Rest<M[T], SendOptions>): Promise<void> {
    const message = outgoing(type, payload, options);
    await this._sender.send(message, options.timeout ?? this._settings.timing.send, !!options.confirm);
  }

  /**
   * Send a message and resolve with the payload of its reply. When the caller gives up or the time is up the server is
   * told, and cancels its handler.
   *
   * @throws RequestError: the server answered with an error.
   * @throws TimeoutError: no reply within the time.
   * @throws UnknownOutcome, QueueFull, TypeError, NotConnected: as for `send`.
   */
  async request<R = unknown, T extends keyof M & string = keyof M & string>(
    type: T,
    ...[payload, options = {}]: Rest<M[T], RequestOptions>
  ): Promise<R> {
    return (await this._ask(type, payload, options)) as R;
  }

  /** Join a room. After a new session the client joins again, under the same name. */
  joinRoom(room: string, options: JoinOptions = {}): Promise<Joined> {
    return this._rooms.join(room, options);
  }

  /** Leave a room; resolves with whether the client was in it. */
  leaveRoom(room: string): Promise<boolean> {
    return this._rooms.leave(room);
  }

  /** Publish to the members of a room; as `send`. */
  sendToRoom<T extends keyof M & string>(
    room: string,
    type: T,
    ...[payload, options]: Rest<M[T], Omit<SendOptions, "room">>
  ): Promise<void> {
    return this.send(type, ...([payload, { ...options, room }] as unknown as Rest<M[T], SendOptions>));
  }

  // -- messages in --------------------------------------------------------------------------------------------------

  /**
   * Call `callback(message)` with each message whose type matches; return how to end that. What it throws, also later,
   * becomes an `error` event.
   */
  subscribe<P extends Pattern<M>>(pattern: P, callback: (message: Message<PayloadOf<M, P>>) => unknown): () => void {
    return this._subscriptions.add(pattern, callback as (message: Message) => unknown);
  }

  /** Return the messages that match from now on, for `for await`. Bounded: see `limits.stream`. */
  messages<P extends Pattern<M> = "*">(pattern: P = "*" as P): MessageStream<Message<PayloadOf<M, P>>> {
    const stream: MessageStream<Message> = new MessageStream<Message>(
      this._settings.limits.stream,
      ({ room }) => this._events.emit("gap", { reason: "buffer_full", n: 1, room }),
      () => {
        unsubscribe();
        this._streams.delete(stream);
      },
    );
    const unsubscribe = this._subscriptions.add(pattern, (message) => stream.push(message));
    this._streams.add(stream);
    return stream as MessageStream<Message<PayloadOf<M, P>>>;
  }

  /** Call `callback(value)` at each event; return how to end that. `ClientEvents` lists them. */
  on<E extends keyof ClientEvents>(event: E, callback: (value: ClientEvents[E]) => unknown): () => void {
    return this._events.on(event, callback);
  }

  // -- what it says of itself ---------------------------------------------------------------------------------------

  /** Messages flow. */
  get isConnected(): boolean {
    return this._connector.state === "connected";
  }

  /** Return how things stand now. */
  getConnectionInfo(): ConnectionInfo {
    const { _session: session, _connector: connector, _detector: detector } = this;
    const { welcome, outbox } = session;
    return {
      state: connector.state,
      connectionType: connector.type,
      isConnected: this.isConnected,
      subscriptions: this._subscriptions.patterns,
      rooms: this._rooms.names,
      quality: detector.getConnectionQuality(),
      latency: detector.latency,
      sessionId: session.line.session,
      clientId: this._settings.clientId,
      node: welcome?.node,
      codec: welcome?.codec ?? connector.attacher.codec.name,
      compression: welcome?.compress,
      resumed: !!welcome?.resumed,
      counters: {
        sent: outbox.sent,
        confirmed: outbox.confirmed,
        queued: outbox.queue.length,
        received: session.received,
        duplicates: session.duplicates,
        missed: session.missed,
        attaches: connector.attaches,
        reconnects: connector.reconnects,
      },
    };
  }

  // -- inside -------------------------------------------------------------------------------------------------------

  private _ask(type: string, payload: unknown, options: RequestOptions = {}): Promise<unknown> {
    const message = outgoing(type, payload, options, this._session.requests.nextId());
    return this._sender.request(message, options.timeout ?? this._settings.timing.request, options.signal);
  }

  private _deliver(message: Message): void {
    this._rooms.saw(message);
    this._subscriptions.deliver(message, (callback, one) => this._events.call(callback, one));
  }

  private _endStreams(): void {
    for (const stream of this._streams) stream.end();
  }

  /** The link is dead, or the page goes: end it without a word. */
  private _drop(lost: LinkLost): void {
    const { link } = this._session;
    if (link && this._session.lose(link, lost)) void link.close();
  }

  /** End the link, with a goodbye if the session is to end with it. */
  private async _leave(bye: boolean): Promise<void> {
    const { link } = this._session;
    if (!link) return;
    const last = bye ? link.codec.encodeControl("bye", {}) : undefined;
    this._session.lose(link, new LinkLost("bye"));
    await link.close(last);
  }

  private async _sayAll(): Promise<void> {
    const { outbox } = this._session;
    const all = async () => {
      outbox.flush();
      while (this._session.link && outbox.queue.length) await outbox.room();
      await this._session.link?.flush();
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([
      all(),
      new Promise((resolve) => {
        timer = setTimeout(resolve, this._settings.timing.close);
      }),
    ]);
    clearTimeout(timer);
  }

  // -- the page -----------------------------------------------------------------------------------------------------

  private _listen(): void {
    const awake = () => {
      this._connector.retry();
      this._heartbeat.probe();
    };
    this._deaf = listen({
      awake,
      doubt: () => this._heartbeat.probe(),
      freeze: () => this._park(),
      thaw: () => {
        this._unpark();
        awake();
      },
      leave: (kept) => {
        this._park();
        if (kept) this._drop(new LinkLost("NETWORK_ERROR", "the page is put away"));
        else void this._leave(!this._store);
      },
    });
  }

  private _park(): void {
    const { session, secret, attach } = this._session.line;
    if (session && secret) this._store?.park({ session, secret, attach, rooms: this._rooms.names });
  }

  private _unpark(): void {
    const parked = this._store?.take();
    const { line } = this._session;
    if (parked && line.session === undefined) {
      line.restore(parked);
      this._rooms.restore(parked.rooms);
    } else if (this._store && parked?.session !== line.session) {
      // Another page of this tab has taken the session meanwhile.
      line.abandon();
    }
  }
}

function outgoing(type: string, payload: unknown, options: SendOptions, id?: string): Outgoing {
  const { priority, room, version, trace } = options;
  const fields: MessageFields = { id, priority, room, version, trace };
  return new Outgoing(type, payload, fields, options.idempotent);
}
