// @vitest-environment happy-dom
/** The React bindings: in strict mode, without leaks, and once against a real server. */

import { act, cleanup, configure, render, renderHook, screen, waitFor } from "@testing-library/react";
import { Profiler, type ReactNode, StrictMode, useState } from "react";
import { renderToString } from "react-dom/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import { RealtimeClient } from "../src/index.js";
import { RealtimeProvider, realtimeHooks, useRealtime, useRoom, useStream } from "../src/react.js";
import { FakeNetwork, type Fields } from "./support/fake.js";
import { RealServer } from "./support/server.js";

configure({ asyncUtilTimeout: 15_000 });

let network: FakeNetwork;
let client: RealtimeClient;

beforeEach(() => {
  network = new FakeNetwork();
  client = network.client({ reconnectDelay: 1 });
});
afterEach(async () => {
  cleanup();
  await client.close();
});

/** Everything below is rendered as development does it: twice. */
const within = (made: RealtimeClient) =>
  function Wrapper({ children }: { children: ReactNode }) {
    return (
      <StrictMode>
        <RealtimeProvider client={made}>{children}</RealtimeProvider>
      </StrictMode>
    );
  };
/** Let something happen, and React draw it. */
const happens = (what: () => unknown) => act(async () => void (await what()));
const welcomed = async (fields: Fields = {}) => {
  await waitFor(() => expect(network.sockets.length).toBeGreaterThan(0));
  await happens(() => network.last.welcome(fields));
};
/** Answer every request of this type that was not answered. */
async function answer(type: string, payload: Fields | Error): Promise<void> {
  await waitFor(() => expect(network.last.messages(type).length).toBeGreaterThan(0));
  const requests = network.last.messages(type).splice(-1);
  await happens(() =>
    network.last.say(
      ...requests.map(({ id }) =>
        payload instanceof Error
          ? { type: "error", re: id, payload: { code: "room_full", reason: payload.message } }
          : { type: "reply", re: id, payload },
      ),
    ),
  );
}
/** How many callbacks a client holds. */
const held = () => {
  const { _events, _subscriptions } = client as unknown as {
    _events: { _callbacks: { _all: Set<unknown> } };
    _subscriptions: { _all: Set<unknown> };
  };
  return _events._callbacks._all.size + _subscriptions._all.size;
};

describe("useRealtime", () => {
  it("connects, and says how it goes", async () => {
    const { result } = renderHook(() => useRealtime(), { wrapper: within(client) });
    expect(result.current).toMatchObject({ state: "connecting", isConnected: false, error: undefined, client });
    await welcomed({ node: "n1" });
    expect(result.current).toMatchObject({
      state: "connected",
      isConnected: true,
      node: "n1",
      connectionType: "websocket",
    });
    expect(network.sockets).toHaveLength(1);
    await happens(() => network.last.drop());
    expect(result.current).toMatchObject({ state: "reconnecting", isConnected: false });
  });

  it("says what went wrong, until a connection stands again", async () => {
    const { result } = renderHook(() => useRealtime(), { wrapper: within(client) });
    await waitFor(() => expect(network.sockets).toHaveLength(1));
    network.last.open();
    await happens(() => network.last.say(["close", { code: "forbidden", number: 4202, reason: "not you" }]));
    expect(result.current).toMatchObject({ state: "stopped", error: { code: "forbidden" } });
    void client.connect();
    await waitFor(() => expect(network.sockets).toHaveLength(2));
    await happens(() => network.last.welcome());
    expect(result.current).toMatchObject({ isConnected: true, error: undefined });
    await happens(() => network.last.say({ type: "error", payload: { code: "rate_limited" } }));
    expect(result.current.error).toMatchObject({ code: "rate_limited" });
  });

  it("is the same value while nothing changes, and draws once for what changes at once", async () => {
    let drawn = 0;
    const values = new Set<unknown>();
    const { rerender } = renderHook(() => (drawn++, values.add(useRealtime())), { wrapper: within(client) });
    await welcomed();
    const before = values.size;
    drawn = 0;
    rerender();
    rerender();
    expect([values.size, drawn]).toEqual([before, 4]);
    drawn = 0;
    // Lost, reconnecting, an error: one drawing, twice for strict mode.
    await happens(() => network.last.drop());
    expect(drawn).toBe(2);
  });

  it("does not connect a client that the server has stopped, because a component is mounted", async () => {
    const connecting = client.connect().catch(() => {});
    await waitFor(() => expect(network.sockets).toHaveLength(1));
    network.last.open();
    network.last.say(["close", { code: "kicked", number: 4203 }]);
    await connecting;
    renderHook(() => [useRealtime(), useRoom("lobby")], { wrapper: within(client) });
    await happens(() => {});
    expect([network.sockets.length, client.getConnectionInfo().state]).toEqual([1, "stopped"]);
  });

  it("says what is missing, without a provider", () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    expect(() => renderHook(() => useRealtime())).toThrow(
      "there is no <RealtimeProvider client={…}> above this component",
    );
    vi.restoreAllMocks();
  });

  it("is another client's, when the provider has another one", async () => {
    const other = network.client();
    const Page = ({ made }: { made: RealtimeClient }) => (
      <RealtimeProvider client={made}>
        <State />
      </RealtimeProvider>
    );
    const State = () => <p>{useRealtime().state}</p>;
    const { rerender } = render(<Page made={client} />);
    await welcomed();
    expect(screen.getByText("connected")).toBeTruthy();
    rerender(<Page made={other} />);
    expect(screen.getByText("connecting")).toBeTruthy();
    expect(client.isConnected).toBe(true);
    await other.close();
  });
});

