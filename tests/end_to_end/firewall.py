"""An HTTP proxy that looks into requests, and answers some of them itself.

async with Firewall(server_port) as firewall:
    firewall.refuses = lambda path, body: 413 if len(body) > 100_000 else None
    client = RealtimeClient(firewall.url, connection_type="sse")
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Self


class Firewall:
    """Takes one request per connection.

    Attributes:
        refuses: returns the status that a request to a path, with a body, is answered with; `None` lets it through.
        refused: bytes of the bodies that were refused.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.refuses: Callable[[str, bytes], int | None] = lambda _path, _body: None
        self.refused: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

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
        try:
            with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if task.cancelling() else writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(found[1])) if found else b""
        status = self.refuses(head.split()[1].decode().partition("?")[0], body)
        if status is not None:
            self.refused.append(len(body))
            answer = "HTTP/1.1 %d No\r\nContent-Type: text/html\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno!"
            writer.write((answer % status).encode())
            await writer.drain()
            return
        far_reader, far = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            far.write(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + body)
            back = asyncio.ensure_future(_pipe(far_reader, writer))
            gone = asyncio.ensure_future(reader.read(1))
            await asyncio.wait((back, gone), return_when=asyncio.FIRST_COMPLETED)
            for one in (back, gone):
                one.cancel()
            await asyncio.gather(back, gone, return_exceptions=True)
        finally:
            far.transport.abort()


async def _pipe(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
