"""A client that is closed, opened again, paused, woken up: what its program may rely on at these moments."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from rtcore_client import (
    Limits,
    Message,
    NetworkError,
    NewSession,
    NotConnected,
    RealtimeClient,
    Timing,
    WrongLoop,
)
from rtcore_client import probe as probing
from stack import make, until

from rtcore.session import Session

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make(message_buffer_size=5_000, rooms={"options": {"board:*": {"history": 100}}})
    app.seen = []

    @app.handler("note")
    def note(payload: object) -> None:
        app.seen.append(payload)

    @app.handler("count")
    def count(session: Session, payload: int) -> int:
        for n in range(payload):
            session.send("number", n)
        return payload

    return app


# -- close ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("kind", ["plain", "async", "event"])
async def test_after_close_was_called_no_callback_is(client_of, app, transport, kind):
    client = client_of(connection_type=transport, fallback_types=())
    closing, heard, late = [], [], []

    def close() -> None:
        if not closing:
            closing.append(asyncio.ensure_future(client.close()))

    def plain(message: Message) -> None:
        (late if closing else heard).append(message.payload)
        if message.payload == 5 and kind == "plain":
            close()

    async def slow(message: Message) -> None:
        (late if closing else heard).append(message.payload)
        if message.payload == 5 and kind == "async":
            close()
        await asyncio.sleep(0)

    def event(_value: object) -> None:
        if kind == "event":
            close()

    client.subscribe("number", plain)
    client.subscribe("number", slow)
    client.subscribe("last", event)
    client.on("gap", lambda gap: late.append(gap) if closing else None)
    client.on("error", lambda error: late.append(error) if closing else None)
    ends = []
    client.on("disconnect", ends.append)
    await client.connect()
    session = app.manager.sessions[client.get_connection_info().session_id]
    for n in range(200):
        session.send("number", n)
        if n == 100:
            session.send("last")
            session.send("gap", {"reason": "buffer_full", "n": 1})
    await until(lambda: closing)
    await closing[0]
    assert heard
    assert not late
    assert ends == ["bye"], "its end is told"


async def test_closing_is_finished_though_nobody_waits_for_it(client_of, app):
    client = client_of()
    await client.connect()
    waiting = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    waiting.cancel()
    await until(lambda: client.get_connection_info().state == "closed" and not app.manager.sessions)
    await client.close()
    await client.connect()
    assert await client.request("echo", 1) == 1


async def test_an_async_callback_hears_of_the_end(client_of):
    client, ends = client_of(), []

    async def ended(code: str) -> None:
        await asyncio.sleep(0.01)
        ends.append(code)

    client.on("disconnect", ended)
    await client.connect()
    await client.close()
    assert ends == ["bye"]


async def test_a_callback_that_hears_of_the_end_may_close_as_well(client_of):
    client, ends = client_of(), []

    async def ended(code: str) -> None:
        await client.close()
        ends.append(code)

    client.on("disconnect", ended)
    await client.connect()
    begun = asyncio.get_running_loop().time()
    await client.close()
    assert ends == ["bye"]
    assert asyncio.get_running_loop().time() - begun < 1.0


# -- a token that does not come ------------------------------------------------------------------------------------


class Provider:
    """Gives a token, if it is let."""

    def __init__(self, *, deaf: bool = False) -> None:
        self.go = asyncio.Event()
        self.deaf = deaf
        self.calls = self.cancelled = 0

    async def __call__(self) -> str:
        self.calls += 1
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                if not self.deaf:
                    raise
        return "token"


@pytest.mark.parametrize("deaf", [False, True])
async def test_close_cuts_a_hanging_token_provider_short(client_of, deaf):
    provider = Provider(deaf=deaf)
    client = client_of(authentication={"token": provider})
    connecting = asyncio.create_task(client.connect())
    await until(lambda: provider.calls)
    loop = asyncio.get_running_loop()
    begun = loop.time()
    closing = asyncio.create_task(client.close())
    with pytest.raises(NotConnected):
        await connecting
    assert loop.time() - begun < 2.0, "whoever waits for the connection is told at once"
    await closing
    assert provider.cancelled
    assert loop.time() - begun < 6.0
    provider.go.set()


async def test_a_hanging_token_provider_fails_the_attempt_by_its_name_and_once(client_of):
    provider = Provider()
    client = client_of(authentication={"token": provider}, max_reconnect_attempts=0, timing=Timing(token=0.1))
    with pytest.raises(NetworkError) as raised:
        await client.connect()
    assert "token" in raised.value.reason
    assert "0.1 s" in raised.value.reason
    assert provider.calls == provider.cancelled == 1, "no other transport can help it"
    provider.go.set()
    await client.connect()


async def test_a_provider_that_cannot_be_cancelled_is_not_called_again_before_it_ends(client_of):
    provider = Provider(deaf=True)
    client = client_of(authentication={"token": provider}, timing=Timing(token=0.05, suspended_delay=0.05))
    with contextlib.suppress(NetworkError):
        await client.connect()
    with pytest.raises(NetworkError) as raised:
        await client.connect()
    assert "has not ended" in raised.value.reason
    assert provider.calls == 1
    provider.go.set()
    await until(lambda: client.is_connected)


async def test_what_a_provider_raises_or_returns_is_named(client_of):
    answers = iter([ValueError("no network"), 7])

    def token() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    client = client_of(authentication={"token": token}, max_reconnect_attempts=0)
    with pytest.raises(NetworkError) as raised:
        await client.connect()
    assert "ValueError: no network" in raised.value.reason
    assert isinstance(raised.value.failures["websocket"].__cause__, ValueError)
    with pytest.raises(NetworkError) as raised:
        await client.connect()
    assert "expected text, given int" in raised.value.reason


# -- close, then connect -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_closed_client_may_be_connected_again(client_of, app, transport):
    client = client_of(connection_type=transport, fallback_types=())
    heard, sessions, events = [], [], []

    async def later(message: Message) -> None:
        heard.append(("async", message.payload))

    client.subscribe("number", lambda message: heard.append(("plain", message.payload)))
    client.subscribe("number", later)
    client.on("session", sessions.append)
    for name in ("connect", "reconnect", "disconnect"):
        client.on(name, lambda _value, name=name: events.append(name))
    stream = client.messages("number")
    await client.connect()
    await client.join_room("lobby", name="Ada")
    first = client.get_connection_info().session_id
    await client.close()
    assert [message async for message in stream] == [], "a stream ends"

    for life in range(2):
        await client.connect()
        assert client.get_connection_info().session_id != first
        await client.request("count", 2)
        await until(lambda life=life: len(heard) == 4 * (life + 1))
        await until(lambda: client.get_connection_info().rooms == ("lobby",))
        await until(lambda: len(app.manager.sessions) == 1)
        await client.close()
    assert sorted(heard) == sorted([("plain", 0), ("plain", 1), ("async", 0), ("async", 1)] * 2)
    assert [session.reason for session in sessions] == ["closed", "closed"]
    assert isinstance(sessions[0], NewSession)
    assert sessions[0].previous == first
    assert events == ["connect", "disconnect"] * 3
    assert not app.manager.sessions


async def test_connecting_waits_for_a_close_that_is_under_way(client_of, app):
    client = client_of()
    await client.connect()
    first = client.get_connection_info().session_id
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0)
    await client.connect()
    assert closing.done()
    assert await client.request("echo", 1) == 1
    assert list(app.manager.sessions) == [client.get_connection_info().session_id] != [first]


def test_a_client_may_live_in_one_loop_after_the_other(tmp_path):
    """`asyncio.run` again and again, with a client that is kept; once without closing it."""
    import subprocess
    import sys

    program = """
