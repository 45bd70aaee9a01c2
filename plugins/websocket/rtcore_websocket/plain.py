"""The other data path: aiohttp's own WebSocket, with nothing private and nothing pinned (`data_path = "aiohttp"`).

Rule: the same contract, the same frames out, a third of the speed. permessage-deflate is not offered here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from aiohttp import WebSocketError, WSMsgType, web
from rtcore_http.guard import watch_writes

from rtcore.spi.moved import moved
from rtcore_websocket.framing import header
from rtcore_websocket.inbox import closing, is_utf8
from rtcore_websocket.nobody import NOBODY
from rtcore_websocket.violation import Violation

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.spi.transport import Framing, Moved
    from rtcore_websocket.owner import Owner


def _nowhere(data: bytes) -> None:
    """Where writes go before there is a socket and after the close."""


class Socket(web.WebSocketResponse):
    """aiohttp's WebSocket, reading only: what is written, closes among it, is the link's business."""

    def __init__(self, *, limit: int, protocols: tuple[str, ...]) -> None:
        super().__init__(
            autoclose=False,
            autoping=False,
            compress=False,
            decode_text=False,
            max_msg_size=limit + 1,  # aiohttp refuses what is as large as that
            protocols=protocols,
        )

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        """Leave it to the link, which hears of it as an error or a close."""
        return True

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""


class PlainLink:
    """One connection on aiohttp's data path. Attributes: see `rtcore_websocket.link.PicowsLink`."""

    __slots__ = (
        "_closing", "_code", "_flowing", "_linger", "_owner", "_paused", "_pong", "_tcp", "connection", "framing",
        "write",
    )  # fmt: skip

    connection: Connection

    def __init__(self, owner: Owner, framing: Framing) -> None:
        self._owner = owner
        self.framing = framing
        self.write: Callable[[bytes], None] = _nowhere
        self._tcp: asyncio.Transport | None = None
        self._closing: tuple[int, str] | None = None
        self._code = "going_away"
        self._linger: asyncio.TimerHandle | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._paused = False
        self._pong: bytes | None = None

    # -- what the kernel says ------------------------------------------------------------------------------

    def close(self, code: int, reason: str) -> None:
        """Write a close frame behind what was written, and wait a little for the peer's."""
        if self._closing is not None:
            return
        self._closing = (code, reason)
        if self._tcp is not None:
            payload = code.to_bytes(2, "big") + reason.encode()[:123]
            self.write(header(0x88, len(payload)) + payload)
            self.write = _nowhere
            self._linger = self._owner.loop.call_later(self._owner.close_timeout, self._tcp.abort)
        self._flowing.set()

    def pause_reading(self) -> None:
        """Take no more messages: aiohttp's queue fills, and then it reads no more."""
        if self._closing is None:
            self._flowing.clear()

    def resume_reading(self) -> None:
        """Take them again."""
        self._flowing.set()

    def moved(self) -> Moved:
        """Say what the socket has moved."""
        return moved(self._tcp)

    # -- what the write buffer says (`rtcore_http.guard.Flow`) -------------------------------------------------

    def pause(self) -> None:
        """More waits for the socket than the high-water mark."""
        self._paused = True
        self.connection.pause()

    def resume(self) -> None:
        """It has drained."""
        self._paused = False
        pong, self._pong = self._pong, None
        if pong is not None:
            self.write(pong)
        self.connection.resume()

    # -- what aiohttp says -----------------------------------------------------------------------------------

    def opened(self, request: web.Request) -> None:
        """The 101 is on its way."""
        tcp = self._tcp = cast(asyncio.Transport, request.transport)
        tcp.set_write_buffer_limits(high=self._owner.high_water)
        self.write = tcp.write
        watch_writes(request, self)
        if self._closing is not None:
            (code, reason), self._closing = self._closing, None
            self.close(code, reason)

    async def listen(self, socket: Socket) -> None:
        """Take messages until the peer has closed or is gone."""
        while True:
            message = await socket.receive()
            await self._flowing.wait()
            kind, data = message.type, message.data
            try:
                if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
                    self._data(data, is_text=kind is WSMsgType.TEXT)
                elif kind is WSMsgType.PING:
                    self._ping(bytes(data))
                elif kind is WSMsgType.CLOSE:
                    self.close((data and closing(int(data).to_bytes(2, "big"))) or 1000, "")
                    return
                elif kind is WSMsgType.ERROR:
                    raise Violation(data.code if isinstance(data, WebSocketError) else 1002, str(data))
                elif kind is not WSMsgType.PONG:
                    return
            except Violation as violation:
                self._violated(violation)
                return

    def _data(self, data: bytes, *, is_text: bool) -> None:
        if self._closing is not None:
            return
        if is_text and not is_utf8(data):
            raise Violation(1007, "text that is not UTF-8")
        self.connection.receive(bytes(data))

    def _ping(self, payload: bytes) -> None:
        pong = header(0x8A, len(payload)) + payload
        if self._paused:
            self._pong = pong
        else:
            self.write(pong)

    def _violated(self, violation: Violation) -> None:
        if self._closing is not None:
            return
        self._owner.violations += 1
        if violation.number == 1009:
            self._code = "message_too_big"
            self.connection.close("message_too_big", violation.reason)
        else:
            self._code = "malformed_frame"
            self.close(violation.number, violation.reason)

    def lost(self) -> None:
        """Tell the kernel, and let go of everything."""
        self.write = _nowhere
        self._closing = self._closing or (1006, "")
        if self._linger is not None and (self._tcp is None or not self._tcp.get_write_buffer_size()):
            self._linger.cancel()
        self._linger = self._tcp = None
        connection = self.connection
        self.connection = cast("Connection", NOBODY)
        self._owner.gone(self)
        connection.lost(self._code)
