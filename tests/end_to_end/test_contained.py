"""What application code raises, over real sockets: an answer to its caller, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from rtcore_client import NetworkError, RealtimeClient, RealtimeError, RequestError
from stack import make, serving

from rtcore import hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake

FATAL = [asyncio.CancelledError, GeneratorExit, SystemExit, KeyboardInterrupt]
TRANSPORTS = ["websocket", "sse", "polling"]


class Questions:
    """Believes everybody, and raises for whoever is called `fatal`, and for the room of that name."""

    name = "questions"
    fatal: type[BaseException] = SystemExit

    @hookimpl
    def rtcore_authenticators(self) -> list[Questions]:
        return [self]

    def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token == "fatal":
            raise self.fatal
        return Identity(handshake.token) if handshake.token else None

    @hookimpl
    def rtcore_authorizers(self) -> list[Questions]:
        return [self]

    def authorize(self, session: object, action: str, resource: str) -> None:
        if resource == "fatal":
            raise self.fatal


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("fatal", FATAL)
async def test_an_answer_and_nothing_else(transport: str, fatal: type[BaseException]) -> None:
    questions = Questions()
    questions.fatal = fatal
    app = make(questions)

    @app.handler("plain")
    def plain() -> None:
        raise fatal

    @app.handler("async")
    async def later() -> None:
        await asyncio.sleep(0)
        raise fatal

    app.handler("well")(lambda message: message.payload)
    async with serving(app) as port:
        url = f"http://127.0.0.1:{port}/rt"
        options: Any = {"connection_type": transport, "fallback_types": []}
        async with RealtimeClient(url, authentication={"token": "ann"}, **options) as client:
            events: list[Any] = []
            client.on("disconnect", events.append)
            for ask in (
                lambda: client.request("plain"),
                lambda: client.request("async"),
                lambda: client.join_room("fatal"),
            ):
                assert await failure(ask) == "handler_failed"
            refused = RealtimeClient(url, authentication={"token": "fatal"}, auto_reconnect=False, **options)
            with pytest.raises((NetworkError, RealtimeError)):
                await refused.connect()
            await refused.close()
            assert await client.request("well", 1) == 1
            assert events == []


async def failure(ask: Callable[[], Any]) -> str:
    """Return the code that a request fails with."""
    with pytest.raises(RequestError) as error:
        await ask()
    return error.value.code
