"""A transport without sockets: the client's end is an object in the same process.

    transport = InMemoryTransport()
    async with App(plugins=[PlainCodec(), transport]):
        end = transport.connect()
        await end.send(b'["hello",{"attach":1,"nonce":"0123456789abcdef"}]')
        frame = await end.receive()

It behaves as a transport should, backpressure included, and no better: what is unread fills up, a paused link makes
`send` wait, and an end that is cut loses what it had not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rtcore.hooks import hookimpl
from rtcore.spi.transport import Framing, Handshake

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.connection import Connection

_LENGTH: Final = 4


class LengthFraming:
    """A frame is its length, four bytes, and itself."""

    name = "length"

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        return len(body).to_bytes(_LENGTH, "big") + body


_FRAMING: Final = LengthFraming()


class InMemoryTransport:
    """See `rtcore.spi.transport.Transport`. Also a plugin: `App(plugins=[InMemoryTransport()])`.

    Args:
        name: what it is called; two of them in one app need two names.
        binary: whether it takes any bytes, or text only.
        high_water: unread bytes beyond which an end is slow; it has caught up at a quarter of that.
    """

    def __init__(self, name: str = "in_memory", *, binary: bool = True, high_water: int = 64 * 1024) -> None:
        self.name = name
        self.binary = binary
        self.high_water = high_water
        self._app: App | None = None

    @hookimpl
    def rtcore_transports(self) -> Sequence[InMemoryTransport]:
        return [self]

    async def start(self, app: App) -> None:
        self._app = app

    async def stop_accepting(self) -> None:
        self._app = None

    async def stop(self) -> None:
        self._app = None

    def connect(self, **fields: Any) -> InMemoryEnd:
        """Open a connection; return the client's end of it.

        Args:
            fields: of the `Handshake`: peer, codec, token, headers, …

        Raises:
            ConnectionRefusedError: the app has not started, or accepts no more.
            Rejected: the kernel refuses the connection.
        """
        if self._app is None:
            raise ConnectionRefusedError(f"{self.name}: nobody accepts")
        link = InMemoryLink(self.high_water)
        handshake = Handshake(self.name, **{"peer": "in memory", **fields})
        link.connection = self._app.manager.add_connection(link, handshake)
        return link.end


class InMemoryLink:
    """See `rtcore.spi.transport.Link`: the server's end."""

    framing: Framing = _FRAMING

    def __init__(self, high_water: int) -> None:
        self.connection: Connection
        self.high_water = high_water
        self.reading = asyncio.Event()
        self.reading.set()
        self.closed: tuple[int, str] | None = None
        self.end = InMemoryEnd(self)

    def write(self, data: bytes) -> None:
        if self.closed is None:
            self.end.arrive(data)

    def close(self, code: int, reason: str) -> None:
        if self.closed is None:
            self.closed = (code, reason)
            self.reading.set()
            self.end.hang_up(code, reason)
            # Not from within: the kernel is in the middle of something, as it would be with a socket.
            asyncio.get_running_loop().call_soon(self.connection.lost)

    def pause_reading(self) -> None:
        self.reading.clear()

    def resume_reading(self) -> None:
        self.reading.set()


class InMemoryEnd:
    """The client's end. A `Duplex` of the transport contract, with more to look at.

    Attributes:
        connection: what the kernel made of it.
        closed: `(number, code)`, once either side has closed; `(0, "")` if this one did.
        unread: bytes that have arrived and were not received.
    """

    def __init__(self, link: InMemoryLink) -> None:
        self._link = link
        self._frames: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._frozen = False
        self._slow = False
        self.closed: tuple[int, str] | None = None
        self.unread = 0

    @property
    def connection(self) -> Connection:
        return self._link.connection

    async def send(self, frame: bytes) -> None:
        """Send one frame; waits while the server does not read.

        Raises:
            ConnectionResetError: the connection is closed.
        """
        await self._link.reading.wait()
        self.feed(frame)

    def feed(self, frame: bytes) -> None:
        """Send one frame at once, whether the server wants to read or not.

        Raises:
            ConnectionResetError: the connection is closed.
        """
        if self.closed is not None:
            raise ConnectionResetError("closed")
        if not self._frozen:
            self.connection.receive(frame)

    async def receive(self) -> bytes:
        """Return the next frame.

        Raises:
            EOFError: the connection is closed and everything was received.
        """
        while not self._frames:
            if self.closed is not None:
                raise EOFError(f"closed: {self.closed}")
            self._news.clear()
            await self._news.wait()
        frame = self._frames.popleft()
        self.unread -= len(frame)
        self._caught_up()
        return frame

    def take(self) -> list[bytes]:
        """Return the frames that are here, without waiting."""
        frames = list(self._frames)
        self._frames.clear()
        self.unread = 0
        self._caught_up()
        return frames

    async def close(self) -> None:
        """End it without a word, as when the network goes. What was not received is lost."""
        self.cut()

    def cut(self) -> None:
        """`close`, at once."""
        if self.closed is None:
            self.closed = self._link.closed = (0, "")
            self._frames.clear()
            self.unread = 0
            self._news.set()
            self._link.reading.set()
            self.connection.lost()

    def freeze(self) -> None:
        """From here on nothing passes and nobody is told: half-open."""
        self._frozen = True

    # -- from the link -----------------------------------------------------------------------------------

    def arrive(self, data: bytes) -> None:
        """Bytes of one or more frames."""
        if self._frozen:
            return
        place = 0
        while place < len(data):
            start = place + _LENGTH
            place = start + int.from_bytes(data[place:start], "big")
            self._frames.append(data[start:place])
            self.unread += place - start
        self._news.set()
        if self.unread > self._link.high_water and not self._slow:
            self._slow = True
            self.connection.pause()

    def hang_up(self, code: int, reason: str) -> None:
        """The server has closed."""
        self.closed = (code, reason)
        self._news.set()

    def _caught_up(self) -> None:
        if self._slow and self.unread * 4 <= self._link.high_water:
            self._slow = False
            if self.closed is None:
                self.connection.resume()
