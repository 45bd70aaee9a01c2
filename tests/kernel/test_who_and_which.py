"""Who sent a message, and which message an error means."""

from __future__ import annotations

import asyncio

from rtcore import Message
from tests.kernel.harness import Peer, make_app, turn


async def test_the_sender_is_who_sent_it_and_not_whom_the_message_names() -> None:
    seen: list[str | None] = []
    app = make_app()

    @app.handler("say")
    def say(message: Message) -> None:
        seen.append(message.sender)

    async with app:
        peer = Peer(app).connect()
        peer.read()
        peer.send("say", sender="the queen")
        assert seen == [peer.session.id]


async def test_an_error_names_the_message_that_failed_however_late_it_fails() -> None:
    app = make_app()
    go_on = asyncio.Event()

    @app.handler("slow")
    async def slow(message: Message) -> None:
        await go_on.wait()
        raise ValueError

    async with app:
        peer = Peer(app).connect()
        peer.read()
        peer.send("slow")
        peer.send("slow")
        peer.send("nobody")
        go_on.set()
        await turn()
        await turn()
        peer.read()
        named = {m["payload"]["n"]: m["payload"]["code"] for m in peer.got if m["type"] == "error"}
        assert named == {1: "handler_failed", 2: "handler_failed", 3: "unknown_type"}
