"""What was received and has not reached the program: bounded, so that a slow program slows the server down.

Two things count: what waits to be given to callbacks, and what a stream or async callback keeps beyond its own bound.

Rule: the reader waits here before it takes the next frame. Pings and acknowledgements are answered before that, and
replies reach their request at once; so only a program that is `inbox` messages behind is felt by the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.wire.message import Message


class Inbox:
    """A queue between the connection's reader and the callbacks.

    Args:
        limit: messages; the reader may overshoot by the rest of a frame.
        limit_bytes: bytes of their payloads.

    Attributes:
        on_full: called when the reader begins to wait.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._held: deque[Message] = deque()
        self._count = 0
        self._bytes = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.on_full: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._held)

    @property
    def full(self) -> bool:
        """The reader should wait."""
        return not self._room.is_set()

    def put(self, message: Message) -> None:
        """Take a message; also when full."""
        self._held.append(message)
        self.keep(message)
        self._some.set()

    async def get(self) -> Message:
        """Return the oldest message; wait for it."""
        while not self._held:
            self._some.clear()
            await self._some.wait()
        message = self._held.popleft()
        self.release(message)
        return message

    def keep(self, message: Message) -> None:
        """Count a message that is not here and waits all the same."""
        self._count += 1
        self._bytes += len(message.raw or b"")
        if (self._count >= self._limit or self._bytes >= self._limit_bytes) and self._room.is_set():
            self._room.clear()
            self.on_full()

    def release(self, message: Message) -> None:
        """One that was counted waits no longer."""
        self._count -= 1
        self._bytes -= len(message.raw or b"")
        # Half empty before it is read again, so that reading is not switched on and off for each message.
        if self._count <= self._limit // 2 and self._bytes <= self._limit_bytes // 2:
            self._room.set()

    async def room(self) -> None:
        """Wait until there is room."""
        await self._room.wait()
