"""Ten thousand connections come and go, and memory is where it was; an idle one costs what it may."""

from __future__ import annotations

import asyncio
import gc
import resource
from pathlib import Path
from typing import Any

import pytest


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def objects(*packages: str) -> int:
    """How many objects there are, of these packages or of all."""
    return sum(str(type(one).__module__).startswith(packages or "") for one in gc.get_objects())


async def visits(server: Any, ws: Any, count: int) -> None:
    """Clients that come and go, every other one without a word."""

    async def visit(polite: bool) -> None:
        client = await server.connect()
        server._clients.clear()
        assert await client.upgrade() == 101
        if polite:
            await client.send(ws.masked(8, b"\x03\xe8"))
            await client.closed()
        else:
            client.writer.transport.abort()
        await client.close()

    for _ in range(count // 20):
        await asyncio.gather(*(visit(n % 2 == 0) for n in range(20)))
    await server.until(lambda: not server.transport._links)


@pytest.mark.slow
@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_ten_thousand_connects_leave_memory_where_it_was(ws: Any, data_path: str) -> None:
    # The kernel keeps a connection's deadline until it has fallen due; here that is soon.
    async with ws.serving(websocket={"data_path": data_path}, hello_timeout=0.3) as server:
        await visits(server, ws, 1000)
        await asyncio.sleep(1.5)
        gc.collect()
        before, memory = objects(), resident()
        await visits(server, ws, 10_000)
        await server.until(lambda: (gc.collect(), objects())[1] < before + 500)
        assert resident() - memory < 4 * 1024 * 1024


async def test_a_closed_connection_does_not_wait_for_the_collector(ws: Any) -> None:
    ours = ("rtcore", "picows", "aiohttp", "aiofastnet")
    async with ws.serving(hello_timeout=0.3) as server:
        await visits(server, ws, 100)
        await asyncio.sleep(1.5)
        gc.collect()
        before = objects(*ours)
        gc.disable()
        try:
            await visits(server, ws, 200)
            await server.until(lambda: objects(*ours) < before + 20)
        finally:
            gc.enable()


async def test_an_idle_connection_costs_what_it_may(ws: Any) -> None:
    async with ws.serving() as server:
        for _ in range(20):
            await server.ready()
        gc.collect()
        before = resident()
        count = 300
        for _ in range(count):
            await server.ready()
        gc.collect()
        # Both ends are in this process: the client's StreamReader, StreamWriter and transport cost as much again.
        each = (resident() - before) / count
        assert each < 36 * 1024, f"{each:.0f} bytes for both ends"