describe("useRoom", () => {
  it("is in the room from mount to unmount, in strict mode, too", async () => {
    const { result, unmount } = renderHook(() => useRoom("lobby", { history: 5 }), { wrapper: within(client) });
    expect(result.current).toMatchObject({ joined: false, members: undefined });
    await welcomed();
    await answer("room:join", { room: "lobby", members: 3 });
    expect(result.current).toMatchObject({ joined: true, members: 3, error: undefined });
    expect(network.last.messages("room:join").map(({ payload }) => payload)).toEqual([{ room: "lobby", history: 5 }]);
    await happens(unmount);
    expect(network.last.messages("room:leave").map(({ payload }) => payload)).toEqual([{ room: "lobby" }]);
    await happens(() => {});
    expect(client.getConnectionInfo().rooms).toEqual([]);
  });

  it("is shared: the first component joins, the last one leaves", async () => {
    const Member = () => <p>{String(useRoom("lobby").joined)}</p>;
    const Page = ({ count }: { count: number }) => (
      <>
        {Array.from({ length: count }, (_, n) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: they are all the same
          <Member key={n} />
        ))}
      </>
    );
    const { rerender } = render(<Page count={2} />, { wrapper: within(client) });
    await welcomed();
    await answer("room:join", { room: "lobby", members: 1 });
    rerender(<Page count={3} />);
    expect(screen.getAllByText("true")).toHaveLength(3);
    await happens(() => rerender(<Page count={1} />));
    expect([network.last.messages("room:join").length, network.last.messages("room:leave").length]).toEqual([1, 0]);
    await happens(() => rerender(<Page count={0} />));
    expect(network.last.messages("room:leave")).toHaveLength(1);
    await happens(() => rerender(<Page count={1} />));
    expect(network.last.messages("room:join")).toHaveLength(2);
    expect(screen.getByText("false")).toBeTruthy();
  });

  it("does not leave and join, when a component only changes its place", async () => {
    const Member = () => <p>{String(useRoom("lobby").joined)}</p>;
    const Page = ({ left }: { left: boolean }) =>
      left ? (
        <div>
          <Member />
        </div>
      ) : (
        <span>
          <Member />
        </span>
      );
    const { rerender } = render(<Page left />, { wrapper: within(client) });
    await welcomed();
    await answer("room:join", { room: "lobby", members: 1 });
    await happens(() => rerender(<Page left={false} />));
    expect(screen.getByText("true")).toBeTruthy();
    expect(network.last.messages("room:leave")).toEqual([]);
  });

  it("moves from one room to another", async () => {
    const { rerender } = renderHook(({ room }) => useRoom(room), {
      wrapper: within(client),
      initialProps: { room: "a" },
    });
    await welcomed();
    await answer("room:join", { room: "a", members: 1 });
    await happens(() => rerender({ room: "b" }));
    const asked = network.last.messages().map(({ type, payload }) => [type, (payload as Fields).room]);
    expect(asked.sort()).toEqual([
      ["room:join", "a"],
      ["room:join", "b"],
      ["room:leave", "a"],
    ]);
  });

  it("says why the client is not in it", async () => {
    const { result } = renderHook(() => useRoom("lobby"), { wrapper: within(client) });
    await welcomed();
    await answer("room:join", new Error("there are ten already"));
    expect(result.current).toMatchObject({
      joined: false,
      error: { code: "room_full", reason: "there are ten already" },
    });
  });

  it("says what of it is missing for good, and the connection what belongs to no room", async () => {
    const { result } = renderHook(() => [useRoom("lobby"), useRoom("other"), useRealtime()] as const, {
      wrapper: within(client),
    });
    await welcomed();
    const told = (...payloads: object[]) =>
      happens(() => network.last.say(...payloads.map((payload) => ({ type: "gap", payload }))));
    await told({ reason: "history", n: 3, room: "lobby", offset: 9, epoch: "e" });
    await answer("room:join", { room: "lobby", members: 1 });
    expect(result.current.map(({ gap }) => gap)).toMatchObject([
      { reason: "history", n: 3, room: "lobby" },
      undefined,
      undefined,
    ]);
    await told({ reason: "buffer_full", n: 2, room: "lobby" }, { reason: "buffer_full", n: 5 });
    expect(result.current.map(({ gap }) => gap && [gap.reason, gap.n])).toEqual([
      ["buffer_full", 5],
      undefined,
      ["buffer_full", 5],
    ]);
  });

  it("says so when a new session finds it closed", async () => {
    const { result } = renderHook(() => useRoom("lobby"), { wrapper: within(client) });
    await welcomed();
    await answer("room:join", { room: "lobby", members: 1 });
    await happens(() => network.last.drop());
    await waitFor(() => expect(network.sockets).toHaveLength(2));
    await happens(() => network.last.welcome({ session: "s2", resumed: false, reason: "expired", rooms: false }));
    await answer("room:join", new Error("closed"));
    await waitFor(() => expect(result.current).toMatchObject({ joined: false, error: { code: "room_full" } }));
  });

  it("does not take a late answer for a room that was left", async () => {
    const { unmount } = renderHook(() => useRoom("lobby"), { wrapper: within(client) });
    await welcomed();
    await happens(unmount);
    await answer("room:join", { room: "lobby", members: 1 });
    const { result } = renderHook(() => useRoom("lobby"), { wrapper: within(client) });
    expect(result.current.joined).toBe(false);
  });

  it("publishes", async () => {
    const { result, rerender } = renderHook(() => useRoom("lobby"), { wrapper: within(client) });
    await welcomed();
    await happens(() => result.current.send("chat:message", { text: "hi" }, { priority: "high" }));
    expect(network.last.messages("chat:message")).toEqual([
      { type: "chat:message", room: "lobby", priority: "high", payload: { text: "hi" } },
    ]);
    const { send } = result.current;
    rerender();
    expect(result.current.send).toBe(send);
  });
});

