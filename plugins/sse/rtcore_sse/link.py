"""One event stream as the kernel sees it: plain writes, straight to the socket's transport.

    waiting ──first write──▶ open ──close──▶ ended        (`lost` from anywhere)

Rule: aiohttp writes the head of the response and its end; between the two, bytes go to the transport from here.
Its own `write` is a coroutine: a broadcast would need a task for each member.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rtcore_http.gate import Gate

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore_sse.events import COMMENT, body_of, padding

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.spi.transport import Framing
    from rtcore_sse.framing import EventFraming


class StreamLink:
    """A `Link` whose response does not begin before there is something to say.

    So a connection that is refused at once still gets an HTTP status of its own.

    Args:
        framing: chunked or not, as the response will be.
        flush_padding: bytes of comment after each write.
        high_water: bytes that may wait here before the response has begun; then the kernel keeps the rest.

    Attributes:
        connection: the kernel's end; set once, right after the kernel has made it.
        gate: where POSTs to `/rt/send` wait while the kernel does not want to read.
        number: the close number, once the kernel has closed the stream.
        refusal: why there will be no stream.
        confirms: the peer answers pings and confirms what it has.
    """

    __slots__ = (
        "_early", "_ended", "_events", "_filler", "_high_water", "_loop", "_opening", "_size", "_transport", "_wrote",
        "connection", "framing", "gate", "number", "refusal",
    )  # fmt: skip

    confirms = True

    def __init__(self, framing: EventFraming, *, flush_padding: int = 0, high_water: int = 32_768) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self.framing: Framing = framing
        self._events = framing
        self.connection: Connection | None = None
        self.gate = Gate()
        self.number: int | None = None
        self.refusal: Rejected | None = None
        self._filler = framing.wrap(padding(flush_padding))
        self._early: list[bytes] = []
        self._size = 0
        self._high_water = high_water
        self._opening: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[None] = loop.create_future()
        self._transport: asyncio.Transport | None = None
        self._wrote = False

    # -- the kernel's side --------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            if self.number is None and not self._ended.done():
                self._early.append(data)
                self._size += len(data)
                self._decided()
                if self._size > self._high_water:
                    self.pause()
        elif self.number is None:
            self._wrote = True
            if self._filler:
                data += self._filler
            transport.write(data)

    def close(self, code: int, reason: str) -> None:
        self.gate.open()
        if self.number is not None or self._ended.done():
            return
        self.number = code
        if self._transport is not None:
            self._finish()
        elif self.refusal is None and self.connection is not None and len(self._early) == 1:
            # The kernel has said why it closes the connection, and nothing else.
            self.refusal = _refusal(self.connection, self._events.unwrap(self._early[0]))
        self._decided()

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

    def open(self, transport: asyncio.Transport, *, padding_size: int) -> None:
        """The head of the response is out: write to this transport from now on.

        What waited here is the welcome and the first of a replay; if it was much, the kernel has kept the rest.
        """
        if self._ended.done():
            return
        self._transport = transport
        early, self._early = self._early, []
        transport.write(b"".join([self._events.wrap(padding(padding_size)), *early, self._filler]))
        if self.number is not None:
            self._finish()
        elif self._size > self._high_water and transport.get_write_buffer_size() <= self._high_water:
            self.resume()  # else the socket says so, once it has drained

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

    def _finish(self) -> None:
        """The kernel has closed the stream, which is open."""
        if not self._ended.done():
            self._ended.set_result(None)

    def _decided(self) -> None:
        if not self._opening.done():
            self._opening.set_result(None)


def _refusal(connection: Connection, event: bytes) -> Rejected:
    """Make a refusal of the `close` that the kernel wrote, so that it becomes a status."""
    item = connection.codec.decode(body_of(event))[0]
    fields: Mapping[str, Any] = item.fields if isinstance(item, Control) else {}
    code, reason = str(fields.get("code", "internal")), str(fields.get("reason", ""))
    return Rejected(code, reason, retry_after=fields.get("retry_after"))
