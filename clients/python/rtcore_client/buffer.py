"""A bounded queue between the client and one consumer, with an end. Cancelling either side loses nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.wire.message import Message


class Ended(Exception):
    """The buffer has ended and is empty."""


class Buffer:
    """Messages for one consumer.

    Args:
        maxsize: beyond that the producer waits.
    """

    def __init__(self, maxsize: int) -> None:
        self._held: deque[Message] = deque()
        self._maxsize = maxsize
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self.ended = False

    def __len__(self) -> int:
        return len(self._held)

    def put(self, message: Message) -> Awaitable[None] | None:
        """Take a message; return what to await first, if it is full. After the end messages are nobody's."""
        if self.ended:
            return None
        if len(self._held) >= self._maxsize:
            return self._put_later(message)
        self._held.append(message)
        self._some.set()
        return None

    async def get(self) -> Message:
        """Return the oldest message; wait for it.

        Raises:
            Ended: there will be none.
        """
        while not self._held:
            if self.ended:
                raise Ended
            self._some.clear()
            await self._some.wait()
        message = self._held.popleft()
        self._room.set()
        return message

    def end(self) -> None:
        """No more messages; those that are held can still be taken."""
        self.ended = True
        self._some.set()
        self._room.set()

    async def _put_later(self, message: Message) -> None:
        while len(self._held) >= self._maxsize and not self.ended:
            self._room.clear()
            await self._room.wait()
        self.put(message)
