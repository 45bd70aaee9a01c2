"""Whom the server does not read, and when it reads again; what waits meanwhile is tested in `test_held.py`."""

from __future__ import annotations

import asyncio

import pytest

from rtcore import App, Message, Session, hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake
from tests.kernel.harness import Clock, Peer, make_app, turn, until


def app_with_slow_handler(limit: int = 2, **settings: object) -> tuple[App, asyncio.Event]:
    app = make_app({"max_handlers_per_session": limit, **settings})
    gate = asyncio.Event()

    @app.handler("slow")
    async def slow(message: Message) -> object:
        await gate.wait()
        return message.payload

    return app, gate


async def test_a_request_cancelled_in_the_frame_it_came_in_does_not_block_the_next_ones() -> None:
    app, gate = app_with_slow_handler()
    gate.set()
    async with app:
        peer = Peer(app).connect()
        peer.send("slow", 1, id="a")
        peer.say("cancel", id="a")
        peer.send("slow", 2, id="b")
        await turn()
        assert {m["re"]: m["payload"] for m in peer.read()}["b"] == 2
        assert {m["re"]: m["payload"] for m in peer.got}["a"]["code"] == "cancelled"


async def test_a_client_that_asks_and_does_not_read_the_answers_is_not_read() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.connection.pause()
        peer.say("ack", n=0)
        assert peer.link.reading is True
        peer.say("ping", t=1)
        assert peer.link.reading is False
        peer.connection.resume()
        assert peer.link.reading is True


async def test_many_questions_in_one_frame_get_one_late_answer_once_there_is_room() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        peer.connection.pause()
        pings = [b'["ping",{"t":%d}]' % t for t in range(1000)]
        peer.connection.receive(b"\n".join(pings))
        peer.read()
        assert [fields for name, fields in peer.controls if name == "pong"] == [{"t": 0}]
        peer.connection.resume()
        peer.read()
        assert [fields for name, fields in peer.controls if name == "pong"] == [{"t": 0}, {"t": 999}]
        assert peer.link.reading is True


async def test_a_long_concurrent_handler_does_not_hold_up_the_ordered_ones() -> None:
    app, _ = app_with_slow_handler()
    app.handler("stream", concurrent=True)(slow_stream)

    @app.handler("quick")
    async def quick(message: Message) -> object:
        return message.payload

    async with app:
        peer = Peer(app).connect()
        peer.send("stream")
        peer.send("quick", 1, id="q")
        await turn()
        assert [m["payload"] for m in peer.read()] == [1]


async def slow_stream(message: Message) -> None:
    await asyncio.Event().wait()


async def test_a_window_of_replays_is_never_refused() -> None:
    app, gate = app_with_slow_handler()
    async with app:
        peer = Peer(app).connect()
        for i in range(1000):
            peer.send("slow", i, id=str(i))
        gate.set()
        await until(lambda: len((peer.read(), peer.got)[1]) == 1000)
        assert [m["payload"] for m in peer.got] == list(range(1000))


class Bearer:
    """An authenticator that answers when the test says so."""

    name = "bearer"

    def __init__(self) -> None:
        self.answer: asyncio.Future[Identity] = asyncio.get_running_loop().create_future()

    @hookimpl
    def rtcore_authenticators(self) -> list[Bearer]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity:
        return await asyncio.shield(self.answer)


async def test_a_bad_frame_before_the_welcome_ends_its_session_and_leaves_nothing_hanging() -> None:
    bearer = Bearer()
    async with make_app({}, bearer) as app:
        peer = Peer(app).connect()
        peer.connection.receive(b"neither")
        assert peer.link.reading is False
        bearer.answer.set_result(Identity("ann"))
        await turn()
        assert peer.control("close")["code"] == "malformed_frame"
        assert peer.link.reading is True


async def test_what_comes_before_the_welcome_is_counted_once() -> None:
    bearer = Bearer()
    app = make_app({}, bearer)
    app.handler("x")(lambda message: None)
    async with app:
        peer = Peer(app).connect()
        before = app.manager.get_metrics().bytes_received
        peer.connection.receive(b'{"type":"x"}')
        bearer.answer.set_result(Identity("ann"))
        await turn()
        metrics = app.manager.get_metrics()
        assert (metrics.bytes_received - before, metrics.messages_received) == (12, 1)


async def test_little_is_held_for_somebody_nobody_knows() -> None:
    async with make_app({"max_message_size": 1000}, Bearer()) as app:
        peer = Peer(app).connect()
        for _ in range(2):
            peer.connection.receive(b'{"type":"x","payload":"' + b"y" * 600 + b'"}')
        assert peer.control("close")["code"] == "bad_hello"


async def test_authenticators_have_as_long_as_a_hello() -> None:
    async with make_app({"hello_timeout": 0.01}, Bearer()) as app:
        peer = Peer(app).connect()
        async with asyncio.timeout(5):
            await until(lambda: peer.link.closed is not None, turns=10_000_000)
        assert peer.link.closed == (4005, "hello_timeout")
        assert not app.manager.sessions


async def test_who_was_closed_while_an_authenticator_thought_gets_no_session() -> None:
    bearer, clock = Bearer(), Clock()
    async with make_app({}, bearer, clock=clock) as app:
        peer = Peer(app).connect()
        clock.now += 11
        app.manager.heartbeat.tick(clock.now)
        assert peer.link.closed == (4005, "hello_timeout")
        bearer.answer.set_result(Identity("ann"))
        await turn()
        assert not app.manager.sessions
        assert app.manager.get_metrics().refusals == {"hello_timeout": 1}


@pytest.mark.parametrize("together", [True, False])
async def test_what_follows_a_bye_is_not_handled(together: bool) -> None:
    app = make_app()
    handled: list[Session] = []

    @app.handler("x")
    async def see(session: Session) -> None:
        handled.append(session)

    async with app:
        peer = Peer(app).connect()
        frames = [b'["bye",{}]', b'{"type":"x"}']
        for frame in [b"\n".join(frames)] if together else frames:
            peer.connection.receive(frame)
        await turn()
        assert handled == []
        assert app.manager.counters.drops["fenced"] == 1
