"""A stop that comes, whatever application code does: one signal is obeyed within its time, a second one at once."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from rtcore_client import RealtimeClient, Timing

#: Handlers that do not end, nor let anything else end; and what the log says is left behind.
STUBBORN = {
    "swallows": "handler swallows",
    "swallows, detached": "handler swallows, detached",
    "a stray task": "task 'Task-",
    "a thread of the loop": "_WorkItem.run",
    "a thread of a pool": "_WorkItem.run",
    "a thread of its own": "Thread.run",
    "blocks": "main.<locals>.blocks",
    "spins": "main.<locals>.spins",
    "a lifespan that hangs": "cancelled: the lifespan of hanging",
    "a lifespan that swallows": "the time is up",
}
#: Seconds: hours on the code that waits for such handlers, and no test of how fast this machine is.
SOON = 15.0


@asynccontextmanager
async def running(handler: str, **settings: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a server as a process, in the middle of a handler."""
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).parent / "stubborn.py"),
        json.dumps(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        port = int(await asyncio.wait_for(server.stdout.readline(), 30))
        client = RealtimeClient(
            f"http://127.0.0.1:{port}/rt", auto_reconnect=False, timing=Timing(close=0.1), fallback_types=[]
        )
        client.on("error", lambda error: None)
        await client.connect()
        await client.send(handler)
        assert await asyncio.wait_for(server.stdout.readline(), 30) == b"began\n"
        yield server
        await client.close()
    finally:
        with suppress(ProcessLookupError):
            server.kill()
        await server.communicate()


async def ended(server: asyncio.subprocess.Process) -> tuple[int, list[str], str]:
    """Return how it exited, what it said, and what its log says."""
    assert server.stdout is not None
    assert server.stderr is not None
    code = await asyncio.wait_for(server.wait(), SOON)
    return code, (await server.stdout.read()).decode().split(), (await server.stderr.read()).decode()


@pytest.mark.parametrize("handler", STUBBORN)
async def test_one_signal_is_obeyed_within_drain_time_and_the_grace(handler: str) -> None:
    async with running(handler, drain_time=0.2, stop_grace=1.5) as server:
        server.send_signal(signal.SIGTERM)
        code, _, log = await ended(server)
        assert code == 0
        assert "Traceback" not in log
        assert STUBBORN[handler] in log


@pytest.mark.parametrize("handler", STUBBORN)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_it_at_once(handler: str, number: signal.Signals) -> None:
    async with running(handler, drain_time=600.0, stop_grace=600.0) as server:
        server.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)  # two of one kind that come together are one
        server.send_signal(number)
        code, _, log = await ended(server)
        assert code in {0, 128 + number}
        assert "Traceback" not in log


async def test_what_ends_ends_as_it_should() -> None:
    async with running("an idle pool", drain_time=0.2, stop_grace=600.0) as server:
        server.send_signal(signal.SIGTERM)
        code, said, log = await ended(server)
        assert (code, said) == (0, ["undone", "done"])
        assert "behind" not in log
