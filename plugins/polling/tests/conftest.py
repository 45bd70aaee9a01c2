"""A server that is polled, and what a test needs to look at it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import rtcore_http
import rtcore_polling
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.testing import PlainCodec

sys.path.insert(0, str(Path(__file__).parent))  # with importlib mode a folder of tests is not on the path

Serve = Callable[..., Any]


def echo(payload: Any) -> Any:
    return payload


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """What browsers do with HTTP, without their limit of six connections."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)
    ) as session:
        yield session


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start apps that stop when the test ends: give settings, and plugins beyond those that are needed."""
    async with AsyncExitStack() as stack:

        async def start(*, plugins: tuple[object, ...] = (), **settings: Any) -> tuple[App, str]:
            given = {"http": {"port": 0, **settings.pop("http", {})}, **settings}
            codecs = (PlainCodec(), PlainCodec("turned", binary=True))
            app = App(given, plugins=[rtcore_http, rtcore_polling, *codecs, *plugins])
            app.handler("echo")(echo)
            await stack.enter_async_context(app)
            return app, app.get(Http).urls[0]

        yield start
