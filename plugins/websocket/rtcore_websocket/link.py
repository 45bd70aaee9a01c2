"""A WebSocket connection on picows, as the kernel sees it (`Link`) and as picows does (`WSListener`).

Rule: a whole, plain frame takes the straight way: its payload is copied, since the memory is picows' own and is used
again as soon as the callback returns, and given to the connection. Everything else is rare and may cost more.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from picows import WSFrame, WSListener, WSMsgType, WSTransport

from rtcore.spi.moved import moved
from rtcore_websocket.framing import header
from rtcore_websocket.handover import renew, resume_reading, send_close
from rtcore_websocket.inbox import CLOSE, CONTINUATION, PING, Inbox, closing, is_utf8
from rtcore_websocket.nobody import NOBODY
from rtcore_websocket.violation import Violation

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.spi.transport import Framing, Moved
    from rtcore_websocket.owner import Owner

_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_CLOSE: Final = WSMsgType.CLOSE

#: A read buffer that has held more bytes than this is worth giving back.
_LARGE: Final = 32_768


def _nowhere(data: bytes) -> None:
    """Where writes go before there is a socket and after the close."""


class PicowsLink(WSListener):
    """One connection. `connection` is set before the socket is handed over.

    Attributes:
        write: one write of the transport, looked up once; see `Link.write`.
        framing: how frames leave.
        reading: the kernel has not paused it.
    """

    __slots__ = (
        "_closing", "_code", "_deflate", "_grown", "_held", "_inbox", "_linger", "_owner", "_paused", "_plain", "_pong",
        "_renewing", "_tcp", "_ws", "connection", "framing", "reading", "write",
    )  # fmt: skip

    connection: Connection

    def __init__(self, owner: Owner, framing: Framing, *, deflate: bool) -> None:
        self._owner = owner
        self.framing = framing
        self.write: Callable[[bytes], None] = _nowhere
        self._ws: WSTransport | None = None
        self._tcp: asyncio.Transport | None = None
        self._deflate = deflate
        self._inbox: Inbox | None = None
        self._plain = True  # no message is half here, none is held back, and nothing has been closed
        self._closing: tuple[int, str] | None = None
        self._code = "going_away"
        self._linger: asyncio.TimerHandle | None = None
        self._paused = False
        self._pong: bytes | None = None
        self.reading = True
        self._held: deque[bytes | int] | None = None
        self._grown = False
        self._renewing = False

    # -- what the kernel says ------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Write a close frame behind what was written, and wait a little for the peer's."""
        if self._closing is not None:
            return
        self._shut(code, reason)
        ws = self._ws
        if ws is not None:
            # picows counts it as the one close that it sends.
            send_close(ws, code, reason)
            self._end()

    def pause_reading(self) -> None:
        """Stop reading the socket. What one read has brought already is held back."""
        self.reading = self._plain = False
        if self._tcp is not None and not self._tcp.is_closing():
            self._tcp.pause_reading()

    def resume_reading(self) -> None:
        """Read it again, after what was held back. That may be as far as it goes."""
        self.reading = True
        held = self._held
        while held and self.reading:
            arrived = held.popleft()
            if isinstance(arrived, int):
                self._closed(arrived)
                return
            self.connection.receive(arrived)
        if not self.reading:
            return
        self._held = None
        self._plain = self._closing is None and self._inbox is None
        if self._tcp is not None and not self._renewing and not self._tcp.is_closing():
            resume_reading(self._tcp)

    def moved(self) -> Moved:
        """Say what the socket has moved: a frame that is half here is not known to anybody else."""
        return moved(self._tcp)

    # -- what picows says ----------------------------------------------------------------------------------

    def on_ws_connected(self, transport: WSTransport) -> None:
        """The socket is ours: at the hand-over, and again with each fresh parser."""
        self._ws = transport
        if self._tcp is not None:
            return
        tcp = self._tcp = transport.underlying_transport
        tcp.set_write_buffer_limits(high=self._owner.high_water)
        if self._closing is None:
            self.write = tcp.write
        else:  # the kernel gave it up before it had begun
            code, reason = self._closing
            send_close(transport, code, reason)
            self._end()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Take a frame. The enum behind `msg_type` costs 0.12 µs to make: once."""
        kind = frame.msg_type
        payload = frame.get_payload_as_bytes()
        if (
            self._plain
            and frame.fin
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
            and (kind is _BINARY or (kind is _TEXT and (payload.isascii() or is_utf8(payload))))
        ):
            self.connection.receive(payload)
            if self._grown or len(payload) + frame.tail_size > _LARGE:
                self._grown = True
                if frame.last_in_buffer and not frame.tail_size:
                    self._give_back()
            return
        rsv = frame.rsv1 << 2 | frame.rsv2 << 1 | frame.rsv3
        try:
            self._rare(kind.value, payload, fin=bool(frame.fin), rsv=rsv)
        except Violation as violation:
            self._violated(violation.number, violation.reason)
            if self._ws is not None:
                send_close(self._ws, violation.number, violation.reason)
            if kind is _CLOSE and self._tcp is not None:
                self._tcp.close()  # both have said it

    def pause_writing(self) -> None:
        """More waits for the socket than the high-water mark."""
        self._paused = True
        self.connection.pause()

    def resume_writing(self) -> None:
        """It has drained."""
        self._paused = False
        pong, self._pong = self._pong, None
        if pong is not None:
            self.write(pong)
        self.connection.resume()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is gone."""
        self.lost()

    def overheard(self, number: int, reason: str) -> None:
        """Picows found the peer breaking the protocol and is about to say so."""
        handshake = self._ws.close_handshake if self._ws is not None else None
        if handshake is not None and handshake.recv is not None:
            # A close, and then more: the close came first, and gets its answer first.
            self.close(1000, "")
        else:
            self._violated(number, reason)

    def _violated(self, number: int, reason: str) -> None:
        """Nothing of this peer counts any more. A close frame with the number is written by whoever calls."""
        if self._closing is not None:
            return
        self._owner.violations += 1
        if number == 1009:
            # Our own number: it tells clients not to try the same again (`rtcore.wire.codes`).
            self._code = "message_too_big"
            self.connection.close("message_too_big", reason)
            return
        self._code = "malformed_frame"
        self._shut(number, reason)
        self._end()

    # -- what is rare --------------------------------------------------------------------------------------

    def _rare(self, opcode: int, payload: bytes, *, fin: bool, rsv: int) -> None:
        if opcode >= CLOSE:
            if rsv:
                raise Violation(1002, "reserved bits in a control frame")
            if opcode == PING:
                self._ping(payload)
            elif opcode == CLOSE:
                number = closing(payload)
                if self._held is not None:
                    self._held.append(number)  # behind what came before it
                else:
                    self._closed(number)
            return
        if self._closing is not None:
            return  # what crossed our close on its way
        inbox = self._inbox
        if inbox is None:
            if opcode == CONTINUATION:
                raise Violation(1002, "a continuation of nothing")
            inbox = self._inbox = Inbox(limit=self._owner.limit, deflate=self._deflate)
        message = inbox.take(opcode, payload, fin=fin, rsv=rsv)
        if inbox.between and not self._deflate:
            self._inbox = None
        self._plain = self._inbox is None and self.reading
        if message is None:
            return
        if self.reading:
            self.connection.receive(message)
        elif self._held is None:
            self._held = deque((message,))
        else:
            self._held.append(message)

    def _ping(self, payload: bytes) -> None:
        pong = header(0x8A, len(payload)) + payload
        if self._paused:
            # A peer that pings and does not read gets one answer, to the last of its pings (RFC 6455, 5.5.3).
            self._pong = pong
        else:
            self.write(pong)

    def _closed(self, number: int) -> None:
        """The peer's close frame: an answer to ours, or the first one, which gets an answer."""
        self.close(number, "")
        if self._tcp is not None:
            self._tcp.close()

    def _shut(self, number: int, reason: str) -> None:
        """Nothing that arrives from here on counts; what was held back was not counted, and comes again on a resume."""
        self._closing = (number, reason)
        self._plain = False
        self._inbox = self._held = None

    def _end(self) -> None:
        """Nothing is written after a close frame; the peer has `close_timeout` seconds to answer it."""
        self.write = _nowhere
        self.resume_reading()
        if self._linger is None and self._tcp is not None:
            self._linger = self._owner.loop.call_later(self._owner.close_timeout, self._tcp.abort)

    def lost(self) -> None:
        """Tell the kernel, and let go of everything: the collector is not needed to free a connection."""
        self.write = _nowhere
        self._plain = False
        self._closing = self._closing or (1006, "")
        if self._linger is not None:
            self._linger.cancel()
        self._linger = self._ws = self._tcp = self._inbox = self._held = None
        connection = self.connection
        self.connection = cast("Connection", NOBODY)
        self._owner.gone(self)
        connection.lost(self._code)

    def _give_back(self) -> None:
        """The read buffer has grown, with a large message or with many, and picows never makes one smaller.

        Nothing is left in it now: take a fresh parser, in the next turn, since this one is still at work.
        """
        if self._tcp is not None and self._closing is None and not self._renewing:
            self._renewing = True
            self._tcp.pause_reading()
            self._owner.loop.call_soon(self._renew)

    def _renew(self) -> None:
        self._renewing = self._grown = False
        tcp = self._tcp
        if tcp is None or tcp.is_closing():
            return
        if self._closing is None:
            renew(tcp, self, max_frame=self._owner.limit)
        if self.reading or self._closing is not None:
            resume_reading(tcp)
