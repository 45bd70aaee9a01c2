"""A gate before POSTs: what `Link.pause_reading` means to a transport whose way up is `POST /rt/send`.

Rule: a POST that may not be taken yet is not answered yet, so that its client feels the backpressure. Its messages are
not counted meanwhile; a client that gives up and sends them again loses nothing.
"""

from __future__ import annotations

import asyncio
from typing import Final

from rtcore.errors import Rejected

#: POSTs of one connection that wait. A client sends one after the other, so that two is plenty.
WAITING_MAX: Final = 2
#: Seconds that one waits, before its client is asked to come again: less than the patience of proxies.
PATIENCE: Final = 25.0


class Gate:
    """Open, unless the kernel has paused the reading of a connection. A link that has one calls it `gate`."""

    __slots__ = ("_closed", "_waiting")

    def __init__(self) -> None:
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def closed(self) -> bool:
        """Nobody is let through."""
        return self._closed

    def close(self) -> None:
        """Let nobody through."""
        self._closed = True

    def open(self) -> None:
        """Let everybody through, those who wait first. Also when the connection is gone: they must learn of it."""
        self._closed = False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def wait(self) -> None:
        """Wait until the gate is open.

        Raises:
            Rejected: `too_many_requests`; others wait already, or it took too long.
        """
        while self._closed:
            if len(self._waiting) >= WAITING_MAX:
                raise Rejected(
                    "too_many_requests", f"{WAITING_MAX} POSTs of this session wait already", retry_after=1.0
                )
            one = asyncio.get_running_loop().create_future()
            self._waiting.append(one)
            try:
                async with asyncio.timeout(PATIENCE):
                    await one
            except TimeoutError:
                raise Rejected(
                    "too_many_requests", "the session's handlers are busy", retry_after=1.0
                ) from None
            finally:
                if one in self._waiting:
                    self._waiting.remove(one)
