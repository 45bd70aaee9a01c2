"""A server, a bad network and clients for these tests, which share `proxy` and `stack`."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

# With importlib mode a folder of tests is not on the path.
sys.path.insert(0, str(Path(__file__).parent))

from proxy import Proxy
from rtcore_client import RealtimeClient, Timing
from stack import make, serving

from rtcore.app import App


@pytest.fixture
def app() -> App:
    """A server that a test adds handlers to before it uses `proxy`."""
    return make()


@pytest.fixture
async def proxy(app: App) -> AsyncIterator[Proxy]:
    """The way to the running server."""
    async with serving(app) as port, Proxy(port) as proxy:
        yield proxy


@pytest.fixture
async def client_of(proxy: Proxy) -> AsyncIterator[Callable[..., RealtimeClient]]:
    """Makes quick clients of the server; closes them."""
    made: list[RealtimeClient] = []

    def client_of(**options: object) -> RealtimeClient:
        options.setdefault("reconnect_delay", 0.01)
        options.setdefault("timing", Timing(open=1.0, climb=60.0, close=1.0))
        client = RealtimeClient(str(options.pop("url", proxy.url)), **options)  # type: ignore[arg-type]
        made.append(client)
        return client

    yield client_of
    for client in made:
        await client.close()
