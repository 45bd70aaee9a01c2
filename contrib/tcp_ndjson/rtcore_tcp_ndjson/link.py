"""One TCP connection: lines in, lines out.

Rule: a line is a frame. The last line of a connection that the server ends is a `close` item, and the client gets
it even if it is still sending: the server half-closes, reads on without looking, and waits for the client to hang up.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, cast

from rtcore.errors import Rejected
from rtcore.spi.moved import moved
from rtcore.spi.transport import Framing, Handshake, Moved

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.manager import RealtimeManager
    from rtcore_tcp_ndjson.settings import Settings


class LineFraming:
    """A frame is a line. JSON has no line breaks within an item; several items in a frame become several lines."""

    name = "line"

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        return body + b"\n"


_FRAMING: Final = LineFraming()


class Line(asyncio.Protocol):
    """See `rtcore.spi.transport.Link`.

    Args:
        manager: who is told of the connection.
        settings: the transport's.
        open_: where it is while it is open.
    """

    framing: Framing = _FRAMING

    def __init__(self, manager: RealtimeManager, settings: Settings, open_: set[Line]) -> None:
        self._manager = manager
        self._settings = settings
        self._open = open_
        self._transport: asyncio.Transport
        self._connection: Connection | None = None
        self._buffer = bytearray()
        self._searched = 0
        self._reading = True
        self._closing = False
        self._deadline: asyncio.TimerHandle | None = None
        self.gone = asyncio.Event()

    # -- from the socket -----------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._open.add(self)
        self._transport.set_write_buffer_limits(high=self._settings.high_water)
        host = (transport.get_extra_info("peername") or ("",))[0]
        try:
            # Lines are what JSON fits into, whatever the server's default is.
            self._connection = self._manager.add_connection(
                self, Handshake("tcp_ndjson", peer=host, codec="json")
            )
        except Rejected as refusal:
            fields = {**refusal.fields(), "number": refusal.row.number}
            self.write(json.dumps(["close", fields]).encode() + b"\n")
            self.close(refusal.row.number, refusal.code)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        self._buffer += data
        self._take_lines()

    def _take_lines(self) -> None:
        """Hand over the lines that are whole, until the kernel wants no more."""
        buffer, connection = self._buffer, self._connection
        start = 0
        while connection is not None and self._reading and not self._closing:
            end = buffer.find(b"\n", max(start, self._searched))
            if end < 0:
                self._searched = len(buffer)
                if len(buffer) - start > self._manager.max_message_size:
                    # There is no end to it. The kernel sees that it is too large, and says so.
                    connection.receive(bytes(buffer[start:]))
                break
            line = bytes(buffer[start:end]).rstrip(b"\r")
            start = end + 1
            self._searched = start
            if line:
                connection.receive(line)
        if self._closing:
            buffer.clear()
        else:
            del buffer[:start]
            self._searched -= start

    def eof_received(self) -> bool:
        return False  # the socket is closed, and with it the connection is lost

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._open.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if self._connection is not None:
            self._connection.lost()
        self.gone.set()

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.pause()

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.resume()

    # -- from the kernel -----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        if not self._closing:
            self._transport.write(data)

    def close(self, code: int, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        try:
            self._transport.write_eof()
        except OSError:
            # The client is gone already, and the loop has not said so yet.
            self._transport.abort()
            return
        self._transport.resume_reading()
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(self._settings.close_timeout, self._transport.abort)

    def moved(self) -> Moved:
        return moved(self._transport)

    def pause_reading(self) -> None:
        self._reading = False
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self._reading:
            return
        self._reading = True
        self._transport.resume_reading()
        # What is in the buffer already comes before what is in the socket.
        asyncio.get_running_loop().call_soon(self._take_lines)
