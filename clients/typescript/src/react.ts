"use client";
/**
 * React bindings. They belong to a client that the application makes, and closes if it ever does:
 *
 *     <RealtimeProvider client={client}> … useRealtime() … useRoom("lobby") … useStream("chat:*") … </RealtimeProvider>
 *
 * Rule: everything that a component sees is an immutable snapshot of a store outside of React (`useSyncExternalStore`), and
 * everything that it holds is held from mount to unmount. So it may be rendered twice, later, or never.
 */

import {
  createContext,
  createElement,
  type ReactNode,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useSyncExternalStore,
} from "react";
import type {
  AnyMessages,
  ConnectionInfo,
  Gap,
  MessageOf,
  Pattern,
  RealtimeClient,
  RealtimeError,
  SendOptions,
} from "./index.js";

/** What a component knows of the connection: `ConnectionInfo` without what changes all the time. */
export interface Realtime<M extends object = AnyMessages>
  extends Omit<ConnectionInfo, "counters" | "rooms" | "subscriptions"> {
  client: RealtimeClient<M>;
  /** What went wrong last, until a connection stands again. */
  error: RealtimeError | undefined;
  /** What is missing for good and belongs to no room that is known, if anything: why last, and how many in all. */
  gap: Gap | undefined;
}

/** A room that a component is in. */
export interface Room<M extends object = AnyMessages> {
  /** The server has let the client in. */
  joined: boolean;
  /** How many were there then; `undefined` before. */
  members: number | undefined;
  /** Why the client is not in the room. */
  error: RealtimeError | undefined;
  /** What of it is missing for good since it was joined, if anything: why last, and how many in all. */
  gap: Gap | undefined;
  /** Publish to its members; see `RealtimeClient.sendToRoom`. */
  send<T extends keyof M & string>(type: T, payload?: M[T], options?: Omit<SendOptions, "room">): Promise<void>;
}

/** Which messages a stream has, and what becomes of them. */
export interface StreamOptions {
  /** Only those of this room. */
  room?: string;
  /** The last so many are kept: 100. */
  limit?: number;
}

/** A stream that is made into something else, message by message. */
export interface Reduction<Msg, State> extends Pick<StreamOptions, "room"> {
  reduce: (state: State, message: Msg) => State;
  initial: State;
}

/** The hooks of one message map. */
export interface Hooks<M extends object> {
  useRealtime(): Realtime<M>;
  useRoom(room: string, options?: { history?: number }): Room<M>;
  useStream<P extends Pattern<M>>(pattern: P, options?: StreamOptions): readonly MessageOf<M, P>[];
  useStream<P extends Pattern<M>, State>(pattern: P, options: Reduction<MessageOf<M, P>, State>): State;
}

/** A value outside of React, and those who want to hear when it is another one. */
class Store<T> {
  private readonly _listeners = new Set<() => void>();
  private _end: (() => void) | undefined;
  private _soon = false;

  /** @param _begin called with the first listener; returns what is called after the last. */
  constructor(
    public value: T,
    private readonly _begin: () => () => void,
  ) {}

  readonly get = (): T => this.value;

  readonly subscribe = (listener: () => void): (() => void) => {
    this._listeners.add(listener);
    this._end ??= this._begin();
    return () => {
      this._listeners.delete(listener);
      // Strict mode, and a component that changes its place, come back in the same turn.
      queueMicrotask(() => {
        if (this._listeners.size) return;
        this._end?.();
        this._end = undefined;
      });
    };
  };

  /** It is another one. What changes in one turn is rendered once. */
  set(value: T): void {
    this.value = value;
    if (this._soon) return;
    this._soon = true;
    queueMicrotask(() => {
      this._soon = false;
      for (const listener of [...this._listeners]) listener();
    });
  }
}

const Context = createContext<RealtimeClient | undefined>(undefined);
type Membership = Pick<Room, "joined" | "members" | "error" | "gap">;
const OUTSIDE: Membership = { joined: false, members: undefined, error: undefined, gap: undefined };

/** What all components of a client share: how its connection is, and the rooms that they are in. */
interface Shared {
  info: Store<Realtime>;
  rooms: Map<string, { store: Store<Membership>; history: number }>;
}
const clients = new WeakMap<RealtimeClient, Shared>();

/** Give the components below a client, and connect it. It is closed by who has made it. */
export function RealtimeProvider<M extends object>(props: { client: RealtimeClient<M>; children?: ReactNode }) {
  const client = props.client as unknown as RealtimeClient;
  useEffect(() => connect(client), [client]);
  return createElement(Context.Provider, { value: client }, props.children);
}

/** Return the client, and how its connection is. */
export function useRealtime<M extends object = AnyMessages>(): Realtime<M> {
  const { info } = shared(useClient());
  return useSyncExternalStore(info.subscribe, info.get, info.get) as unknown as Realtime<M>;
}

/**
 * Be in a room as long as the component is mounted; the client leaves it after the last one.
 *
 * @param options `history`: so many of its last messages are sent again, if no other component is in it already.
 */
