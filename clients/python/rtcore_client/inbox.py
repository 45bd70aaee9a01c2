"""What was received and not yet given to callbacks: bounded, so that a slow program slows the server down.

Rule: the reader waits here before it takes the next frame. Pings and acknowledgements are answered before that, and
replies reach their request at once; so only a program that is `inbox` messages behind is felt by the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.wire.message import Message


class Inbox:
    """A queue between the connection's reader and the callbacks.

    Args:
        limit: messages; the reader may overshoot by the rest of a frame.
        limit_bytes: bytes of their payloads.
    """

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._held: deque[Message] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __len__(self) -> int:
        return len(self._held)

    @property
    def full(self) -> bool:
        """The reader should wait."""
        return not self._room.is_set()

    def put(self, message: Message) -> None:
        """Take a message; also when full."""
        self._held.append(message)
        self._bytes += len(message.raw or b"")
        self._some.set()
        if len(self._held) >= self._limit or self._bytes >= self._limit_bytes:
            self._room.clear()

    async def get(self) -> Message:
        """Return the oldest message; wait for it."""
        while not self._held:
            self._some.clear()
            await self._some.wait()
        message = self._held.popleft()
        self._bytes -= len(message.raw or b"")
        # Half empty before it is read again, so that reading is not switched on and off for each message.
        if len(self._held) <= self._limit // 2 and self._bytes <= self._limit_bytes // 2:
            self._room.set()
        return message

    async def room(self) -> None:
        """Wait until there is room."""
        await self._room.wait()
