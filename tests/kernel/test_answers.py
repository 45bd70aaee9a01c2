"""A request is answered once, and by its name, whatever is wrong with it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcore import Message, Rejected, Session, hookimpl
from rtcore.spi.interceptor import Stage
from tests.kernel.harness import Peer, make_app, turn


class Step:
    """An interceptor that does what the test wants."""

    name, stage = "step", Stage.VALIDATE

    def __init__(self, inbound: Any) -> None:
        self.inbound = inbound

    @hookimpl
    def rtcore_interceptors(self) -> list[Step]:
        return [self]


async def test_what_cannot_be_decoded_is_answered_by_its_name_if_that_can_be_read() -> None:
    app = make_app()
    async with app:
        peer = Peer(app).connect()
        for item in (b'{"id":"r7"}', b"{}"):
            peer.connection.receive(item)
        await turn()
        named, unnamed = peer.read()
        assert (named["re"], named["payload"]["code"]) == ("r7", "undecodable")
        assert "n" not in named["payload"]
        assert "re" not in unnamed
        assert unnamed["payload"]["n"] == 2


async def test_a_request_that_is_swallowed_is_refused_and_other_messages_are_not_answered() -> None:
    app = make_app({}, Step(lambda session, message: None))
    async with app:
        peer = Peer(app).connect()
        peer.send("x", id="1")
        peer.send("x")
        await turn()
        [answer] = peer.read()
        assert (answer["re"], answer["payload"]["code"]) == ("1", "forbidden")
        assert app.manager.counters.drops["rejected"] == 2


async def test_who_answers_a_request_and_swallows_it_has_answered_it() -> None:
    def cached(session: Session, message: Message) -> None:
        session.reply(message, "cached")

    app = make_app({}, Step(cached))
    async with app:
        peer = Peer(app).connect()
        peer.send("x", id="1")
        await turn()
        assert [(m["re"], m["payload"]) for m in peer.read()] == [("1", "cached")]


async def test_another_message_in_the_place_of_a_request_answers_it() -> None:
    app = make_app({}, Step(lambda session, message: Message("echo", [message.payload])))
    app.handler("echo")(lambda message: (message.payload, message.sender))
    app.handler("fail")(lambda: None)
    async with app:
        peer = Peer(app).connect()
        peer.send("x", "p", id="1")
        peer.send("x", "p", id="2")
        await turn()
        assert [(m["re"], m["payload"]) for m in peer.read()] == [
            (id_, [["p"], peer.session.sender]) for id_ in ("1", "2")
        ]


@pytest.mark.parametrize(
    "returned",
    [object(), {1, object()}, "half an emoji \ud83d", {"deep": {b"key": 1}}],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize("style", ["plain", "async"])
async def test_an_answer_that_cannot_be_sent_is_an_error_that_names_the_request(
    returned: Any, style: str
) -> None:
    app = make_app()
    if style == "plain":
        app.handler("x")(lambda: Message("reply", returned))
    else:

        async def later() -> Any:
            await asyncio.sleep(0)
            return Message("reply", returned)

        app.handler("x")(later)

    async with app:
        peer = Peer(app).connect()
        peer.send("x", id="1")
        await turn()
        await turn()
        [answer] = peer.read()
        assert (answer["type"], answer["re"], answer["payload"]["code"]) == ("error", "1", "handler_failed")


async def test_what_an_application_cannot_send_it_cannot_make() -> None:
    app = make_app()
    errors: list[Exception] = []

    @app.handler("x")
    def x(session: Session) -> str:
        attempts: list[Any] = [
            lambda: session.send("news", 1, priority="urgent"),
            lambda: session.send(Message("news"), 1),  # type: ignore[arg-type]
            lambda: session.send("news", 1, colour="red"),
            lambda: session.send("news", 1, raw=b"1"),
            lambda: session.send("news", 1, room=5),
            lambda: session.send("", 1),
            lambda: app.manager.broadcast(Message("news", 1, priority="urgent")),  # type: ignore[arg-type]
        ]
        for attempt in attempts:
            try:
                attempt()
            except (TypeError, ValueError) as error:
                errors.append(error)
        return "sent"

    async with app:
        peer = Peer(app).connect()
        peer.send("x", id="1")
        await turn()
        assert [m["payload"] for m in peer.read()] == ["sent"], "and nothing of it went out"
        texts = [str(error) for error in errors]
        assert len(texts) == 7
        assert "expected one of critical, high, normal, low, given 'urgent'" in texts[0]
        assert "use `post`" in texts[1]
        assert "no colour; it has" in texts[2]
        assert "no raw; it has" in texts[3]
        assert "room: expected text, given a int" in texts[4]


async def test_a_rejection_with_details_that_cannot_be_sent_is_told_without_them() -> None:
    app = make_app()

    @app.handler("x")
    def x() -> None:
        raise Rejected("app:no", details={"why": object()})

    async with app:
        peer = Peer(app).connect()
        peer.send("x", id="1")
        await turn()
        [answer] = peer.read()
        assert (answer["re"], answer["payload"]["code"]) == ("1", "app:no")
