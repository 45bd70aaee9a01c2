"""What breaks elsewhere, and what must not break with it; what must be gone when it is over."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from rtcore import App, Message, PluginError, Rejected, Session, hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.interceptor import Stage
from rtcore.spi.transport import Handshake
from rtcore.wire.policy import Policy
from tests.kernel.harness import LINES, Lines, MemoryLink, Peer, make_app, turn, until


async def test_a_link_that_raises_costs_its_connection_and_no_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()

        def broken(data: bytes) -> None:
            raise OSError("gone")

        peer.link.write = broken  # type: ignore[method-assign]
        peer.session.send("n", 1)
        await asyncio.sleep(0)
        peer.link.write = MemoryLink().write  # type: ignore[method-assign]
        await turn()
        assert peer.link.closed == (4006, "internal")
        peer.connect()
        assert [m["payload"] for m in peer.read()] == [1]


async def test_a_shared_answer_is_each_clients_own() -> None:
    app = make_app()
    cached = Message("pong", "here")
    app.handler("ask")(lambda message: cached)
    async with app:
        one, other = Peer(app).connect(), Peer(app).connect()
        one.send("ask", id="1", priority="high")
        other.send("ask", id="2")
        await turn()
        assert [(m["re"], m.get("priority")) for m in one.read()] == [("1", "high")]
        assert [(m["re"], m.get("priority")) for m in other.read()] == [("2", None)]


@pytest.mark.parametrize("style", ["plain", "async"])
async def test_what_cannot_be_sent_is_an_error_and_not_silence(style: str) -> None:
    app = make_app()

    def answer(message: Message) -> object:
        if message.payload == "details":
            raise Rejected("app:no", "no", details={"what": object()})
        return "\ud800".encode()

    async def later(message: Message) -> object:
        return answer(message)

    app.handler("ask")(answer if style == "plain" else later)
    async with app:
        peer = Peer(app).connect()
        peer.send("ask", "details", id="1")
        peer.send("ask", "value", id="2")
        await turn()
        assert {m["re"]: m["payload"]["code"] for m in peer.read()} == {"1": "app:no", "2": "handler_failed"}


async def test_an_applications_own_code_closes_as_forbidden() -> None:
    class Banning:
        name = "banning"

        @hookimpl
        def rtcore_authenticators(self) -> list[Banning]:
            return [self]

        async def authenticate(self, handshake: Handshake) -> Identity:
            raise Rejected("app:banned", "not you")

    async with make_app({}, Banning()) as app:
        peer = Peer(app).connect()
        await turn()
        close = peer.control("close")
        assert (close["code"], close["reason"]) == ("forbidden", "not you")
        assert app.manager.get_metrics().refusals == {"app:banned": 1}


async def test_a_session_closed_with_an_unknown_code_is_kicked_and_counted_once() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.session.close("app:because")
        close = peer.control("close")
        assert (close["code"], close["reason"], app.manager.attached) == ("kicked", "app:because", 0)


async def test_a_transport_that_says_at_once_that_it_is_gone_is_counted_once() -> None:
    async with make_app({"session_ttl": 0}) as app:
        peers = [Peer(app).connect() for _ in range(2)]
        for peer in peers:
            lost = peer.connection.lost
            peer.link.close = lambda code, reason, lost=lost: lost()  # type: ignore[method-assign,misc]
        peers[0].session.close()
        assert (app.manager.attached, len(app.manager.sessions)) == (1, 1)


async def test_an_observer_that_raises_keeps_no_other_from_hearing() -> None:
    class Observer:
        def __init__(self, name: str) -> None:
            self.name, self.heard = name, 0

        @hookimpl
        def rtcore_session_closed(self, session: Session, reason: str) -> None:
            self.heard += 1
            raise RuntimeError("stumbles")

    observers = [Observer("one"), Observer("two")]
    async with make_app({}, *observers) as app:
        peer = Peer(app).connect()
        peer.session.close()
    assert [o.heard for o in observers] == [1, 1]


async def test_a_room_that_gives_up_its_slow_members_is_heard_by_all_the_others() -> None:
    settings = {"message_buffer_size": 2, "session_ttl": 0, "policies": {"n": {"policy": "disconnect"}}}
    async with make_app(settings) as app:
        peers = [Peer(app).connect() for _ in range(5)]
        for peer in peers[1:3]:
            peer.connection.pause()
        for i in range(4):
            app.manager.broadcast(Message("n", i))
        await turn()
        assert [len(peer.read()) for peer in (peers[0], *peers[3:])] == [4, 4, 4]
        assert len(app.manager.sessions) == 3
        assert app.manager.pool.used == 0


async def test_a_policy_that_fails_stops_nobody() -> None:
    def key(message: Message) -> object:
        raise KeyError("no")

    app = make_app()
    app.policy("n", Policy("conflate", key=key))  # type: ignore[arg-type]
    async with app:
        slow, fast = Peer(app).connect(), Peer(app).connect()
        slow.connection.pause()
        for i in range(3):
            app.manager.broadcast(Message("n", i))
        await turn()
        slow.connection.resume()
        assert [m["payload"] for m in slow.read()] == [m["payload"] for m in fast.read()] == [0, 1, 2]


async def test_what_is_urgent_or_makes_a_batch_full_leaves_though_others_are_held() -> None:
    async with make_app({"enable_batching": True, "batch_size": 3, "batch_interval": 3600}) as app:
        peer = Peer(app).connect(batch=True)
        peer.read()
        app.manager.broadcast(Message("n", 0))
        await turn()
        assert peer.read() == []
        app.manager.broadcast(Message("n", 1, priority="high"))
        await turn()
        assert [m["payload"] for m in peer.read()] == [0, 1]
        for i in range(3):
            app.manager.broadcast(Message("n", i))
            await turn()
        assert [m["payload"] for m in peer.read()] == [0, 1, 2]
        peer.session.send("n", "last")
        await turn()
        peer.session.close()
        assert [m["payload"] for m in peer.read()] == ["last"]


async def test_replays_pass_every_stage_and_a_limiter_that_fails_holds_nobody() -> None:
    class Small:
        name, stage = "small", Stage.SIZE

        @hookimpl
        def rtcore_interceptors(self) -> list[Small]:
            return [self]

        @hookimpl
        def rtcore_limiters(self) -> list[Small]:
            return [self]

        def take(self, session: Session, cost: float = 1.0) -> float:
            if session.received == 2:
                raise RuntimeError("out of order")
            return 0.0

        def inbound(self, session: Session, message: Message) -> Message:
            if message.payload == "large":
                raise Rejected("app:too_large")
            return message

    app = make_app({}, Small())
    app.handler("x")(lambda message: message.payload)
    async with app:
        peer = Peer(app).connect(sent=100)
        for payload in ("large", "y", "z"):
            peer.send("x", payload, id=payload)
        await turn()
        answers = {m["re"]: m["payload"] for m in peer.read()}
        assert answers["large"]["code"] == "app:too_large"
        assert answers["y"]["code"] == "handler_failed"
        assert answers["z"] == "z"


async def test_lost_messages_of_an_overflow_are_counted() -> None:
    async with make_app({"message_buffer_size": 5}) as app:
        peer = Peer(app).connect()
        peer.read()
        peer.say("ack", n=0)
        written = peer.link.written
        peer.link.written = []
        for i in range(8):
            peer.session.send("n", i)
        await turn()
        peer.link.written = written
        peer.connect()
        assert peer.control("welcome")["from"] == 3
        assert app.manager.counters.drops["window_overflow"] == 3


async def test_live_connections_are_bounded_before_anything_is_allocated() -> None:
    async with make_app({"max_connections": 1, "max_greetings": 2}) as app:
        Peer(app).connect()
        for _ in range(2):
            # Refused, but its transport has not closed it yet: it is no greeting any more and still a connection.
            refused = Peer(app).connect()
            assert refused.control("close")["code"] == "server_full"
        with pytest.raises(Rejected, match="server_full"):
            app.manager.add_connection(MemoryLink(), Handshake("memory"))


# -- what must be gone ------------------------------------------------------------------------------------------


async def test_a_connection_that_is_gone_waits_for_no_deadline() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        gone: list[weakref.ref[Any]] = [weakref.ref(peer.connection), weakref.ref(peer.session)]
        peer.session.send("n", 1)
        await turn()
        peer.cut()
        app.manager.disconnect(peer.line.session or "")
        del peer
        gc.collect()
        assert [reference() for reference in gone] == [None, None]


async def test_a_framing_per_connection_leaves_nothing_behind() -> None:
    async with make_app() as app:
        for _ in range(10):
            link = MemoryLink()
            link.framing = Lines()
            connection = app.manager.add_connection(link, Handshake("memory"))
            connection.receive(b'["hello",{"attach":1,"nonce":"0123456789abcdef"}]')
            connection.receive(b'["bye",{}]')
            connection.lost()
        del connection, link
        gc.collect()
        assert len(app.manager._formats) == 0
        assert LINES.name == "lines"


async def test_the_sessions_of_one_identity_are_bounded_and_anonymous_ones_are_not_its() -> None:
    class Ann:
        name = "ann"

        @hookimpl
        def rtcore_authenticators(self) -> list[Ann]:
            return [self]

        async def authenticate(self, handshake: Handshake) -> Identity | None:
            return Identity("anonymous") if handshake.token else None

    async with make_app({"max_detached_per_identity": 2, "allow_anonymous": True}, Ann()) as app:
        peers = [Peer(app).connect(token="t" if i % 2 else None) for i in range(8)]
        await turn()
        for peer in peers:
            peer.control("welcome")
            peer.say("ack", n=0)
            peer.cut()
        left = [session.identity.anonymous for session in app.manager.sessions.values()]
        assert (left.count(True), left.count(False)) == (4, 2)
        for session in list(app.manager.sessions.values()):
            session.close()
        assert app.manager._detached._by_subject == {}


def test_an_app_starts_again_after_it_has_stopped_in_another_loop() -> None:
    app = make_app()

    @app.handler("wait")
    async def wait(message: Message) -> None:
        await asyncio.Event().wait()

    async def once() -> str:
        async with app:
            peer, away = Peer(app).connect(nonce="0123456789abcdef"), Peer(app).connect()
            away.read()
            away.cut()
            peer.send("wait")
            assert app.manager.broadcast(Message("n", 1)) == 2
            await turn()
            assert [m["payload"] for m in peer.read()] == [1]
            app.manager.broadcast(Message("n", 2))
            session = peer.line.session
        assert peer.control("close")["code"] == "going_away"
        assert (len(app.manager.sessions), app.manager.attached, len(app.manager._detached)) == (0, 0, 0)
        app.manager.flusher.wake()
        return str(session)

    assert asyncio.run(once()) != asyncio.run(once())


async def test_a_transport_that_cannot_stop_leaves_nothing_running() -> None:
    ended = asyncio.Event()
    app = make_app()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            app.spawn(asyncio.sleep(3600), name="afterthought")
            ended.set()

    await app.start()
    app.spawn(forever(), name="forever")
    await turn()

    async def stop_accepting() -> None:
        raise OSError("no")

    next(iter(app.registry.transports.values())).stop_accepting = stop_accepting  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no"):
        await app.stop()
    assert ended.is_set()
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []


async def test_a_handler_may_stop_the_app() -> None:
    app = make_app()
    stopped = asyncio.Event()

    @app.handler("stop", detached=True)
    async def stop(message: Message) -> None:
        await app.stop()
        stopped.set()

    await app.start()
    Peer(app).connect().send("stop")
    async with asyncio.timeout(5):
        await stopped.wait()
    await until(lambda: not app._tasks)


class Opaque:
    def __init__(self, *things: object) -> None: ...


def test_a_payload_type_that_nothing_can_make_is_found_at_boot() -> None:
    app = make_app()

    @app.handler("x")
    def x(thing: Opaque) -> None: ...

    with pytest.raises(PluginError, match="Opaque of a payload"):
        app.boot()


def test_policies_may_be_taken_back() -> None:
    app = App(plugins=[])
    app.boot()
    policies, mine = app.manager.policies, Policy("drop_new")
    message = Message("n", room="r")

    def source(_: Message) -> Policy:
        return mine

    policies.add(source)
    assert policies.find(message) is mine
    policies.discard(source)
    assert policies.find(message) is not mine
