"""A link of so many bytes a second, with buffers as small as a real one's: what does not fit stays with the server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Self

_BUFFER = 8 * 1024
_PIECE = 4 * 1024


class SlowLink:
    """A proxy whose way down carries `rate` bytes a second. The way up is quick.

    Its receive buffer is small: the kernel would otherwise take megabytes from the server at once, and nobody
    could tell a slow link from a quick one.
    """

    def __init__(self, target: int, *, rate: float) -> None:
        self.target, self.rate = target, rate
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/rt"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await loop.sock_connect(far, ("127.0.0.1", self.target))
            up = asyncio.create_task(self._up(reader, far))
            try:
                await self._down(far, writer)
            finally:
                up.cancel()
                await asyncio.gather(up, return_exceptions=True)
        far.close()
        writer.transport.abort()
        self._tasks.discard(task)

    async def _up(self, reader: asyncio.StreamReader, far: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(65536):
            await loop.sock_sendall(far, data)

    async def _down(self, far: socket.socket, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            data = await loop.sock_recv(far, _PIECE)
            if not data:
                return
            writer.write(data)
            await writer.drain()
            due = max(due, loop.time()) + len(data) / self.rate
            await asyncio.sleep(due - loop.time())
