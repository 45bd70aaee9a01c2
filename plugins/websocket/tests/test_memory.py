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


@pytest.mark.slow
@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_ten_thousand_connects_leave_memory_where_it_was(ws: Any, data_path: str) -> None:
    async with ws.serving(websocket={"data_path": data_path}) as server:

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

        async def visits(count: int) -> None:
            for _ in range(count // 20):
                await asyncio.gather(*(visit(n % 2 == 0) for n in range(20)))
            await server.until(lambda: not server.transport._links)

        await visits(1000)
        gc.collect()
        objects, memory = len(gc.get_objects()), resident()
        gc.disable()  # connections are freed by their reference counts, or objects pile up here
        try:
            await visits(10_000)
            piled = len(gc.get_objects()) - objects
        finally:
            gc.enable()
        gc.collect()
        assert len(gc.get_objects()) - objects < 500
        assert resident() - memory < 4 * 1024 * 1024
        if data_path == "picows":
            assert piled < 10_000 * 30, f"{piled} objects waited for the collector"


async def test_an_idle_connection_costs_less_than_eighteen_kibibytes(ws: Any) -> None:
    from rtcore.wire.hello import Hello  # noqa: F401 - what is imported late must not count

    count = 300
    async with ws.serving() as server:
        for _ in range(20):
            await server.ready()
        gc.collect()
        before = resident()
        clients = []
        for _ in range(count):
            client = await server.ready()
            clients.append(client)
        gc.collect()
        # The client's end is in this process as well: a StreamReader, a StreamWriter and their transport.
        each = (resident() - before) / count
        assert each < 2 * 18 * 1024, f"{each:.0f} bytes for both ends"
