"""A TCP proxy that is as bad as a network: it cuts connections at any byte, refuses them, or falls silent.

async with Proxy(server_port) as proxy:
    proxy.cut_after = lambda: random.randrange(100_000)     # bytes, both ways together, anew for each connection
    proxy.rate = 40_000                                     # bytes a second, each way, of all connections together
    client = RealtimeClient(proxy.url)
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Self

#: Bytes taken at once; a cut falls anywhere within.
CHUNK = 16 * 1024
#: Bytes taken at once, and that a socket may hold, on a link that has a rate: what does not fit stays with its sender.
SMALL = 4 * 1024
HOLD = 8 * 1024


class _Pair:
    """One connection: the client's socket and the one to the server."""

    def __init__(self, near: asyncio.StreamWriter, far: asyncio.StreamWriter, left: int | None) -> None:
        self.near, self.far, self.left = near, far, left
        self.head = b""

    def abort(self) -> None:
        for writer in (self.near, self.far):
            writer.transport.abort()


class Proxy:
    """Stands between clients and a server on this machine.

    Attributes:
        port: of the proxy; the same across `down` and `up`.
        target: the server's port; may be changed, for connections to come.
        rate: bytes a second that go each way, of all connections that come from now on; `None`: as many as come. It
            can be changed while they live.
        cut_after: bytes, both ways together, after which a new connection is cut; `None`: never.
        blocked: paths whose requests are answered with 403, as some middlebox would.
        hanging: paths whose requests are taken and never answered.
        cuts: connections cut so far.
        passed: bytes passed on, both ways.
        requests: requests seen first on a connection, such as `GET /rt/ws`.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.rate: float | None = None
        self.cut_after: Callable[[], int] | None = None
        self.blocked: set[str] = set()
        self.hanging: set[str] = set()
        self.silent = False
        self.cuts = 0
        self.passed = 0
        self.requests: list[str] = []
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        # When the link is free again, each way.
        self._free = {"up": 0.0, "down": 0.0}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/rt"

    @property
    def open(self) -> int:
        """Connections that live."""
        return len(self._pairs)

    async def __aenter__(self) -> Self:
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.down()
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def up(self) -> None:
        """Accept connections."""
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if self.rate is not None:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HOLD)
        listening.bind(("127.0.0.1", self.port))
        limit = 2**16 if self.rate is None else HOLD
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=limit)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Refuse connections, and cut those that live."""
        if self._server is not None:
            self._server.close()
            self.cut()
            self._server = None

    def cut(self) -> int:
        """Cut every connection that lives; return how many."""
        pairs = tuple(self._pairs)
        for pair in pairs:
            self._cut(pair)
        return len(pairs)

    def _cut(self, pair: _Pair) -> None:
        if pair in self._pairs:
            self._pairs.discard(pair)
            self.cuts += 1
            pair.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._carry(reader, writer)
        except asyncio.CancelledError:
            pass  # the proxy goes: asyncio's own callback would take it for a failure
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(CHUNK)
        verb, _, rest = first.decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        self.requests.append(f"{verb} {path}")
        if path in self.blocked:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        if path in self.hanging:
            await reader.read()
            return
        try:
            far_reader, far = await self._reach()
        except OSError:
            return
        pair = _Pair(writer, far, self.cut_after() if self.cut_after is not None else None)
        self._pairs.add(pair)
        back = asyncio.create_task(self._pump(pair, far_reader, writer, "down"))
        try:
            await self._wait("up", len(first))
            if await self._pass(pair, first, far):
                await self._pump(pair, reader, far, "up")
            await back
        finally:
            back.cancel()
            self._pairs.discard(pair)
            pair.abort()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.rate is None:
            return await asyncio.open_connection("127.0.0.1", self.target)
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, HOLD)
        far.setblocking(False)
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", self.target))
        return await asyncio.open_connection(sock=far, limit=HOLD)

    async def _wait(self, way: str, size: int) -> None:
        """Wait until the link has carried so many bytes, behind all others that go the same way."""
        if self.rate is None:
            return
        now = asyncio.get_running_loop().time()
        self._free[way] = max(self._free[way], now) + size / self.rate
        await asyncio.sleep(self._free[way] - now)

    async def _pump(
        self, pair: _Pair, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK if self.rate is None else SMALL):
                await self._wait(way, len(data))
                if not await self._pass(pair, data, writer):
                    return
        with contextlib.suppress(OSError, RuntimeError):
            if writer.can_write_eof():
                writer.write_eof()

    async def _pass(self, pair: _Pair, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Pass on so much of the data as the connection may still carry. False if that was its end."""
        if self.silent:
            return True
        ends = pair.left is not None and len(data) >= pair.left
        if ends:
            data = data[: pair.left]
        elif pair.left is not None:
            pair.left -= len(data)
        self.passed += len(data)
        with contextlib.suppress(OSError, RuntimeError):  # uvloop's word for a transport that is closed
            writer.write(data)
            await writer.drain()
        if ends:
            # What was passed on before the cut has arrived; the bytes after it never will.
            with contextlib.suppress(OSError):
                writer.close()
            self._cut(pair)
        return not ends