describe("useStream", () => {
  const say = (...payloads: unknown[]) =>
    happens(() => network.last.say(...payloads.map((payload) => ({ type: "n", payload }))));

  it("is what came since the component was mounted, the last of it", async () => {
    const { result } = renderHook(() => useStream("n", { limit: 3 }), { wrapper: within(client) });
    await welcomed();
    await say(1, 2);
    expect(result.current.map(({ payload }) => payload)).toEqual([1, 2]);
    await say(3, 4);
    expect(result.current.map(({ payload }) => payload)).toEqual([2, 3, 4]);
  });

  it("is a room's, if it is asked for one", async () => {
    const { result } = renderHook(() => useStream("*", { room: "a" }), { wrapper: within(client) });
    await welcomed();
    await happens(() =>
      network.last.say(
        { type: "x", room: "a", payload: 1 },
        { type: "x", room: "b", payload: 2 },
        { type: "x", payload: 3 },
      ),
    );
    expect(result.current.map(({ payload }) => payload)).toEqual([1]);
  });

  it("is made into something else, by the newest function", async () => {
    const { result } = renderHook(
      () => {
        const [mark, setMark] = useState("");
        const text = useStream("n", { reduce: (held, { payload }) => held + mark + payload, initial: "" });
        return { text, setMark };
      },
      { wrapper: within(client) },
    );
    await welcomed();
    await say("Hello", " world");
    expect(result.current.text).toBe("Hello world");
    await happens(() => result.current.setMark("!"));
    await say("a");
    expect(result.current.text).toBe("Hello world!a");
  });

  it("draws once for many tokens that come at once", async () => {
    let commits = 0;
    const Text = () => <p>{useStream("n").length}</p>;
    render(
      <Profiler id="text" onRender={() => commits++}>
        <Text />
      </Profiler>,
      { wrapper: within(client) },
    );
    await welcomed();
    commits = 0;
    await say(...Array.from({ length: 500 }, (_, n) => n));
    expect([screen.getByText("100").textContent, commits]).toEqual(["100", 1]);
  });

  it("begins anew with another pattern", async () => {
    const { result, rerender } = renderHook(({ pattern }) => useStream(pattern), {
      wrapper: within(client),
      initialProps: { pattern: "n" },
    });
    await welcomed();
    await say(1);
    rerender({ pattern: "m" });
    expect(result.current).toEqual([]);
    await happens(() => network.last.say({ type: "n", payload: 2 }, { type: "m", payload: 3 }));
    expect(result.current.map(({ payload }) => payload)).toEqual([3]);
  });
});

