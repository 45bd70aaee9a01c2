"""Start, heartbeat, drain, stop: what happens because time passes and because everything ends."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import attrs
import pytest

from rtcore import App, Message, PluginError, RtcoreError, Session, hookimpl
from rtcore.hooks import Lifespan, Phase
from rtcore.spi.broker import Publication
from rtcore.spi.transport import Handshake
from tests.kernel.harness import Basics, Clock, MemoryLink, MemoryTransport, Peer, make_app, turn, until


async def test_pings_go_out_at_the_interval_and_silence_is_the_end() -> None:
    clock = Clock()
    async with make_app({"heartbeat_interval": 10.0, "ping_timeout": 2.0}, clock=clock) as app:
        peer = Peer(app).connect()
        peer.read()

        def after(seconds: float) -> None:
            clock.now += seconds
            app.manager.heartbeat.tick(clock.now)

        after(10)
        assert peer.control("ping") == {}
        peer.say("pong")
        after(2)
        assert peer.link.closed is None
        after(10)
        after(2)
        assert peer.link.closed == (4001, "ping_timeout")
        assert peer.session.transport is None, "the session waits for another connection"
        assert app.manager.get_metrics().transports["memory"].connections == 0


async def test_a_broadcast_reaches_everybody_but_one_and_is_encoded_once() -> None:
    async with make_app() as app:
        peers = [Peer(app).connect() for _ in range(1000)]
        for peer in peers:
            peer.read()
        writes = [len(peer.link.written) for peer in peers]
        for i in range(3):
            assert app.manager.broadcast(Message("n", i), exclude=peers[0].session) == 999
        await until(lambda: all(p.session.outbox == [] for p in peers))
        assert peers[0].read() == []
        assert all([m["payload"] for m in peer.read()] == [0, 1, 2] for peer in peers[1:])
        assert all(len(p.link.written) - n == 1 for p, n in zip(peers[1:], writes[1:], strict=True)), (
            "one write each"
        )
        assert len({id(p.link.written[-1]) for p in peers[1:]}) <= 4, "the bytes are made once per turn"


async def test_a_reply_is_not_behind_a_broadcast() -> None:
    app = make_app({"max_connections": 2000})
    app.handler("hello?")(lambda message: "here")
    async with app:
        peers = [Peer(app).connect() for _ in range(2000)]
        bystander = peers[-1]
        app.manager.broadcast(Message("n", 1))
        bystander.send("hello?", id="1")
        await asyncio.sleep(0)
        bystander.read()
        assert [m.get("re") for m in bystander.got] == [None, "1"]
        assert any(p.session.outbox for p in peers), "the others are still being flushed"
        await until(lambda: not any(p.session.outbox for p in peers))


async def test_a_session_that_falls_behind_waits_in_lanes_by_priority() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        peer.connection.pause()
        for i, priority in enumerate(("low", "normal", "high", "critical")):
            peer.session.send("n", i, priority=priority)
        await turn()
        assert peer.read() == []
        peer.connection.resume()
        assert [m["payload"] for m in peer.read()] == [3, 2, 1, 0]
        peer.session.send("n", 4)
        await turn()
        assert [m["payload"] for m in peer.read()] == [4]


async def test_a_payload_that_the_codec_cannot_express_is_the_senders_error() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        with pytest.raises(TypeError):
            peer.session.send("n", object())
        with pytest.raises(TypeError):
            app.manager.broadcast(Message("n", object()))
        await turn()
        assert peer.read() == []


async def test_a_link_that_raises_stops_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    async with make_app() as app:
        one, other = Peer(app).connect(), Peer(app).connect()
        other.read()

        def broken(data: bytes) -> None:
            raise OSError("gone")

        one.link.write = broken  # type: ignore[method-assign]
        app.manager.broadcast(Message("n", 1))
        await turn()
        assert [m["payload"] for m in other.read()] == [1]
        one.link.write = MemoryLink().write  # type: ignore[method-assign]
    assert "gone" in caplog.text


async def test_the_manager_sends_disconnects_and_tells_who_is_there() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        session_id = peer.line.session
        assert list(app.manager.sessions) == [session_id]
        assert app.manager.send_to_connection(session_id, Message("n", 1)) is True
        assert app.manager.send_to_connection("nobody", Message("n", 1)) is False
        assert app.manager.disconnect("nobody") is False
        assert app.manager.disconnect(session_id, "spam is not welcome") is True
        assert [m["payload"] for m in peer.read()] == [1], "what was posted before goes first"
        close = peer.control("close")
        assert (close["code"], close["reason"]) == ("kicked", "spam is not welcome")
        assert peer.session.post(Message("n", 2)) is False
        assert app.manager.counters.drops["expired_session"] == 1
        assert list(app.manager.rooms) == []
        with pytest.raises(RtcoreError, match="no rooms plugin"):
            app.manager.send_to_room("r", Message("n"))


async def test_drain_refuses_newcomers_and_asks_everyone_to_move_each_at_a_moment() -> None:
    clock = Clock()
    app = make_app({"drain_time": 8.0}, clock=clock)
    async with app:
        peers = [Peer(app).connect() for _ in range(4)]
        drained = asyncio.ensure_future(app.drain())
        await turn()
        assert [peer.control("move")["within"] for peer in peers] == [1.0, 2.0, 3.0, 4.0]
        assert app.draining
        with pytest.raises(RtcoreError, match="going_away"):
            app.manager.add_connection(MemoryLink(), Handshake("memory"))
        for peer in peers:
            peer.cut()
        await drained


async def test_stop_tells_the_clients_and_ends_every_task() -> None:
    app = make_app()
    ended = asyncio.Event()

    @app.handler("wait")
    async def wait(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with app:
        peer = Peer(app).connect()
        peer.send("wait")
        await turn()
    assert peer.control("close")["code"] == "going_away"
    assert ended.is_set()
    assert app.manager.get_metrics().session_count == 0
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []
    await app.stop()


@pytest.fixture
async def over() -> AsyncIterator[asyncio.Event]:
    """Set when the test is over, whatever comes of it."""
    event = asyncio.Event()
    yield event
    event.set()
    await turn()


@pytest.mark.parametrize("style", [{}, {"concurrent": True}, {"detached": True}])
async def test_a_handler_that_swallows_its_cancellation_is_left_behind_by_a_stop(
    style: dict[str, bool], over: asyncio.Event, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app({"stop_grace": 0.05})

    @app.handler("wait", **style)
    async def swallow() -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    await app.start()
    peer = Peer(app).connect()
    peer.send("wait", id="1")
    await turn()
    await app.stop()
    assert "left behind" in caplog.text
    assert "handler wait" in caplog.text
    await app.start()
    assert Peer(app).connect().control("welcome")["resumed"] is False
    await app.stop()


async def test_steps_of_a_stop_that_hang_are_cancelled_one_after_the_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    undone: list[str] = []

    class Hanging:
        def __init__(self, name: str) -> None:
            self.name = name

        @contextlib.asynccontextmanager
        async def _life(self) -> AsyncIterator[None]:
            yield
            try:
                await asyncio.Event().wait()
            finally:
                undone.append(self.name)

        @hookimpl
        def rtcore_lifespan(self, app: App) -> object:
            return self._life()

    async with App({}, plugins=[Hanging("a"), Hanging("b")]) as app:
        await app.stop(within=0.05)
    assert undone == ["b", "a"]
    assert caplog.text.count("the stop takes too long") == 2
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_who_cancels_a_stop_is_obeyed() -> None:
    class Hanging:
        name = "hanging"

        @contextlib.asynccontextmanager
        async def _life(self) -> AsyncIterator[None]:
            yield
            await asyncio.Event().wait()

        @hookimpl
        def rtcore_lifespan(self, app: App) -> object:
            return self._life()

    app = App({}, plugins=[Hanging()])
    await app.start()
    stopping = asyncio.create_task(app.stop())
    await turn()
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping


class Recorder:
    """Writes down in which order it was started and stopped."""

    def __init__(self, name: str, phase: Phase | None, log: list[str]) -> None:
        self.name, self.phase, self.log = name, phase, log

    @contextlib.asynccontextmanager
    async def _life(self) -> AsyncIterator[None]:
        self.log.append(f"+{self.name}")
        try:
            yield
        finally:
            self.log.append(f"-{self.name}")

    @hookimpl
    def rtcore_lifespan(self, app: App) -> object:
        return self._life() if self.phase is None else Lifespan(self._life(), self.phase)


async def test_phases_start_in_order_and_stop_in_reverse() -> None:
    log: list[str] = []

    class LoggedTransport(MemoryTransport):
        async def start(self, app: App) -> None:
            log.append("+transport")

        async def stop(self) -> None:
            log.append("-transport")

    class LoggedBroker:
        name = "logged"

        @hookimpl
        def rtcore_brokers(self) -> list[LoggedBroker]:
            return [self]

        async def start(self, sink: Callable[[Publication], None]) -> None:
            log.append("+broker")

        async def stop(self) -> None:
            log.append("-broker")

        def subscribe(self, room: str) -> None: ...
        def unsubscribe(self, room: str) -> None: ...
        def publish(self, publication: Publication) -> None: ...

    plugins = [
        Recorder("port", Phase.TRANSPORTS, log),
        Recorder("handlers", Phase.HANDLERS, log),
        Recorder("service", None, log),
        LoggedBroker(),
        Basics(LoggedTransport()),
    ]
    async with App(plugins=plugins):
        up = ["+broker", "+service", "+handlers", "+transport", "+port"]
        assert log == up
    assert log[5:] == [name.replace("+", "-") for name in reversed(up)]


async def test_a_start_that_fails_undoes_what_was_started() -> None:
    log: list[str] = []

    class Failing(MemoryTransport):
        async def start(self, app: App) -> None:
            raise OSError("the port is taken")

    app = App(plugins=[Recorder("service", None, log), Basics(Failing())])
    with pytest.raises(OSError, match="taken"):
        await app.start()
    assert log == ["+service", "-service"]
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []


async def test_observers_hear_of_sessions_and_cannot_harm_them(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    class Observer:
        name = "observer"

        @hookimpl
        def rtcore_session_opened(self, app: App, session: Session) -> None:
            heard.append("opened")
            raise RuntimeError("the observer stumbles")

        @hookimpl
        def rtcore_session_resumed(self, session: Session) -> None:
            heard.append("resumed")

        @hookimpl
        def rtcore_session_closed(self, session: Session, reason: str) -> None:
            heard.append(reason)

    async with make_app({}, Observer()) as app:
        peer = Peer(app).connect()
        peer.read()
        peer.connect()
        peer.read()
        peer.session.close()
    assert heard == ["opened", "resumed", "session_closed"]
    assert "stumbles" in caplog.text


@attrs.frozen
class Given:
    depth: int = 3


class Provider:
    name = "provider"

    @hookimpl
    def rtcore_settings(self) -> type:
        return Given

    @hookimpl
    def rtcore_services(self, app: App) -> dict[type, object]:
        return {Given: app.settings(Given)}


def test_services_are_found_by_type_and_missing_ones_are_named_at_boot() -> None:
    class Needy:
        name = "needy"

        @hookimpl
        def rtcore_requirements(self) -> list[type]:
            return [Given]

    app = App({"provider": {"depth": 5}}, plugins=[Provider(), Needy()])
    app.boot()
    assert app.get(Given).depth == 5
    assert app.find(Path) is None
    with pytest.raises(RtcoreError, match="Path"):
        app.get(Path)
    with pytest.raises(PluginError, match="`needy` needs Given"):
        App(plugins=[Needy()]).boot()
    twin = Provider()
    twin.name = "twin"
    with pytest.raises(PluginError, match="`provider` already"):
        App(plugins=[Provider(), twin]).boot()


def test_what_is_contributed_is_checked_and_the_complaint_names_the_plugin() -> None:
    class Wrong:
        name = "wrong"

        def __init__(self, answer: object) -> None:
            self.answer = answer

        @hookimpl
        def rtcore_codecs(self) -> object:
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

    for answer, word in [
        ("text", "expected a sequence"),
        (3, "expected a sequence"),
        ([object()], "it lacks binary"),
        (ValueError("no luck"), "raised ValueError: no luck"),
    ]:
        with pytest.raises(PluginError, match="`wrong`") as complaint:
            App(plugins=[Wrong(answer)]).boot()
        assert word in str(complaint.value)
    twin = Basics()
    twin.name = "twin"
    with pytest.raises(PluginError, match="`json` is taken by plugin `basics`"):
        App(plugins=[Basics(), twin]).boot()


def test_the_broker_is_the_one_named_or_the_only_one() -> None:
    class Some:
        def __init__(self, name: str) -> None:
            self.name = name

        @hookimpl
        def rtcore_brokers(self) -> list[Some]:
            return [self]

        async def start(self, sink: object) -> None: ...
        async def stop(self) -> None: ...
        def subscribe(self, room: str) -> None: ...
        def unsubscribe(self, room: str) -> None: ...
        def publish(self, publication: Publication) -> None: ...

    one, two = Some("one"), Some("two")
    app = App(plugins=[one])
    app.boot()
    assert app.broker is one
    app = App({"broker": "two"}, plugins=[one, two])
    app.boot()
    assert app.broker is two
    with pytest.raises(PluginError, match="several brokers"):
        App(plugins=[one, two]).boot()
    with pytest.raises(PluginError, match="no plugin provides it"):
        App({"broker": "three"}, plugins=[one]).boot()


def test_handlers_are_added_before_the_app_boots() -> None:
    app = App(plugins=[])
    app.boot()
    with pytest.raises(RtcoreError, match="has booted"):
        app.handler("x")


PROGRAM = """
import asyncio, sys
from rtcore import App, hookimpl
from rtcore.serve import run

class Stubborn:
    name = "stubborn"
    @hookimpl
    def rtcore_lifespan(self, app):
        import contextlib
        @contextlib.asynccontextmanager
        async def life():
            yield
            print("undone", flush=True)
        return life()

app = App({"drain_time": float(sys.argv[1])}, plugins=[Stubborn()])
if sys.argv[2] == "hang":
    async def drain(within=None):
        await asyncio.Event().wait()
    app.drain = drain
run(app, ready=lambda: print("ready", flush=True))
print("done", flush=True)
"""


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
async def test_a_signal_drains_and_a_second_one_ends_at_once(
    signals: list[signal.Signals], tmp_path: Path
) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    hang = "hang" if len(signals) == 2 else "go"
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), "5.0", hang, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"ready\n"
        process.send_signal(signals[0])
        for again in signals[1:]:
            # The first must have been heard before the second can mean anything.
            await asyncio.sleep(0.05)
            process.send_signal(again)
        rest = await process.stdout.read()
        assert await process.wait() == 0
    assert rest == b"undone\ndone\n"
