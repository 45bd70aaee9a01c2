"""What handlers, interceptors, limiters, observers and authenticators raise ends their question, and nothing else.

`CancelledError`, `GeneratorExit`, `SystemExit` and `KeyboardInterrupt` are no `Exception`: each would end a connection,
a task or the whole loop if it got out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from rtcore import App, Message, Session, hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.interceptor import Stage
from rtcore.spi.transport import Handshake
from tests.kernel.harness import Peer, make_app, turn, until

FATAL = [asyncio.CancelledError, GeneratorExit, SystemExit, KeyboardInterrupt]
each = pytest.mark.parametrize("fatal", FATAL)


def add_handlers(app: App, fatal: type[BaseException]) -> None:
    """Add one handler for each way in which one may raise, and one that is well."""

    async def later() -> None:
        await asyncio.sleep(0)
        raise fatal

    @app.handler("plain")
    def plain() -> None:
        raise fatal

    @app.handler("async")
    async def at_once() -> None:
        raise fatal

    @app.handler("async, later")
    async def after_a_turn() -> None:
        await later()

    @app.handler("beside", concurrent=True)
    async def beside() -> None:
        await later()

    @app.handler("detached", detached=True)
    async def detached() -> None:
        await later()

    @app.handler("something to await")
    def something_to_await() -> Any:
        return later()

    @app.handler("a task that was cancelled")
    async def of_a_task() -> None:
        task = asyncio.create_task(asyncio.sleep(3600))
        task.cancel()
        await task

    @app.handler("in a finally")
    async def in_a_finally() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            raise fatal

    app.handler("well")(lambda message: message.payload)


WAYS = [
    "plain", "async", "async, later", "beside", "detached", "something to await", "a task that was cancelled",
    "in a finally",
]  # fmt: skip


@each
async def test_a_handlers_error_is_answered_to_its_caller_and_changes_nothing_else(
    fatal: type[BaseException],
) -> None:
    app = make_app()
    add_handlers(app, fatal)
    async with app:
        peer, other = Peer(app).connect(), Peer(app).connect()
        for way in WAYS:
            peer.send(way, id=way)
            peer.send(way)
        peer.send("well", 1, id="well")
        await until(lambda: len((peer.read(), peer.got)[1]) == 2 * len(WAYS) + 1)
        answers = {m.get("re"): m["payload"] for m in peer.got}
        assert {way: answers[way]["code"] for way in WAYS} == dict.fromkeys(WAYS, "handler_failed")
        assert answers["well"] == 1
        told = sorted(m["payload"]["n"] for m in peer.got if m.get("re") is None)
        assert told == [2 * (at + 1) for at in range(len(WAYS))], "without an id, by its place in the count"
        assert peer.session.connection is peer.connection
        other.send("well", 2, id="well")
        await turn()
        assert [m["payload"] for m in other.read()] == [2]


async def test_one_whose_caller_gave_up_is_cancelled_and_not_failed(caplog: pytest.LogCaptureFixture) -> None:
    app = make_app()

    @app.handler("wait")
    async def wait() -> None:
        await asyncio.Event().wait()

    async with app:
        peer = Peer(app).connect()
        peer.send("wait", id="1")
        await turn()
        peer.say("cancel", id="1")
        await turn()
        assert [m["payload"]["code"] for m in peer.read()] == ["cancelled"]
    assert not caplog.records


def parts() -> Iterator[int]:
    yield 1


async def async_parts() -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize("made", [parts, async_parts])
@pytest.mark.parametrize("style", ["itself", "returned", "returned by an async one"])
async def test_a_generator_is_a_failure_that_says_so(
    made: Any, style: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()

    async def later() -> Any:
        return made()

    call = {"itself": made, "returned": lambda message: made(), "returned by an async one": later}[style]
    app.handler("parts")(call)
    async with app:
        peer = Peer(app).connect()
        peer.send("parts", id="1")
        peer.send("parts")
        await until(lambda: len((peer.read(), peer.got)[1]) == 2)
        assert {m["payload"]["code"] for m in peer.got} == {"handler_failed"}
        assert peer.session.connection is not None
    assert "returned a generator" in caplog.text


class Troublesome:
    """A plugin that raises where it is asked to."""

    name = "troublesome"
    stage = Stage.LIMIT

    def __init__(self, where: str, fatal: type[BaseException]) -> None:
        self.where, self.fatal = where, fatal

    def _at(self, where: str) -> None:
        if where == self.where:
            raise self.fatal

    # -- interceptors and limiters -------------------------------------------------------------------------

    @hookimpl
    def rtcore_interceptors(self) -> list[Troublesome]:
        return [self]

    def inbound(self, session: Session, message: Message) -> Message:
        self._at("interceptor")
        return message

    @hookimpl
    def rtcore_limiters(self) -> list[Troublesome]:
        return [self]

    def take(self, session: Session) -> float:
        self._at("limiter")
        return 0.0

    # -- observers -----------------------------------------------------------------------------------------

    @hookimpl
    def rtcore_session_opened(self, app: App, session: Session) -> None:
        self._at("opened")
        if self.where == "task":
            app.spawn(self._task(), name="of an observer")

    async def _task(self) -> None:
        raise self.fatal

    @hookimpl
    def rtcore_session_resumed(self, session: Session) -> None:
        self._at("resumed")

    @hookimpl
    def rtcore_session_closed(self, session: Session) -> None:
        self._at("closed")


@each
@pytest.mark.parametrize("where", ["interceptor", "limiter"])
async def test_a_step_on_the_way_in_that_raises_is_an_error_answer(
    where: str, fatal: type[BaseException]
) -> None:
    app = make_app({}, Troublesome(where, fatal))
    app.handler("x")(lambda message: None)
    async with app:
        peer = Peer(app).connect()
        peer.read()
        peer.send("x", id="1")
        await turn()
        peer.read()
        peer.cut()
        peer.connect(sent=2)
        peer.send("x", id="2")  # as a replay, which takes another way past the limiters
        await turn()
        peer.read()
        assert {m["re"]: m["payload"]["code"] for m in peer.got} == dict.fromkeys("12", "handler_failed")
        assert peer.session.connection is peer.connection


@each
@pytest.mark.parametrize("where", ["opened", "resumed", "closed", "task"])
async def test_an_observer_that_raises_ends_nothing(where: str, fatal: type[BaseException]) -> None:
    app = make_app({}, Troublesome(where, fatal))
    app.handler("x")(lambda message: "here")
    async with app:
        gone, peer = Peer(app).connect(), Peer(app).connect()
        gone.say("bye")
        peer.read()
        peer.connect()
        peer.send("x", id="1")
        await turn()
        peer.read()
        assert [m["payload"] for m in peer.got] == ["here"]
        assert len(app.manager.sessions) == 1


class Asked:
    """An authenticator that raises; `first` has a name before it and no answer."""

    name = "b"

    def __init__(self, style: str, fatal: type[BaseException]) -> None:
        self.style, self.fatal = style, fatal

    @hookimpl
    def rtcore_authenticators(self) -> list[Any]:
        return [First(), self] if self.style.startswith("second") else [self]

    def authenticate(self, handshake: Handshake) -> Any:
        if handshake.token == "well":
            return Identity("ann")
        if self.style.endswith("plain"):
            raise self.fatal
        return self._later()

    async def _later(self) -> Identity:
        await asyncio.sleep(0)
        raise self.fatal


class First:
    name = "a"

    async def authenticate(self, handshake: Handshake) -> None:
        return None


@each
@pytest.mark.parametrize("style", ["plain", "async", "second, plain", "second, async"])
async def test_an_authenticator_that_raises_costs_one_connection(
    style: str, fatal: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    async with make_app({}, Asked(style, fatal)) as app:
        peer = Peer(app).connect()
        await until(lambda: peer.link.closed is not None)
        assert peer.link.closed == (4006, "internal")
        other = Peer(app).connect(token="well")
        await until(lambda: other.session is not None)
    assert "the authenticator" in caplog.text or "an authenticator" in caplog.text
