"""A real server on a free port, and how to wait for something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from rtcore_http.service import Http

from rtcore.app import App


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[int]:
    """Run an app; give its port."""
    async with app:
        yield app.get(Http).port


def make(port: int = 0, **settings: Any) -> App:
    """Make an app of every installed plugin, for tests: on this machine, without a limit of rate."""
    settings = {
        "disabled": ["otel", "playground"],
        "rate_limit_per_second": 0,
        "drain_time": 0.2,
        "http": {"host": "127.0.0.1", "port": port},
        **settings,
    }
    return App(settings)


async def until(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.005)
