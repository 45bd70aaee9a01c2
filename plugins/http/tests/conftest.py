"""A server with the port and nothing else, and what a test needs to look at it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import rtcore_http
import trustme
from rtcore_http.routes import Route
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.testing import PlainCodec

Serve = Callable[..., Any]


class Routes:
    """A plugin that puts routes on the port."""

    def __init__(self, *routes: Route) -> None:
        self.routes = routes

    @hookimpl
    def rtcore_http_routes(self, app: App) -> Sequence[Route]:
        return self.routes


class Tls:
    """A certificate for 127.0.0.1, in files, and who trusts it."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        self.key.write_bytes(issued.private_key_pem.bytes())
        self.client = ssl.create_default_context()
        authority.configure_trust(self.client)


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return Tls(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start apps that stop when the test ends: give the `[http]` section, routes, plugins, and other settings."""
    async with AsyncExitStack() as stack:

        async def start(
            *routes: Route, plugins: Sequence[object] = (), top: Any = None, **http: Any
        ) -> tuple[App, str]:
            settings = {"http": {"port": 0, **http}, **(top or {})}
            app = App(settings, plugins=[rtcore_http, PlainCodec(), Routes(*routes), *plugins])
            await stack.enter_async_context(app)
            return app, app.get(Http).urls[0]

        yield start


@pytest.fixture
async def browser() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


class Raw:
    """A socket, for what no HTTP library would send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def head(self) -> bytes:
        """A response's status line and headers."""
        async with asyncio.timeout(10):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def body(self, head: bytes) -> bytes:
        """The body that a head announces."""
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        async with asyncio.timeout(10):
            return await self.reader.readexactly(length)


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[str], Any]]:
    """Open raw sockets to a URL."""
    opened: list[asyncio.StreamWriter] = []

    async def dial(url: str, context: ssl.SSLContext | None = None) -> Raw:
        host, port = url.split("//")[1].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
        opened.append(writer)
        return Raw(reader, writer)

    yield dial
    for writer in opened:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
