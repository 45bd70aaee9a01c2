"""The transport contract, on each data path and on whatever carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import aiohttp
import pytest
import rtcore_http
import rtcore_websocket
from rtcore_http.service import Http

from rtcore.app import App
from rtcore.errors import Rejected
from rtcore.testing import TransportContract

DATA = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)


class End:
    """A WebSocket client's end, on aiohttp's client: what most Python programs would use."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, *, text: bool) -> None:
        self._socket = socket
        self._text = text

    async def send(self, frame: bytes) -> None:
        if self._text:
            await self._socket.send_str(frame.decode())
        else:
            await self._socket.send_bytes(frame)

    async def receive(self) -> bytes:
        message = await self._socket.receive()
        if message.type not in DATA:
            raise EOFError
        assert (message.type is aiohttp.WSMsgType.TEXT) == self._text
        return message.data.encode() if self._text else message.data

    async def close(self) -> None:
        response = self._socket._response
        if response.connection is not None and response.connection.transport is not None:
            response.connection.transport.abort()


class OnWebSocket(TransportContract):
    transport = "websocket"
    websocket: ClassVar[Mapping[str, Any]] = {}
    http: ClassVar[Mapping[str, Any]] = {}
    compress: ClassVar[int] = 0

    @property
    def settings(self) -> Mapping[str, Any]:  # type: ignore[override]
        return {"http": {"port": 0, **self.http}, "websocket": {"close_timeout": 1.0, **self.websocket}}

    def plugins(self) -> Sequence[object]:
        return [rtcore_http, rtcore_websocket]

    @asynccontextmanager
    async def open(self, app: App, *, codec: str) -> AsyncIterator[End]:
        urls = app.get(Http).urls
        if not urls:
            raise ConnectionRefusedError("the port is closed")
        async with aiohttp.ClientSession() as session:
            try:
                socket = await session.ws_connect(
                    f"{urls[0]}/rt/ws?codec={codec}",
                    max_msg_size=0,
                    compress=self.compress,
                    ssl=self.trusted(),
                )
            except aiohttp.WSServerHandshakeError as refused:
                raise Rejected({415: "unsupported_codec", 503: "going_away"}[refused.status]) from refused
            end = End(socket, text=codec == "json")
            yield end
            await end.close()

    def trusted(self) -> Any:
        return True


class TestOnPicows(OnWebSocket):
    """The path that a server runs with."""


class TestOnAiohttp(OnWebSocket):
    websocket = {"data_path": "aiohttp"}  # noqa: RUF012 - the contract's own way


class TestOnTheLoopsOwnServer(OnWebSocket):
    http = {"server": "asyncio"}  # noqa: RUF012


class TestDeflated(OnWebSocket):
    websocket = {"permessage_deflate": True, "deflate_threshold": 0}  # noqa: RUF012
    compress = 15


class TestOverTls(OnWebSocket):
    @pytest.fixture(autouse=True)
    def _certificate(self, tls: Any) -> None:
        self.http = {"tls_certificate": str(tls.certificate), "tls_key": str(tls.key)}  # type: ignore[misc]
        self.tls = tls

    def trusted(self) -> Any:
        return self.tls.client
