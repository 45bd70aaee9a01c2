"""A count that begins again, as after a reload: nothing that answers the old one answers the new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from rtcore import Message, Rejected, hookimpl
from rtcore.spi.broker import Position
from tests.kernel.harness import Peer, make_app, turn


def reloaded(peer: Peer) -> Peer:
    """The page was loaded again: another program with the same session, whose ids begin at 1 again."""
    peer.read()
    page = Peer(peer.app)
    page.line.session, page.line.secret, page.line.attach = (
        peer.line.session,
        peer.line.secret,
        peer.line.attach,
    )
    page.connect(received=None)
    assert page.control("welcome")["reason"] == "reset"
    return page


def answers(peer: Peer) -> list[tuple[Any, Any]]:
    peer.read()
    return [(m.get("re"), m["payload"]) for m in peer.got]


@pytest.mark.parametrize("style", [{}, {"concurrent": True}, {"detached": True}])
@pytest.mark.parametrize("ends", ["well", "badly"])
async def test_a_handler_of_the_old_count_answers_no_request_of_the_new_one(
    style: dict[str, bool], ends: str
) -> None:
    app, gate = make_app(), asyncio.Event()

    @app.handler("slow", **style)
    async def slow(message: Message) -> Any:
        await gate.wait()
        if ends == "badly" and message.payload == "old":
            raise Rejected("app:old", "old")
        return message.payload

    async with app:
        peer = Peer(app).connect()
        peer.send("slow", "old", id="1")
        peer.send("slow", "old")
        await turn()
        page = reloaded(peer)
        page.send("slow", "new", id="1")
        gate.set()
        await turn()
        await turn()
        assert answers(page) == [("1", "new")]
        assert page.session.drops == {"reset": 1 + (ends == "badly")}


@pytest.mark.parametrize("when", ["waits in lanes", "waits in a list"])
async def test_what_was_answered_before_and_not_written_is_not_written_after_it(when: str) -> None:
    app = make_app()
    app.handler("ask")(lambda message: message.payload)
    async with app:
        peer = Peer(app).connect()
        peer.read()
        if when == "waits in lanes":
            peer.connection.pause()
        peer.session.send("news", 1)
        peer.send("ask", "old", id="1")
        peer.send("nobody handles this")
        peer.session.send("news", 2)
        page = reloaded(peer)
        page.send("ask", "new", id="1")
        await turn()
        assert answers(page) == [(None, 1), (None, 2), ("1", "new")]
        assert page.session.drops == {"reset": 2}


async def test_an_error_without_an_id_names_its_place_in_the_new_count() -> None:
    app = make_app()
    app.handler("ask")(lambda message: message.payload)
    async with app:
        peer = Peer(app).connect()
        for n in range(5):
            peer.send("ask", n)
        page = reloaded(peer)
        page.send("ask", 1)
        page.send("nobody handles this")
        await turn()
        page.read()
        assert [m["payload"]["n"] for m in page.got] == [2]


async def test_a_cancel_means_the_request_of_its_own_count() -> None:
    app, ends = make_app(), []

    @app.handler("wait", concurrent=True)
    async def wait(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ends.append(message.payload)

    async with app:
        peer = Peer(app).connect()
        peer.send("wait", "old", id="1")
        await turn()
        page = reloaded(peer)
        page.say("cancel", id="1")
        await turn()
        assert ends == []
        page.send("wait", "new", id="1")
        await turn()
        page.say("cancel", id="1")
        await turn()
        assert ends == ["new"]


class Replaces:
    """An interceptor whose messages came from no client."""

    name = "replaces"

    def __init__(self) -> None:
        from rtcore.spi.interceptor import Stage

        self.stage = Stage.VALIDATE

    @hookimpl
    def rtcore_interceptors(self) -> list[Any]:
        return [self]

    def inbound(self, session: object, message: Message) -> Message:
        return Message(message.type, message.payload, id=message.id)


async def test_a_message_that_an_interceptor_has_made_is_answered_in_the_new_count() -> None:
    app = make_app({}, Replaces())
    app.handler("ask")(lambda message: message.payload)
    async with app:
        peer = Peer(app).connect()
        peer.send("ask", "old", id="1")
        await turn()
        page = reloaded(peer)
        page.send("ask", "new", id="1")
        await turn()
        assert answers(page) == [("1", "new")]


async def test_a_broker_that_confirms_late_answers_no_request_of_the_new_count() -> None:
    confirmed: asyncio.Future[Position] = asyncio.get_running_loop().create_future()

    async def publish(*_: Any) -> Position:
        return await asyncio.shield(confirmed)

    app = make_app()
    app.boot()
    inbound = app.manager.inbound

    class Rooms:
        publish_from: Callable[..., Any] = staticmethod(publish)

    inbound._rooms = Rooms()  # type: ignore[assignment]
    async with app:
        app.manager.inbound = inbound
        peer = Peer(app).connect()
        peer.send("chat", "old", room="r", id="1")
        await turn()
        page = reloaded(peer)
        confirmed.set_result(Position(1, "e"))
        await turn()
        assert answers(page) == []
        page.send("chat", "new", room="r", id="1")
        await turn()
        assert answers(page) == [("1", {"offset": 1, "epoch": "e"})]