import asyncio
from rtcore_client import RealtimeClient
from rtcore.app import App
from rtcore_http.service import Http

client = None

async def main(close):
    global client
    async with App({"http": {"host": "127.0.0.1", "port": port}}) as app:
        url = f"http://127.0.0.1:{app.get(Http).port}/rt"
        if client is None:
            client = RealtimeClient(url)
        await client.connect()
        assert await client.request("echo", 1) == 1
        if close:
            await client.close()
        return app.get(Http).port

port = 0
port = asyncio.run(main(True))
asyncio.run(main(False))
asyncio.run(main(True))
print("lived three times")
"""
    path = tmp_path / "program.py"
    path.write_text(program)
    ran = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert "lived three times" in ran.stdout, ran.stderr


# -- another thread ------------------------------------------------------------------------------------------------


async def test_what_waits_is_refused_at_once_in_another_loop(client_of, app):
    client = client_of()
    await client.connect()
    stream = client.messages("number")

    async def elsewhere() -> list[BaseException]:
        calls = (
            client.connect(), client.send("note", 1), client.request("echo", 1), client.join_room("lobby"),
            client.leave_room("lobby"), client.send_to_room("lobby", "note"), client.switch_transport("sse"),
            client.probe(), client.pause(), client.resume(), anext(stream),
        )  # fmt: skip
        return await asyncio.gather(*calls, return_exceptions=True)

    told = await asyncio.to_thread(asyncio.run, elsewhere())
    assert [type(error) for error in told] == [WrongLoop] * 11
    assert "run_coroutine_threadsafe" in str(told[0])
    assert isinstance(told[0], RuntimeError)
    assert app.seen == []
    loop = asyncio.get_running_loop()

    def advised() -> object:
        return asyncio.run_coroutine_threadsafe(client.request("echo", 1), loop).result(5)

    assert await asyncio.to_thread(advised) == 1


async def test_what_does_not_wait_works_in_every_thread(client_of, app):
    client = client_of()
    await client.connect()
    heard = []

    async def slow(message: Message) -> None:
        heard.append(message.payload)

    def elsewhere() -> tuple[object, ...]:
        return (
            client.subscribe("number", slow), client.on("gap", print), client.messages("number"), client.is_connected,
            client.get_connection_info().state, repr(client),
        )  # fmt: skip

    unsubscribe, off, stream, *said = await asyncio.to_thread(elsewhere)
    assert said[:2] == [True, "connected"]
    await client.request("count", 3)
    await until(lambda: heard == [0, 1, 2])
    assert [(await anext(stream)).payload for _ in range(3)] == [0, 1, 2]
    await asyncio.to_thread(unsubscribe)
    await asyncio.to_thread(off)
    await client.request("count", 3)
    assert (await anext(stream)).payload == 0
    assert heard == [0, 1, 2]


# -- pause and resume ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_paused_client_has_no_connection_and_loses_nothing(client_of, app, proxy, transport):
    client = client_of(connection_type=transport, fallback_types=(), limits=Limits(queue=50))
    heard, events = [], []
    client.subscribe("number", lambda message: heard.append(message.payload))
    for name in ("connect", "reconnect", "disconnect", "session"):
        client.on(name, lambda value, name=name: events.append((name, value)))
    await client.connect()
    session = app.manager.sessions[client.get_connection_info().session_id]
    for n in range(20):
        await client.send("note", n)
    await client.pause()
    assert client.get_connection_info().state == "paused"
    await until(lambda: proxy.open == 0)
    if (
        transport != "polling"
    ):  # there the server cannot see it: between two polls there is no connection either
        await until(lambda: session.connection is None)
    assert app.seen == list(range(20)), "what was queued has left"
    asked = len(proxy.requests)
    for n in range(20, 40):
        await client.send("note", n)
    session.send("number", 1)
    assert not await client.probe()
    await asyncio.sleep(0.3)
    assert len(proxy.requests) == asked, "it does not even try"
    await client.resume()
    await until(lambda: len(app.seen) == 40 and heard == [1])
    assert app.seen == list(range(40))
    assert client.get_connection_info().resumed
    names = [name for name, _ in events]
    assert names == ["connect", "disconnect", "reconnect"]
    assert events[1] == ("disconnect", "paused")


async def test_a_pause_ends_attempts_and_tells_who_waits(client_of, proxy):
    client = client_of(max_reconnect_attempts=1000)
    await proxy.down()
    connecting = asyncio.create_task(client.connect())
    await asyncio.sleep(0.05)
    await client.pause()
    with pytest.raises(NotConnected) as raised:
        await connecting
    assert "paused" in raised.value.reason
    await proxy.up()
    await client.connect()
    assert client.is_connected


async def test_pausing_what_is_not_connected_is_harmless_and_a_paused_client_may_be_closed(client_of, app):
    client = client_of()
    await client.pause()
    await client.connect()
    await client.pause()
    await client.pause()
    await client.close()
    assert client.get_connection_info().state == "closed"
    await client.resume()
    assert await client.request("echo", 1) == 1


# -- probes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_probe_finds_a_dead_link_in_seconds(client_of, proxy, transport):
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    await client.connect()
    assert await client.probe()
    assert client.is_connected
    lost = []
    client.on("disconnect", lost.append)
    proxy.silent = True
    loop = asyncio.get_running_loop()
    begun = loop.time()
    assert not await client.probe()
    assert loop.time() - begun < 6.0, "by its heartbeats it would have been 35 s"
    await until(lambda: lost == ["ping_timeout"])
    proxy.cut()
    proxy.silent = False
    await until(lambda: client.is_connected)
    assert client.get_connection_info().resumed
    assert await client.request("echo", 1) == 1


async def test_a_probe_makes_a_client_in_its_pauses_try_at_once(client_of, proxy):
    client = client_of(reconnect_delay=60.0, uniform=lambda _low, high: high, max_reconnect_attempts=0)
    await client.connect()
    await proxy.down()
    await until(lambda: not client.is_connected)
    await proxy.up()
    assert not await client.probe()
    await until(lambda: client.is_connected, within=5.0)


async def test_a_probe_begins_anew_with_an_attach_that_hangs(client_of, proxy):
    client = client_of(timing=Timing(open=300.0))
    proxy.hanging = {"/rt/ws"}
    connecting = asyncio.create_task(client.connect())
    await until(lambda: proxy.requests == ["GET /rt/ws"])
    proxy.hanging = set()
    await client.probe()
    assert proxy.requests == ["GET /rt/ws"], "what has only just begun is not begun again"
    await asyncio.sleep(1.1)
    await client.probe()
    await connecting
    assert client.get_connection_info().connection_type == "websocket"


async def test_a_probe_cuts_a_hanging_token_provider_short(client_of):
    provider = Provider()
    client = client_of(authentication={"token": provider}, timing=Timing(token=300.0))
    connecting = asyncio.create_task(client.connect())
    await until(lambda: provider.calls == 1)
    await asyncio.sleep(1.1)
    provider.go.set()
    provider.go = asyncio.Event()  # the first call hangs for ever; the next is answered
    provider.go.set()
    await client.probe()
    await connecting
    assert client.is_connected


class Surroundings:
    """What the client sees of the machine that it is on."""

    def __init__(self) -> None:
        self.slept = 100.0
        self.way = "10.0.0.7"


@pytest.mark.parametrize("change", ["sleep", "way", "none"])
async def test_a_machine_that_slept_or_has_moved_is_noticed(client_of, proxy, monkeypatch, change):
    world = Surroundings()
    monkeypatch.setattr(probing, "LOOK", 0.05)
    monkeypatch.setattr(probing, "seconds_asleep", lambda: world.slept)
    monkeypatch.setattr(probing, "way_out", lambda: world.way)
    client = client_of(max_reconnect_attempts=1000)
    lost = []
    client.on("disconnect", lost.append)
    await client.connect()
    await asyncio.sleep(0.2)
    proxy.silent = True
    if change == "sleep":
        world.slept += 3600.0
    elif change == "way":
        world.way = "192.168.1.3"
    if change == "none":
        await asyncio.sleep(3.0)
        assert not lost
    else:
        await until(lambda: lost == ["ping_timeout"], within=8.0)
    proxy.silent = False
    proxy.cut()
    await until(lambda: client.is_connected)


def test_the_surroundings_are_looked_at_without_sending_anything():
    asleep = probing.seconds_asleep()
    assert abs(probing.seconds_asleep() - asleep) < 1.0
    assert probing.way_out() == probing.way_out()


async def test_a_client_that_nobody_connected_can_be_closed_and_probed(app):
    client = RealtimeClient("http://127.0.0.1:9/rt")
    assert not await client.probe()
    await client.close()
    assert client.get_connection_info().state == "closed"
    fresh = RealtimeClient("http://127.0.0.1:9/rt")
    await fresh.close()
    assert fresh.get_connection_info().state == "closed"
