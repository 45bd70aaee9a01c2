"""A real server on a free port, and how to wait for something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import rtcore_brotli
import rtcore_cbor
import rtcore_echo
import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_polling
import rtcore_rooms
import rtcore_sse
import rtcore_websocket
from rtcore_http.service import Http

from rtcore.app import App


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[int]:
    """Run an app; give its port."""
    async with app:
        yield app.get(Http).port


PLUGINS = (
    rtcore_http, rtcore_websocket, rtcore_sse, rtcore_polling, rtcore_json, rtcore_cbor, rtcore_brotli,
    rtcore_memory, rtcore_rooms, rtcore_echo,
)  # fmt: skip


def make(*plugins: object, port: int = 0, **settings: Any) -> App:
    """Make an app for tests, on this machine: what carries messages, rooms, echo, and what else is given."""
    settings = {
        "drain_time": 0.2,
        "http": {"host": "127.0.0.1", "port": port},
        **settings,
    }
    return App(settings, plugins=[*PLUGINS, *plugins])


async def until(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - see below
            await asyncio.sleep(
                0.005
            )  # the conditions are of both sides of sockets; nobody sets an event for them
