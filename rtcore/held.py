"""Messages of one session that were received and wait to be handled: control must not wait, so its client is read.

received ──▶ handler
received ──▶ held ──▶ handler        while handlers are behind, a limiter delays a replay, a room is being joined, …

Rule: what is held was counted, and goes on in its order at the pace that the limiters allow; it is never refused for
having waited. From `TELL` on the client is told to send no more messages (`flow`). What it had on its way is held as
well, up to `MOST`, as long as there is room in the pool of all sessions; `OWN` is each session's in any case. One that
sends more is not read, and then its control waits with the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from rtcore.connection import Unread
from rtcore.errors import Rejected

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.session import Session
    from rtcore.wire.message import Message

#: Messages, and bytes, from which the client is told to wait; it is told to go on at half of that.
TELL: Final = (128, 64 * 1024)
#: Those that each session may hold whatever others do. One frame may bring more.
OWN: Final = (1024, 256 * 1024)
#: Those from which a client is not read: more than one of ours has on its way.
MOST: Final = (10_000, 16 * 1024 * 1024)
#: Bytes that a message takes beside its payload.
OVERHEAD: Final = 128
#: Messages that go on in one turn of the loop, so that others have theirs.
SLICE: Final = 64


class Held:
    """What one session holds."""

    __slots__ = ("_going", "_messages", "_pool", "_session", "_size", "_told")

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pool = session.manager.held
        self._messages: deque[tuple[Message, int]] = deque()
        self._size = 0
        self._going = False
        self._told = False

    def __len__(self) -> int:
        return len(self._messages)

    def add(self, message: Message, size: int) -> None:
        """Let a message wait. `size`: bytes of its frame, if it is the first one there; else 0."""
        # Not each codec keeps the bytes of a payload.
        size = max(message.size, size) + OVERHEAD
        self._messages.append((message, size))
        self._grow(size, 1)
        self._look()

    def go_on(self) -> None:
        """Handle what waits, until something holds the session back again."""
        session, messages = self._session, self._messages
        if self._going:
            return
        self._going = True
        inbound, left = session.manager.inbound, SLICE
        try:
            while messages and not session.unread and session.closed is None:
                if not left:
                    session.unread |= Unread.TURN
                    asyncio.get_running_loop().call_soon(session.read_again, Unread.TURN)
                    break
                left -= 1
                message, size = messages.popleft()
                wait = inbound.delay(session, message)
                if wait:
                    messages.appendleft((message, size))
                    self.wait(wait)
                else:
                    self._grow(-size, -1)
        finally:
            self._going = False
        self._look()

    def wait(self, seconds: float) -> None:
        """A limiter wants the next one to wait so long."""
        session = self._session
        session.unread |= Unread.REPLAYS
        asyncio.get_running_loop().call_later(seconds, session.read_again, Unread.REPLAYS)

    def cancel(self, request: str) -> None:
        """A client has given up a request; if it is here, it is not begun."""
        session = self._session
        for entry in self._messages:
            message, size = entry
            if message.id == request and not session.is_former(message):
                self._messages.remove(entry)
                self._grow(-size, -1)
                session.answer_error(message, Rejected("cancelled"))
                self._look()
                return

    def attached(self, connection: Connection) -> None:
        """The session has another connection, whose client knows nothing of this. It is read until it sends more."""
        self._told = self._is_beyond(TELL)
        if self._told:
            connection.control("flow", {"active": False})

    def end(self) -> int:
        """The session is over: forget what waits; return how many messages that was."""
        count = len(self._messages)
        self._messages.clear()
        self._grow(-self._size, -count)
        return count

    def _grow(self, size: int, count: int) -> None:
        self._size += size
        self._pool.used += size
        self._pool.count += count

    def _look(self) -> None:
        """Tell the client to wait or to go on, and read it or not, as far as this has changed."""
        connection = self._session.connection
        if connection is None:
            return
        if self._is_beyond(TELL):
            if not self._told:
                self._told = True
                connection.control("flow", {"active": False})
            if self._is_full and not connection.unread & Unread.HELD:
                connection.stop_reading(Unread.HELD)
                self._session.manager.heartbeat.reassure(connection)
        elif len(self._messages) <= TELL[0] // 2 and self._size <= TELL[1] // 2:
            connection.read_again(Unread.HELD)
            if self._told:
                self._told = False
                connection.control("flow", {"active": True})

    @property
    def _is_full(self) -> bool:
        return self._is_beyond(OWN) and (self._is_beyond(MOST) or self._pool.full(0))

    def _is_beyond(self, bound: tuple[int, int]) -> bool:
        return len(self._messages) >= bound[0] or self._size >= bound[1]
