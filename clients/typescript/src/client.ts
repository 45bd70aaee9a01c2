/** `RealtimeClient`: the public face. What it promises is here, how it is done in the modules that it brings together. */

import { type Connecting, Connector, type Parts } from "./connector.js";
import { NotConnected } from "./errors.js";
import { type ClientEvents, Events } from "./events.js";
import type { ConnectionInfo } from "./info.js";
import { type ClientOptions, type ConnectionType, type Settings, settle } from "./options.js";
import { ANSWERED, CONFIRMED, DEPARTED, Outgoing, type OutgoingOptions } from "./outgoing.js";
import { ConnectionQualityDetector } from "./quality.js";
import { type Joined, type JoinOptions, Rooms } from "./rooms.js";
import { dispatch } from "./sender.js";
import { Session } from "./session.js";
import { MessageStream } from "./stream.js";
import { Subscriptions } from "./subscriptions.js";
import { atMost } from "./timers.js";
import { LinkLost } from "./transports/link.js";
import type { Message, Priority } from "./wire/message.js";

/** Message types and their payloads, where nobody has said them. */
// biome-ignore lint/suspicious/noExplicitAny: an untyped client takes everything
export type AnyMessages = Record<string, any>;

/** A type of the map, a prefix with `*` at its end, or `*`. */
export type Pattern<M> = (keyof M & string) | `${string}*`;

/** The types that a pattern covers. */
type Covered<M, P> = P extends keyof M
  ? P
  : P extends `${infer Start}*`
    ? Extract<keyof M, `${Start}${string}`>
    : never;

