"""The opening handshake (RFC 6455, section 4.2): what a client asks for, and the 101 that grants it."""

from __future__ import annotations

import binascii
import hashlib
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from rtcore_http.handshake import lists, words

#: What we answer with when a client offers it; a browser cannot send any other header of its own.
SUBPROTOCOL: Final = "rtcore.v1"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def headers(request: web.Request) -> dict[str, str]:
    """Return the headers of the 101.

    Raises:
        web.HTTPUpgradeRequired: this is no WebSocket, or one of another version.
        web.HTTPBadRequest: it is one, and malformed.
    """
    given = request.headers
    if not (lists(given, "Connection", "upgrade") and lists(given, "Upgrade", "websocket")):
        raise web.HTTPUpgradeRequired(text="a WebSocket lives here", headers={"Upgrade": "websocket"})
    if given.get("Sec-WebSocket-Version") != "13":
        raise web.HTTPUpgradeRequired(
            text="version 13 is spoken here", headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        )
    key = given.get("Sec-WebSocket-Key", "")
    try:
        nonce = binascii.a2b_base64(
            key, strict_mode=True
        )  # `b64decode` looks with a regular expression first
    except ValueError:
        nonce = b""
    if len(nonce) != 16 or request.version < (1, 1) or request.can_read_body:
        raise web.HTTPBadRequest(text="not an opening handshake: see RFC 6455, section 4.2.1")
    answer = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept(key)}
    if SUBPROTOCOL in words(given.getall("Sec-WebSocket-Protocol", ())):
        answer["Sec-WebSocket-Protocol"] = SUBPROTOCOL
    return answer


def gone(request: web.Request) -> bool:
    """Whether the client left while something else was waited for."""
    return request.transport is None or request.transport.is_closing()


def accept(key: str) -> str:
    """Return the proof that the key was read (section 4.2.2).

    >>> accept("dGhlIHNhbXBsZSBub25jZQ==")
    's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
    """
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return binascii.b2a_base64(digest, newline=False).decode()


def switching(headers: Mapping[str, str]) -> bytes:
    r"""Return the 101 with these headers.

    >>> switching({"Upgrade": "websocket"})
    b'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n'
    """
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return f"HTTP/1.1 101 Switching Protocols\r\n{''.join(lines)}\r\n".encode()


class Taken(web.StreamResponse):
    """What a handler returns once the socket is somebody else's. aiohttp logs it, and writes nothing."""

    def __init__(self) -> None:
        super().__init__(status=101)
        self.force_close()

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing."""
