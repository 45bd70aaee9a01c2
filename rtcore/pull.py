"""Pulling: what a session writes when its connection has room, from the oldest debt to the newest.

    ahead     what the client lacks of its window, and the message that is half out (`rtcore.ahead`)
    gaps      what was dropped
    lanes     what waits, by priority
    feeds     what is read from a memory at the client's pace: a room's history

Rule: a piece is written only while the connection has room, so whatever is urgent passes between two pieces. A feed
gives nothing that the window could not replay: what is read from a history is never lost by a cut. While the lanes
never empty, a feed has each fifth piece.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from rtcore.wire.parts import PART

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.outgoing import Outgoing
    from rtcore.spi.feed import Feed

#: Bytes of one piece: small, so that what is urgent can still overtake.
PIECE: Final = PART
#: Bytes that one session's feeds may write in one turn of the loop, if its connection is never full.
TURN: Final = 16 * PIECE
#: Pieces of lanes for each piece of a feed.
SHARE: Final = 4
#: Pieces of lanes after which a new feed has its share though they were never empty.
FRESH: Final = 64
#: Seconds to wait for a confirmation; then the client is one that does not confirm, as long as it does not.
PATIENCE: Final = 3.0


class Pull:
    """What one session reads besides its outbox. There is one only while there is something."""

    __slots__ = (
        "_feeds",
        "_fresh",
        "_passed",
        "_pieces",
        "_session",
        "_soon",
        "_timer",
        "_trusting",
    )

    def __init__(self, session: Outgoing) -> None:
        self._session = session
        self._feeds: deque[Feed] = deque()
        # Those that have just begun: what was posted until then goes first.
        self._fresh: list[Feed] = []
        self._passed = 0
        self._pieces = 0
        self._soon = False
        self._timer: asyncio.TimerHandle | None = None
        self._trusting: Connection | None = None

    @property
    def idle(self) -> bool:
        """There is nothing to write."""
        return not (self._feeds or self._fresh)

    @property
    def waiting(self) -> int:
        """Messages that the feeds have."""
        return sum(feed.waiting for feed in (*self._feeds, *self._fresh))

    def add(self, feed: Feed) -> None:
        """A feed begins; again is harmless."""
        if feed not in self._feeds and feed not in self._fresh:
            self._fresh.append(feed)
            self._passed = 0

    def discard(self, feed: Feed) -> None:
        """A feed is over; again is harmless."""
        for feeds in (self._feeds, self._fresh):
            if feed in feeds:
                feeds.remove(feed)

    def end(self) -> None:
        """The session is over."""
        self._feeds.clear()
        self._fresh.clear()
        self._stop_waiting()

    def soon(self) -> None:
        """Go on when the loop turns."""
        if not self._soon:
            self._soon = True
            asyncio.get_running_loop().call_soon(self._turn)

    def confirmed(self) -> None:
        """The client has confirmed something: its window has room."""
        self._trusting = None
        self._stop_waiting()
        self.soon()

    def go_on(self, connection: Connection) -> None:
        """Write lanes and feeds for as long as there is room."""
        session = self._session
        left = TURN
        while has_room(session, connection):
            if session.ahead:
                session.ahead.write_some(connection)
                left -= PIECE
                if left <= 0:
                    self.soon()
                    return
                continue
            waiting = session.flush_outbox()
            if self._fresh and (not waiting or self._passed >= FRESH):
                self._feeds.extend(self._fresh)
                self._fresh.clear()
            if waiting and (self._pieces < SHARE or not self._feeds):
                session.write_lanes()
                self._passed += 1
                self._pieces += 1
                continue
            self._pieces = 0
            size = self._write_feed(connection)
            left -= size
            if not size and not waiting and not self._fresh:
                return
            if left <= 0:
                self.soon()
                return

    # -- inside ------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._soon = False
        connection = self._session.connection
        if connection is not None and not connection.paused:
            self._session.catch_up(connection)

    def _write_feed(self, connection: Connection) -> int:
        """Write a piece of the first feed that has one; return its bytes."""
        session = self._session
        count = self._fitting(connection)
        if not count:
            self._wait(connection)
            return 0
        for feed in tuple(self._feeds):
            messages = feed.take(count, PIECE)
            if feed in self._feeds:
                self._feeds.rotate(-1)
            if messages:
                return max(1, session.put_good(messages))
        return 0

    def _fitting(self, connection: Connection) -> int:
        """Say how many messages the window has room for, with a quarter left for what is posted meanwhile."""
        window = self._session.window
        if self._trusting is connection:
            return window.limit
        return window.free(window.limit // 4)

    def _wait(self, connection: Connection) -> None:
        """Wait for a confirmation, but not for ever: a client need not confirm."""
        if self._feeds and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(PATIENCE, self._give_up_waiting, connection)

    def _give_up_waiting(self, connection: Connection) -> None:
        self._timer = None
        if self._session.connection is connection and not connection.ended:
            self._trusting = connection
            self.soon()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def has_room(session: Outgoing, connection: Connection) -> bool:
    """Say whether the connection, which is still the session's, can take another piece."""
    return session.connection is connection and not connection.paused and not connection.ended
