"""An app with rooms, and clients on the in-memory transport."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import rtcore_memory
import rtcore_rooms

from rtcore.app import App
from rtcore.spi.rooms import Rooms
from rtcore.testing import InMemoryTransport, PlainCodec, WireClient

# With importlib mode a folder of tests is not on the path.
sys.path.insert(0, str(Path(__file__).parent))


class House:
    """An app, and what a test wants of it."""

    def __init__(self, app: App, transport: InMemoryTransport) -> None:
        self.app = app
        self.rooms = app.get(Rooms)
        self._transport = transport

    async def client(self, *rooms: str) -> WireClient:
        client = WireClient()
        await client.attach(self._transport.connect(), covers=True)
        for room in rooms:
            answer = await client.request("room:join", {"room": room})
            assert answer.type == "reply", answer.payload
        return client

    def session(self, client: WireClient):
        return self.app.manager.sessions[client.welcome.session]


@pytest.fixture
def house():
    @asynccontextmanager
    async def open_house(options=None, *, plugins=(), broker=True, kernel=None, **settings):
        transport = InMemoryTransport()
        stack = [rtcore_rooms, PlainCodec(), transport, *plugins]
        if broker:
            stack.append(rtcore_memory)
        app = App({"rooms": {"options": options or {}, **settings}, **(kernel or {})}, plugins=stack)
        async with app:
            yield House(app, transport)

    return open_house