it("nothing is left in the client when the last component is gone", async () => {
  const before = held();
  const { unmount } = renderHook(() => [useRealtime(), useRoom("a"), useRoom("b"), useStream("*"), useStream("x")], {
    wrapper: within(client),
  });
  await welcomed();
  expect(held()).toBeGreaterThan(before + 4);
  await happens(unmount);
  await happens(() => {});
  expect([held(), client.getConnectionInfo().subscriptions]).toEqual([before, []]);
});

it("draws on a server, where nothing is connected", () => {
  const Page = () => <p>{`${useRealtime().state} ${useRoom("a").joined} ${useStream("*").length}`}</p>;
  expect(
    renderToString(
      <RealtimeProvider client={client}>
        <Page />
      </RealtimeProvider>,
    ),
  ).toBe("<p>idle false 0</p>");
  expect(network.sockets).toEqual([]);
});

it("has the types of a message map", () => {
  const { useStream: useChat, useRoom: useChatRoom } = realtimeHooks<{ "chat:message": { text: string } }>();
  const Page = () => {
    const { send } = useChatRoom("lobby");
    const texts: string[] = useChat("chat:message").map(({ payload }) => payload.text);
    const all: string = useChat("chat:*", { reduce: (held, { payload }) => held + payload.text, initial: "" });
    void (() => send("chat:message", { text: "hi" }));
    // @ts-expect-error: another payload
    void (() => send("chat:message", { test: "hi" }));
    return <p>{texts.length + all.length}</p>;
  };
  render(<Page />, { wrapper: within(client) });
  expect(screen.getByText("0")).toBeTruthy();
});

it("two people chat, over a real server", async () => {
  const server = await RealServer.start();
  const people = ["ann", "bob"].map(
    () => new RealtimeClient({ url: server.url, webSocket: WebSocket, fallbackTypes: [] }),
  );
  const Person = ({ name }: { name: string }) => {
    const { isConnected } = useRealtime();
    const { joined, send } = useRoom("lobby");
    const messages = useStream("chat:message", { room: "lobby" });
    return (
      <section aria-label={name}>
        <button
          type="button"
          disabled={!isConnected || !joined}
          onClick={() => send("chat:message", `hi from ${name}`)}
        >
          {name} says hi
        </button>
        <ul>
          {messages.map(({ payload }) => (
            <li key={payload}>{payload}</li>
          ))}
        </ul>
      </section>
    );
  };
  render(
    <StrictMode>
      {people.map((person, n) => (
        <RealtimeProvider key={n ? "bob" : "ann"} client={person}>
          <Person name={n ? "bob" : "ann"} />
        </RealtimeProvider>
      ))}
    </StrictMode>,
  );
  const button = (name: string) => screen.getByRole<HTMLButtonElement>("button", { name: `${name} says hi` });
  const heard = (name: string) => [...screen.getByLabelText(name).querySelectorAll("li")].map((one) => one.textContent);
  await waitFor(() => expect([button("ann").disabled, button("bob").disabled]).toEqual([false, false]));
  await happens(() => button("ann").click());
  await waitFor(() => expect(heard("bob")).toEqual(["hi from ann"]));
  await happens(() => button("bob").click());
  await waitFor(() => expect(heard("ann")).toEqual(["hi from ann", "hi from bob"]));
  cleanup();
  await Promise.all(people.map((person) => person.close()));
  await server.kill();
});
