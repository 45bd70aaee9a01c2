"""A client's end of a TCP connection."""

from __future__ import annotations

import asyncio


class TcpEnd:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> TcpEnd:
        if not port:
            raise ConnectionRefusedError("nobody listens")
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=1 << 20))

    async def send(self, frame: bytes) -> None:
        self.writer.write(frame + b"\n")
        await self.writer.drain()

    async def receive(self) -> bytes:
        try:
            line = await self._reader.readuntil(b"\n")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError("the connection is gone") from error
        return line[:-1]

    async def close(self) -> None:
        self.writer.transport.abort()
        # One turn of the loop, in which the socket is closed.
        await asyncio.sleep(0)
