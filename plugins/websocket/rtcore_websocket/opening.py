"""The opening handshake (RFC 6455, section 4.2): what a client asks for, and the 101 that grants it."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from aiohttp import web
from rtcore_http.handshake import words

#: What we answer with when a client offers it; a browser cannot send any other header of its own.
SUBPROTOCOL: Final = "rtcore.v1"

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def headers(request: web.Request) -> dict[str, str]:
    """Return the headers of the 101.

    Raises:
        web.HTTPUpgradeRequired: this is no WebSocket, or one of another version.
        web.HTTPBadRequest: it is one, and malformed.
    """
    asks = {word.lower() for word in words(request.headers.getall("Connection", ()))}
    upgrades = {word.lower() for word in words(request.headers.getall("Upgrade", ()))}
    if "upgrade" not in asks or "websocket" not in upgrades:
        raise web.HTTPUpgradeRequired(text="a WebSocket lives here", headers={"Upgrade": "websocket"})
    if request.headers.get("Sec-WebSocket-Version") != "13":
        raise web.HTTPUpgradeRequired(
            text="version 13 is spoken here", headers={"Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        )
    key = request.headers.get("Sec-WebSocket-Key", "")
    try:
        nonce = base64.b64decode(key.encode(), validate=True)
    except (binascii.Error, ValueError):
        nonce = b""
    if len(nonce) != 16 or request.version < (1, 1) or request.can_read_body:
        raise web.HTTPBadRequest(text="not an opening handshake: see RFC 6455, section 4.2.1")
    answer = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept(key)}
    if SUBPROTOCOL in words(request.headers.getall("Sec-WebSocket-Protocol", ())):
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
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


class Switching(web.StreamResponse):
    """Status 101. aiohttp sends it and logs it, and has nothing to do with what follows."""

    _length_check = False  # there is no body to measure; aiohttp's own name, as in its WebSocketResponse

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(status=101, headers=headers)
        self.force_close()

    async def write_eof(self, data: bytes = b"") -> None:
        """Write nothing: the socket is somebody else's by now."""
