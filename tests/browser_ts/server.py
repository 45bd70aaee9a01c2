"""A server in a process of its own, which a test may kill."""

from __future__ import annotations

import asyncio
import re
import sys

READY = re.compile(r"ready at http://[\d.]+:(\d+)")
#: No limits that a burst would meet, and a window for what a page misses in a few seconds.
SETTINGS = (
    "rate_limit_per_second=0",
    "drain_time=0.2",
    "message_buffer_size=2000",
    "disabled=otel,playground",
    'rooms.options."past:*".history=100',
)


class Server:
    """`rtcore serve`. The port stays the same over `kill` and `start`."""

    def __init__(self) -> None:
        self.port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Run until it says that it is ready."""
        options = [part for setting in SETTINGS for part in ("--set", setting)]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "rtcore", "serve", "--port", str(self.port), *options,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self._process.stdout, ready))
        self.port = await asyncio.wait_for(ready, 20)

    async def kill(self) -> None:
        """End it at once, as a crash would."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._reading is not None:
            await self._reading

    async def _read(self, stream: asyncio.StreamReader | None, ready: asyncio.Future[int]) -> None:
        assert stream is not None
        said = ""
        async for line in stream:
            said += line.decode()
            if not ready.done() and (match := READY.search(said)):
                ready.set_result(int(match[1]))
        if not ready.done():
            ready.set_exception(RuntimeError(said))