export function useRoom<M extends object = AnyMessages>(room: string, options: { history?: number } = {}): Room<M> {
  const client = useClient();
  const { history = 0 } = options;
  const membership = membershipOf(client, room);
  const { store } = membership;
  const subscribe = useCallback(
    (listener: () => void) => {
      membership.history = history;
      return membership.store.subscribe(listener);
    },
    [membership, history],
  );
  const state = useSyncExternalStore(subscribe, store.get, () => OUTSIDE);
  return useMemo(() => {
    const send = (...said: [type: string, payload?: unknown, options?: SendOptions]) =>
      client.sendToRoom(room, ...said);
    return { ...state, send } as unknown as Room<M>;
  }, [client, room, state]);
}

type AnyMessage = MessageOf<AnyMessages, string>;

/** Return the messages that match since the component was mounted, or what they were reduced to. */
export function useStream(pattern: string, options?: StreamOptions): readonly AnyMessage[];
export function useStream<State>(pattern: string, options: Reduction<AnyMessage, State>): State;
export function useStream(
  pattern: string,
  options: StreamOptions & Partial<Reduction<AnyMessage, unknown>> = {},
): unknown {
  const client = useClient();
  const { room, limit = 100, initial = NONE } = options;
  const latest = useRef(options.reduce);
  useEffect(() => {
    latest.current = options.reduce;
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: where it begins is looked at once
  const store = useMemo(() => {
    const made: Store<unknown> = new Store(initial, () =>
      client.subscribe(pattern, (message) => {
        if (room !== undefined && message.room !== room) return;
        const keep = (held: unknown) => [...(held as AnyMessage[]), message].slice(-limit);
        made.set(latest.current ? latest.current(made.value, message) : keep(made.value));
      }),
    );
    return made;
  }, [client, pattern, room, limit]);
  return useSyncExternalStore(store.subscribe, store.get, () => initial);
}

/** Return the hooks with the types of a message map: `const { useStream } = realtimeHooks<Chat>()`. */
export function realtimeHooks<M extends object>(): Hooks<M> {
  return { useRealtime, useRoom, useStream } as unknown as Hooks<M>;
}

// -- inside ---------------------------------------------------------------------------------------------------------

const NONE: readonly AnyMessage[] = [];

function useClient(): RealtimeClient {
  const client = useContext(Context);
  if (!client) throw new Error("there is no <RealtimeProvider client={…}> above this component");
  return client;
}

/** Connect a client that has never been asked to. One that the server has stopped is left alone. */
function connect(client: RealtimeClient): void {
  if (client.getConnectionInfo().state !== "idle") return;
  const { info } = shared(client);
  client.connect().catch((error: RealtimeError) => info.set({ ...info.value, error }));
}

function shared(client: RealtimeClient): Shared {
  const found = clients.get(client) ?? { info: infoOf(client), rooms: new Map() };
  clients.set(client, found);
  return found;
}

function infoOf(client: RealtimeClient): Store<Realtime> {
  let gap: Gap | undefined;
  const look = (error: RealtimeError | undefined): Realtime => {
    const { counters, rooms, subscriptions, ...info } = client.getConnectionInfo();
    return { ...info, client, error, gap };
  };
  const store: Store<Realtime> = new Store(look(undefined), () => {
    const renew = () => store.set(look(store.value.error));
    const ends = [
      ...(["state", "transport", "quality", "disconnect"] as const).map((event) => client.on(event, renew)),
      ...(["connect", "reconnect"] as const).map((event) => client.on(event, () => store.set(look(undefined)))),
      client.on("error", (error) => store.set(look(error))),
      client.on("gap", (another) => {
        if (another.room !== undefined) return;
        gap = together(gap, another);
        renew();
      }),
    ];
    // It may have changed while nobody listened.
    renew();
    return () => {
      for (const end of ends) end();
    };
  });
  return store;
}

/** Two gaps as one: why last, and how many in all. */
function together(one: Gap | undefined, other: Gap): Gap {
  return { ...other, n: (one?.n ?? 0) + other.n };
}

/** Return the one store of a client's membership in a room. */
function membershipOf(client: RealtimeClient, room: string) {
  const { rooms } = shared(client);
  const found = rooms.get(room);
  if (found) return found;
  const store: Store<Membership> = new Store(OUTSIDE, () => {
    let isOver = false;
    const become = (value: Membership) => isOver || store.set(value);
    connect(client);
    client.joinRoom(room, { history: membership.history }).then(
      ({ members }) => become({ ...store.value, joined: true, members, error: undefined }),
      (error: RealtimeError) => become({ ...OUTSIDE, error }),
    );
    const ends = [
      // A new session may find the room closed to it.
      client.on("error", (error) => {
        const isGone = store.value.joined && !client.getConnectionInfo().rooms.includes(room);
        if (isGone) store.set({ ...OUTSIDE, error });
      }),
      client.on("gap", (gap) => {
        if (gap.room === room) store.set({ ...store.value, gap: together(store.value.gap, gap) });
      }),
    ];
    return () => {
      isOver = true;
      for (const end of ends) end();
      store.set(OUTSIDE);
      client.leaveRoom(room).catch(() => {});
    };
  });
  const membership = { store, history: 0 };
  rooms.set(room, membership);
  return membership;
}
