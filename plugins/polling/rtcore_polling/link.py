"""A connection made of polls: what the kernel writes waits for the poll that takes it.

    no poll     paused: messages wait in the session's lanes, uncounted; only control items may come here
    a poll      resumed: the first write wakes it; it takes all that the turn brings, and the link is paused again

Rule: what was given to a poll counts as delivered only when the next poll says so (`received`). So a poll that is
aborted, overtaken or answered into the void loses nothing: the next one has it written again.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from rtcore_http.gate import Gate

from rtcore.errors import Rejected
from rtcore.spi.moved import moved
from rtcore.wire.codes import Next, after_close
from rtcore.wire.parts import PART
from rtcore_polling.farewells import Farewells
from rtcore_polling.framing import FRAMING, frames_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtcore.connection import Connection
    from rtcore.spi.transport import Framing, Moved
    from rtcore.wire.hello import Place

#: Bytes of control items that wait while there is no poll. Only a client that posts nonsense gets so many.
IDLE_MAX: Final = 65_536


class Poll:
    """One request that waits; it hears of its own socket (`rtcore_http.guard.Flow`).

    Attributes:
        awake: there is something to answer, or no reason to wait any longer.
        until: when it has waited long enough, in seconds on the loop's clock.
    """

    __slots__ = ("_link", "_then", "awake", "until")

    def __init__(self, link: PollLink) -> None:
        self._link = link
        self._then: Callable[[], None] | None = None
        self.awake = False
        self.until = math.inf

    def then(self, call: Callable[[], None]) -> None:
        """Call this when it is awake: at once, or behind the turn that wakes it, all of which goes into its answer."""
        if self.awake:
            call()
        else:
            self._then = call

    def wake(self) -> None:
        """There is something to answer, or no reason to wait any longer."""
        if self.awake:
            return
        self.awake = True
        if self._then is not None:
            asyncio.get_running_loop().call_soon(self._then)
            self._then = None

    def pause(self) -> None:
        """Its answer is large. Nothing is written before the next poll anyway."""

    def resume(self) -> None:
        """Its answer has left."""

    def lost(self) -> None:
        """The client has given it up."""
        self._link.abandon(self)


class PollLink:
    """A `Link` whose bytes are taken by polls, at most one of which is outstanding.

    Args:
        limit: bytes after which an answer takes no more.
        farewells: where the reason goes, if this connection's session ends.

    Attributes:
        connection: the kernel's end; set once, right after the kernel has made it.
        carrier: what the last answer went out by: while a client takes it, slowly, it does not poll.
        gate: where POSTs to `/rt/send` wait while the kernel does not want to read.
        number: the close number, once the kernel has closed the connection.
    """

    __slots__ = (
        "__weakref__", "_farewell", "_farewells", "_limit", "_most", "_poll", "_size", "_waiting", "carrier",
        "connection", "framing", "gate", "number",
    )  # fmt: skip

    def __init__(self, limit: int, farewells: Farewells) -> None:
        self.framing: Framing = FRAMING
        self.connection: Connection | None = None
        self.carrier: asyncio.Transport | None = None
        self.gate = Gate()
        self.number: int | None = None
        self._farewell: list[bytes] = []
        self._farewells = farewells
        self._most = self._limit = limit
        self._poll: Poll | None = None
        self._waiting: list[bytes] = []
        self._size = 0

    # -- the kernel's side --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if self.number is not None:
            return
        if self._poll is None:
            if self._size + len(data) > IDLE_MAX:
                return
        else:
            self._poll.wake()
        self._waiting.append(data)
        self._size += len(data)
        if self.connection is not None and (self._size >= self._limit or self._is_all_that_fits()):
            self.connection.pause()

    def close(self, code: int, reason: str) -> None:
        self.gate.open()
        if self.number is not None:
            return
        if self._poll is not None:
            self._poll.wake()
        elif after_close(code) is not Next.RESUME:
            self._take_lanes()
        self.number = code
        self._farewell = list(frames_of(b"".join(self._waiting)))
        # Not now: the kernel is in the middle of the end of something.
        asyncio.get_running_loop().call_soon(self._lost)

    def pause_reading(self) -> None:
        self.gate.close()

    def resume_reading(self) -> None:
        self.gate.open()

    def moved(self) -> Moved:
        return moved(self.carrier)

    # -- the request handler's side -----------------------------------------------------------------------

    @property
    def is_between_polls(self) -> bool:
        """The connection lives and has nobody to talk to."""
        alive = self.connection is not None and not self.connection.ended
        return alive and self._poll is None and self.number is None

    def look_at_the_clock(self, now: float) -> None:
        """End the poll that has waited long enough."""
        if self._poll is not None and self._poll.until <= now:
            self._poll.wake()

    def first(self) -> Poll:
        """Return the poll that takes the answer to a hello."""
        self._poll = Poll(self)
        return self._poll

    def next(self, received: int, place: Place | None = None) -> Poll:
        """Return a new poll of a client that has received so many messages; an older one ends, empty.

        What was written for the older one is forgotten: it is among what the kernel writes again.

        Args:
            received: what the poll says.
            place: what it says of a message that came in parts and is not all there.

        Raises:
            Rejected: what `Connection.rewind` raises, and the older poll goes on; `going_away`, if it is closed.
        """
        connection = self.connection
        if connection is None or self.number is not None:
            raise Rejected("going_away", "this connection was given up; attach again")
        before = self._poll, self._waiting, self._size
        poll = self._poll = Poll(self)
        if before[0] is not None:
            self._waiting, self._size = [], 0
        elif self._waiting:
            poll.wake()
        try:
            connection.rewind(received, place)
        except BaseException:
            self._poll, self._waiting, self._size = before
            raise
        if before[0] is not None:
            before[0].wake()
        self._limit = self._carried()
        if self._size < self._limit:
            connection.resume()
        return poll

    def take(self, poll: Poll) -> list[bytes]:
        """Return the frames that a poll is answered with, and pause; none if a newer one has come."""
        if self._poll is not poll:
            return []
        self._poll = None
        taken, self._waiting, self._size = self._waiting, [], 0
        if self.connection is not None and self.number is None:
            self.connection.pause()
        return list(frames_of(taken[0] if len(taken) == 1 else b"".join(taken)))

    def abandon(self, poll: Poll) -> None:
        """Nobody waits for this poll's answer any more. What was written for it is written again for the next."""
        self.take(poll)
        poll.wake()

    def _is_all_that_fits(self) -> bool:
        """With much more, the window could not give all of this answer again if it is lost."""
        session = self.connection.session if self.connection is not None else None
        return session is not None and session.window.free(session.window.limit // 4) == 0

    def _carried(self) -> int:
        """Return the bytes of an answer: fewer, once answers did not arrive; a link may be cut after a few thousand."""
        session = self.connection.session if self.connection is not None else None
        if session is None or session.stride == PART:
            return self._most
        return min(self._most, session.stride)

    def _take_lanes(self) -> None:
        """The session ends between two polls: what waits in its lanes goes before the `close`, which is here."""
        if self.connection is not None and self._waiting:
            close = self._waiting.pop()
            self.connection.resume()
            self._waiting.append(close)

    def _lost(self) -> None:
        connection = self.connection
        if connection is None:
            return
        if connection.session is not None and connection.session.closed is not None:
            self._farewells.keep(connection, self._farewell)
        connection.lost()
