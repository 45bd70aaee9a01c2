"""The least of a WebSocket client (RFC 6455): quick, and able to be rude."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final, cast

_MASK: Final = b"\0\0\0\0"  # a mask of zeros changes nothing: the load generator has no one to protect


class WebSocket(asyncio.Protocol):
    """One connection. `got` is called with the payload of each text or binary frame; pings are answered.

    `lost` is called when it has ended.
    """

    transport: asyncio.Transport

    def __init__(self, got: Callable[[bytes], None], lost: Callable[[], None] = lambda: None) -> None:
        self._got = got
        self._lost = lost
        self._buffer = b""
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._is_open = False

    async def open(self, host: str, port: int, path: str, *, header: str = "", receive: int = 0) -> None:
        """Connect and wait for the 101.

        Args:
            host, port, path: of the server.
            header: lines more, each with its line end.
            receive: bytes that the system may receive ahead of us; 0 for its own choice.

        Raises:
            ConnectionError: there is none.
        """
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        try:
            await loop.sock_connect(sock, (host, port))
        except BaseException:
            sock.close()
            raise
        await loop.create_connection(lambda: self, sock=sock)
        self.transport.write(
            f"GET {path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{header}"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        await self._opened

    def send(self, payload: bytes) -> None:
        """Send one text frame."""
        self._write(0x81, payload)

    def pause_reading(self) -> None:
        """Read nothing more: the server's writes pile up."""
        self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self.transport.resume_reading()

    def abort(self) -> None:
        """Go without a word."""
        self._got, self._lost = _deaf, _nobody
        self.transport.abort()

    # -- asyncio's side ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if not self._opened.done():
            self._opened.set_exception(ConnectionError("closed before it was open"))
        self._lost()

    def data_received(self, data: bytes) -> None:
        """Cut the stream into frames."""
        buffer = self._buffer + data if self._buffer else data
        at = 0
        if not self._is_open:
            head, found, rest = buffer.partition(b"\r\n\r\n")
            if not found:
                self._buffer = buffer
                return
            if head[9:12] != b"101":
                with contextlib.suppress(asyncio.InvalidStateError):
                    self._opened.set_exception(ConnectionError(buffer.decode(errors="replace")[:300]))
                self.transport.close()
                return
            self._is_open = True
            self._opened.set_result(None)
            buffer = rest
        while len(buffer) - at >= 2:
            n, start = buffer[at + 1] & 127, at + 2
            if n == 126:
                n, start = (int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4)
            elif n == 127:
                n, start = (int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10)
            if len(buffer) < start + n:
                break
            kind, at = buffer[at] & 15, start + n
            if kind < 8:
                self._got(buffer[start:at])
            elif kind == 8:
                self._write(0x88, buffer[start:at])
                self.transport.close()
            elif kind == 9:
                self._write(0x8A, buffer[start:at])
        self._buffer = buffer[at:]

    def _write(self, first: int, payload: bytes) -> None:
        n = len(payload)
        if n < 126:
            head = bytes((first, 0x80 | n))
        elif n < 65536:
            head = struct.pack("!BBH", first, 0x80 | 126, n)
        else:
            head = struct.pack("!BBQ", first, 0x80 | 127, n)
        self.transport.write(head + _MASK + payload)


def _deaf(payload: bytes) -> None:
    """Nobody listens any more."""


def _nobody() -> None:
    """Nobody asks what became of it."""
