"""The server of a soak: the benchmarks' full product, and what makes traffic of every kind.

    python -m tests.soak.server PORT [leak=memory|tasks|files] [key=value …]

With `leak` it keeps a little of every session for ever, so that one can see the soak fail.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import rtcore_brotli
import rtcore_deflate

from benchmarks.servers import rtcore_server
from rtcore import App, Session, hookimpl
from rtcore.serve import run

#: Everything that waits for a time does not wait for long: what a soak looks at is over when its crowd has gone.
SETTINGS = (
    "session_ttl=2",
    "hello_timeout=2",
    "heartbeat_interval=1",
    "ping_timeout=2",
    "enable_batching=true",
    "batch_interval=0.02",
    'rooms.options."log:*".history=50',
    'rooms.options."cursor:*".policy="conflate"',
    'rooms.options."cursor:*".policy_key="sender"',
)


class Leak:
    """Keeps something of every session."""

    name = "leak"

    def __init__(self, what: str) -> None:
        self._what = what
        self._kept: list[object] = []

    @hookimpl
    def rtcore_session_opened(self, app: App, session: Session) -> None:
        if self._what == "memory":
            self._kept.append(bytearray(8192))
        elif self._what == "tasks":
            self._kept.append(asyncio.create_task(asyncio.sleep(3600)))
        elif self._what == "files":
            self._kept.append(Path("/dev/null").open("rb"))  # noqa: SIM115 - that is the leak


def make(arguments: Sequence[str]) -> App:
    """Make the app."""
    port, *more = arguments
    leaks = [Leak(one.removeprefix("leak=")) for one in more if one.startswith("leak=")]
    settings = [*SETTINGS, *(one for one in more if not one.startswith("leak="))]
    app = rtcore_server.make([port, *settings], rtcore_brotli, rtcore_deflate, *leaks)

    @app.handler("think")
    async def think(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    @app.handler("stream")
    async def stream(session: Session, count: int) -> int:
        for number in range(count):
            session.send("number", number)
            await session.drained(below=50)
        return count

    return app


def main() -> None:
    run(make(sys.argv[1:]))


if __name__ == "__main__":
    main()
