"""A gate before POSTs: what `Link.pause_reading` means to a transport whose way up is `POST /rt/send`.

Rule: a POST of whose messages none may be taken yet is not answered yet, so that its client feels the backpressure; but
soon, since what it says next waits for that answer. Its messages are not counted meanwhile, its control is taken.
"""

from __future__ import annotations

import asyncio
from typing import Final

from rtcore.errors import Rejected

#: POSTs of one connection that wait. A client sends one after the other, so that two is plenty.
WAITING_MAX: Final = 2
#: Seconds that one waits, before it is answered with what was taken: what its client says next may be a `cancel`.
PATIENCE: Final = 1.0


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

    async def wait(self, patience: float = PATIENCE) -> None:
        """Wait until the gate is open, or for so many seconds.

        Raises:
            Rejected: `too_many_requests`; others wait already.
        """
        if not self._closed:
            return
        if len(self._waiting) >= WAITING_MAX:
            raise Rejected(
                "too_many_requests", f"{WAITING_MAX} POSTs of this session wait already", retry_after=PATIENCE
            )
        one = asyncio.get_running_loop().create_future()
        self._waiting.append(one)
        try:
            async with asyncio.timeout(patience):
                await one
        except TimeoutError:
            return
        finally:
            if one in self._waiting:
                self._waiting.remove(one)