/** The messages that a pattern covers; where there are several types, `type` tells them apart. */
export type MessageOf<M, P> = string extends keyof M
  ? Message<M[keyof M]>
  : { [T in Covered<M, P> & string]: Message<T extends keyof M ? M[T] : never, T> }[Covered<M, P> & string];

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
  /** Milliseconds to wait for room to send, and for the confirmation or the reply; 0: not at all. */
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
  private readonly _streams = new Set<WeakRef<MessageStream<Message>>>();
  /** Those whose next message somebody waits for. */
  private readonly _read = new Set<MessageStream<Message>>();
  private readonly _forgotten = new FinalizationRegistry<() => void>((end) => end());
  private readonly _session: Session;
  private readonly _rooms: Rooms;
  private readonly _connector: Connecting;
  private _deaf: (() => void) | undefined;
  private _closing: Promise<void> | undefined;
  private _wanted = false;

  /** @throws TypeError: an option that cannot be; the text names it. */
  constructor(options: ClientOptions) {
    const settings = (this._settings = settle(options));
    const { _events: events, _detector: detector } = this;
    this._rooms = new Rooms(
      (...asked) => this._ask(...asked),
      events,
      (gap) => this._session.miss(gap),
    );
    this._session = new Session(settings, events, detector, {
      message: (message) => this._deliver(message),
      anew: () => this._rooms.rejoin(),
      missed: (n, reason) => void this._rooms.heal(n, reason),
      gap: (fields) => this._rooms.told(fields),
      move: (within) => this._connector.move(within),
      doubt: () => this._connector.doubt(),
      lost: (lost) => this._connector.lost(lost),
    });
    const parts: Parts = [
      this._session,
      detector,
      settings,
      events,
      () => this.getConnectionInfo(),
      () => this._endStreams(),
    ];
    this._connector = settings.shared?.make(...parts, this._rooms) ?? new Connector(...parts);
  }

  // -- the connection -----------------------------------------------------------------------------------------------

  /**
   * Resolves when the client is connected; begins to connect, or tries again at once, if it is not. After `close()` it
   * begins a new session, once the goodbye to the last one is said; who subscribed is still subscribed.
   *
   * @throws NetworkError: no transport reached the server; `reason` and `cause` say what became of each. `Suspended`, a
   *   kind of it, says that the client goes on trying.
   * @throws Refused: the server does not want this client; `code` says why.
   * @throws NotConnected: the client was closed meanwhile.
   */
  async connect(): Promise<void> {
    const { _connector: connector } = this;
    this._wanted = true;
    if (connector.state === "closed") {
      await Promise.all([this._closing, connector.ended]);
      if (!this._wanted) throw new NotConnected("the client was closed");
    }
    await connector.connect(() => this._enter());
  }

  /**
   * The network may be another one, or the program has slept: an attempt that waits is made now, and a link is asked
   * whether it lives. If it says nothing within two seconds another one is tried beside it. A page does this by itself.
   */
  probe(): void {
    this._connector.retry();
    this._session.heartbeat.probe(true);
  }

  /**
   * Let the link go and attach no more until `resume()` or `connect()`: for a program that is put into the background. The
   * session waits on the server, for as long as its `ttl` is; what is sent meanwhile waits here.
   */
  pause(): void {
    const { _session: session, _connector: connector } = this;
    connector.pause();
    void session.end(session.link, new LinkLost("paused", "paused"));
  }

  /** Attach again after a `pause()`, at once. */
  resume(): void {
    this._connector.resume();
  }

  /**
   * Prefer a transport from now on, and move the session to it; the old link carries it until the new one does.
   *
   * @throws NetworkError: it could not be had; the session stays where it is.
   */
  switchTransport(type: ConnectionType): Promise<void> {
    return this._connector.switch(type);
  }

  /**
   * Send what is queued, for `timing.close` at most, say goodbye, and end everything. From the call on no callback is
   * called any more, but those of the events `state`, `disconnect` and `error`. Again is harmless.
   */
  close(): Promise<void> {
    this._wanted = false;
    if (this._connector.state !== "closed") this._closing = this._end();
    return this._closing as Promise<void>;
  }

  // -- messages out -------------------------------------------------------------------------------------------------

  /**
   * Send a message. Resolves when it was given to the transport, or queued because there is none just now; until there is
   * room for it, it waits.
   *
   * @throws TypeError: the payload holds something that the codec cannot express, or a field is not what a server takes.
   * @throws QueueFull: with `timeout: 0`: there is no room.
   * @throws TimeoutError: no room within the time, and it was not sent; or no confirmation, and it may have been.
   * @throws UnknownOutcome: with `confirm`: the session is gone, and with it the knowledge.
   * @throws RequestError: the server refused it, or it is larger than the server takes.
   * @throws NotConnected: the client is closed or was never connected.
   */
  async send<T extends keyof M & string>(type: T, ...[payload, options = {}]: Rest<M[T], SendOptions>): Promise<void> {
    const { confirm, timeout = this._settings.timing.send } = options;
    await this._say(type, payload, options, confirm ? CONFIRMED : DEPARTED, timeout);
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

  /**
   * Join a room. After a new session the client joins again, under the same name.
   *
   * Where the room keeps a history, what was asked for of it comes after this has resolved: in order, before anything newer,
   * each message once. It is complete with the message of the answer's `offset`.
   */
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
  subscribe<P extends Pattern<M>>(pattern: P, callback: (message: MessageOf<M, P>) => unknown): () => void {
    return this._subscriptions.add(pattern, callback);
  }

  /** Return the messages that match from now on, for `for await`. Bounded: see `limits.stream`. */
  messages<P extends Pattern<M> = "*">(pattern: P = "*" as P): MessageStream<MessageOf<M, P>> {
    const { _streams: streams, _forgotten: forgotten } = this;
    const end = () => {
      unsubscribe();
      streams.delete(weak);
    };
    const stream = new MessageStream<Message>(
      this._settings.limits.stream,
      ({ room }) => this._events.emit("gap", { reason: "buffer_full", n: 1, room }),
      end,
      (stream, isWaiting) => (isWaiting ? this._read.add(stream) : this._read.delete(stream)),
    );
    const weak = new WeakRef(stream);
    const unsubscribe = this._subscriptions.add(pattern, (message: Message) => weak.deref()?.push(message));
    streams.add(weak);
    forgotten.register(stream, end);
    if (this._connector.state === "closed") stream.end();
    return stream as unknown as MessageStream<MessageOf<M, P>>;
  }

  /** Call `callback(value)` at each event; return how to end that. `ClientEvents` lists them. */
  on<E extends keyof ClientEvents>(event: E, callback: (value: ClientEvents[E]) => unknown): () => void {
    return this._events.on(event, callback);
  }

  // -- what it says of itself ---------------------------------------------------------------------------------------

  /** Messages flow. */
  get isConnected(): boolean {
    return !!this._session.link;
  }

  /** Return how things stand now. */
  getConnectionInfo(): ConnectionInfo {
    const { _session: session, _connector: connector, _detector: detector } = this;
    const { welcome, outbox } = session;
    return {
      state: connector.state,
      connectionType: connector.type,
      shared: connector.role,
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
      reason: welcome?.reason,
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

  /** Take up what the page before has left, and listen to this one. */
  private async _enter(): Promise<void> {
    this._subscriptions.isMuted = false;
    if (this._deaf) return;
    const deaf = (this._deaf = () => {});
    const here = () => this._deaf === deaf;
    const listening = import("./page.js")
      .then(({ listen }) => listen(this, this._session, this._settings, here))
      .then((deafen) => {
        if (here()) this._deaf = deafen;
      }, deaf);
    // What a page hears is advice: nothing waits for the code that listens, but who takes up what the last page left.
    if (this._settings.resume) await listening;
  }

  private async _end(): Promise<void> {
    const { _session: session, _connector: connector } = this;
    const { isConnected } = this;
    connector.close();
    this._subscriptions.isMuted = true;
    this._deaf?.();
    this._deaf = undefined;
    if (isConnected) await atMost(this._settings.timing.close, this._sayAll());
    session.outbox.fail(new NotConnected("the client was closed"));
    await session.end(session.link, new LinkLost("closed", "bye"), "bye");
    session.line.abandon();
    this._endStreams();
    if (isConnected) this._events.emit("disconnect", "bye");
  }

  private _ask(type: string, payload: unknown, options: OutgoingOptions & RequestOptions = {}): Promise<unknown> {
    const { timeout = this._settings.timing.request, signal } = options;
    return this._say(type, payload, options, ANSWERED, timeout, this._session.requests.nextId(), signal);
  }

  private _say(
    type: string,
    payload: unknown,
    options: OutgoingOptions,
    stage: number,
    timeout: number,
    id?: string,
    signal?: AbortSignal,
  ): Promise<unknown> {
    const message = new Outgoing(type, payload, { ...options, id });
    return dispatch(this._session, this._connector, message, stage, timeout, signal);
  }

  private _deliver(message: Message): void {
    if (this._rooms.saw(message)) this._subscriptions.deliver(message.type, message, this._events.failed);
  }

  private _endStreams(): void {
    for (const stream of this._streams) stream.deref()?.end();
  }

  private async _sayAll(): Promise<void> {
    const { outbox, link } = this._session;
    outbox.flush();
    await Promise.allSettled(outbox.waiting.map((message) => message.wait(DEPARTED)));
    await link?.flush();
  }
}
