"""A server made of a script, for what a real one does seldom or never."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from rtcore_client import RealtimeClient, Timing


class Gone(Exception):
    """The client has closed the connection."""


class Peer:
    """The server's end of one WebSocket."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, hello: dict[str, Any]) -> None:
        self.request, self.socket, self.hello = request, socket, hello
        self.waiting: list[Any] = []

    async def say(self, *items: Any) -> None:
        await self.socket.send_str("\n".join(map(json.dumps, items)))

    async def welcome(self, **fields: Any) -> None:
        known = self.hello.get("session")
        base = {
            "v": 1, "session": known or "s1", "secret": "secret", "attach": self.hello["attach"],
            "nonce": self.hello["nonce"], "resumed": known is not None, "received": 0,
            "from": (self.hello.get("received") or 0) if known is not None else 0, "rooms": known is not None,
            "codec": "json", "transport": "websocket", "node": "n", "heartbeat": {"interval": 30, "timeout": 5},
            "limits": {"max_message_size": 65536, "window": 100}, "ttl": 120,
        }  # fmt: skip
        await self.say(["welcome", base | fields])

    async def close(self, code: str, number: int, **fields: Any) -> None:
        await self.say(["close", {"code": code, "number": number, "reason": "so", **fields}])
        await self.socket.close(code=number)

    async def frame(self) -> bytes | str:
        message = await self.socket.receive()
        if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
            raise Gone
        return message.data

    async def hear(self, *names: str) -> Any:
        """Return the next item with one of these names, or the next message; others are passed over."""
        while True:
            while self.waiting:
                item = self.waiting.pop(0)
                name = item[0] if isinstance(item, list) else "message"
                if name in (names or ("message",)):
                    return item
            frame = await self.frame()
            assert isinstance(frame, str)
            self.waiting = [json.loads(line) for line in frame.split("\n")]

    async def stay(self) -> None:
        """Read until the client goes."""
        async for _ in self.socket:
            pass


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Answers the n-th WebSocket with the n-th script; the last one again and again.

    Attributes:
        hellos: every hello that came.
        failed: what a script raised.
    """

    def __init__(self) -> None:
        self.scripts: list[Script] = []
        self.hellos: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.failed: list[BaseException] = []
        self.app = web.Application()
        self.app.router.add_get("/rt/ws", self._websocket)
        self.url = ""

    def play(self, *scripts: Script) -> None:
        self.scripts = list(scripts)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.urls.append(str(request.url))
        name, hello = json.loads((await socket.receive()).data)
        assert name == "hello"
        script = self.scripts[min(len(self.hellos), len(self.scripts) - 1)]
        self.hellos.append(hello)
        try:
            await script(Peer(request, socket, hello))
        except Gone:
            pass
        except Exception as error:  # noqa: BLE001 - the test wants to see it
            self.failed.append(error)
        return socket


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    scripted = ScriptedServer()
    async with TestServer(scripted.app) as running:
        scripted.url = str(running.make_url("/rt"))
        yield scripted
    assert not scripted.failed


@pytest.fixture
async def client_of(server: ScriptedServer) -> AsyncIterator[Callable[..., RealtimeClient]]:
    made: list[RealtimeClient] = []

    def client_of(**options: Any) -> RealtimeClient:
        options = {
            "fallback_types": (),
            "reconnect_delay": 0.01,
            "timing": Timing(open=1.0, close=0.2, suspended_delay=0.05),
            "max_reconnect_attempts": 50,
            **options,
        }
        client = RealtimeClient(server.url, **options)
        made.append(client)
        return client

    yield client_of
    for client in made:
        await client.close()


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    async def until(condition: Callable[[], object], *, within: float = 5.0) -> None:
        async with asyncio.timeout(within):
            for _ in itertools.count():
                if condition():
                    return
                await asyncio.sleep(0.002)

    return until
