"""One event stream as the kernel sees it: plain writes, straight to the socket's transport.

    waiting ──first write──▶ open ──close──▶ ended        (`lost` from anywhere)

Rule: aiohttp writes the head of the response and its end; between the two, bytes go to the transport from here.
Its own `write` is a coroutine: a broadcast would need a task for each member.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rtcore_http.gate import Gate

from rtcore_sse.events import COMMENT, last_id, padding, retry
from rtcore_sse.resume import id_after, resume_credential

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.spi.transport import Framing
    from rtcore_sse.framing import EventFraming

#: Seconds that a stream must live for its welcome to count as arrived: an `EventSource` confirms nothing.
ARRIVED_AFTER: Final = 1.0


class StreamLink:
    """A `Link` whose response does not begin before there is something to say.

    So a connection that is refused at once still gets an HTTP status of its own.

    Args:
        framing: chunked or not, as the response will be.
        one_way: for a plain `EventSource`: keep its `Last-Event-ID` up to date.
        flush_padding: bytes of comment after each write.

    Attributes:
        connection: the kernel's end; set once, right after the kernel has made it.
        gate: where POSTs to `/rt/send` wait while the kernel does not want to read.
        number: the close number, once the kernel has closed the stream.
    """

    __slots__ = (
        "_credential", "_early", "_ended", "_events", "_filler", "_opened", "_opening", "_transport", "_wrote",
        "connection", "framing", "gate", "number", "one_way",
    )  # fmt: skip

    def __init__(self, framing: EventFraming, *, one_way: bool, flush_padding: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self.framing: Framing = framing
        self._events = framing
        self.connection: Connection | None = None
        self.gate = Gate()
        self.number: int | None = None
        self.one_way = one_way
        self._filler = framing.wrap(padding(flush_padding))
        self._credential = b""
        self._early: list[bytes] = []
        self._opening: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._opened = 0.0
        self._wrote = False

    # -- the kernel's side --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            if self.number is None and not self._ended.done():
                self._early.append(data)
                self._decided()
        elif self.number is None:
            self._wrote = True
            if self.one_way:
                data += self._mark()
            if self._filler:
                data += self._filler
            transport.write(data)

    def close(self, code: int, reason: str) -> None:
        self.gate.open()
        if self.number is not None or self._ended.done():
            return
        self.number = code
        self._decided()
        if self._transport is not None:
            self._finish(code)

    def pause_reading(self) -> None:
        self.gate.close()

    def resume_reading(self) -> None:
        self.gate.open()

    # -- what the socket says (`rtcore_http.guard.Flow`) -----------------------------------------------------

    def pause(self) -> None:
        if self.connection is not None:
            self.connection.pause()

    def resume(self) -> None:
        if self.connection is not None:
            self.connection.resume()

    def lost(self) -> None:
        """The peer is gone, or the end has been written. Again is harmless."""
        self.gate.open()
        connection, self.connection = self.connection, None
        if self._transport is not None and self.one_way and connection is not None:
            session = connection.session
            if session is not None and asyncio.get_running_loop().time() - self._opened >= ARRIVED_AFTER:
                connection.manager.session_confirmed(session)
        self._transport = None
        self._early.clear()
        self._decided()
        if not self._ended.done():
            self._ended.set_result(None)
        if connection is not None:
            connection.lost()

    # -- the request handler's side -----------------------------------------------------------------------

    async def decided(self) -> None:
        """Wait until there is something to say, or nobody to say it to."""
        await self._opening

    @property
    def refused(self) -> bool:
        """The kernel has said why it closes the connection, and nothing else."""
        return self.number is not None and len(self._early) == 1

    def take_early(self) -> list[bytes]:
        """Return what was written before the stream was open, and forget it."""
        early, self._early = self._early, []
        return early

    def open(self, transport: asyncio.Transport, *, padding_size: int, retry_after: float) -> None:
        """The head of the response is out: write to this transport from now on.

        The kernel writes welcome and replays in one turn, so what waited here is what the session's count says.
        """
        if self._ended.done():
            return
        self._transport = transport
        self._opened = asyncio.get_running_loop().time()
        head = padding(padding_size) + (retry(retry_after) if self.one_way else b"")
        mark = self._mark() if self.one_way else b""
        transport.write(b"".join([self._events.wrap(head), *self.take_early(), mark, self._filler]))
        if self.number is not None:
            self._finish(self.number)

    async def ended(self) -> None:
        """Wait until the kernel has closed the stream or the peer is gone."""
        await self._ended

    def abort(self) -> None:
        """Cut the connection, whatever still waits in it."""
        if self._transport is not None:
            self._transport.abort()

    def keep_alive(self) -> None:
        """Write a comment, unless something was written since the last call."""
        if self._wrote:
            self._wrote = False
        elif self._transport is not None and self.number is None:
            self._transport.write(self._events.wrap(COMMENT) + self._filler)

    # -- inside ---------------------------------------------------------------------------------------------

    def _mark(self) -> bytes:
        """Return the id block that tells a plain `EventSource` how much has arrived once the block itself arrives.

        The kernel counts messages out before it writes them, so the session's count includes the present write.
        Not once the session has moved on: its count and its secret are then another connection's.
        """
        session = self.connection.session if self.connection is not None else None
        if session is None or not session.hears(self.connection):
            return b""
        if not self._credential:
            self._credential = resume_credential(session.id, session.secret)
        return self._events.wrap(
            last_id(self._credential + b"%d" % (session.window.sent - session.replaying))
        )

    def _finish(self, code: int) -> None:
        left = id_after(code) if self.one_way else None
        if self._transport is not None and left is not None:
            self._transport.write(self._events.wrap(last_id(left)))
        if not self._ended.done():
            self._ended.set_result(None)

    def _decided(self) -> None:
        if not self._opening.done():
            self._opening.set_result(None)
