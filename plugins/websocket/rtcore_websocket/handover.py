"""The hand-over: a socket leaves aiohttp and belongs to picows. Every private name that this takes is in this file.

aiohttp 3.14, picows 2.3.1 and aiofastnet 1.2 are meant; `tests/test_handover.py` is red when one of them changes.
The 101 is ours (`opening.switching`), so picows is told of a
handshake that needs four headers and answers nothing: the client's own, cookies and all, would not fit into its
first buffer of 2 KiB, and its parser would wait for more for ever.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from multidict import CIMultiDict
from picows import (
    WSAutoPingStrategy,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
)
from picows import picows as core
from rtcore_http.accept import accepted

if TYPE_CHECKING:
    from rtcore_websocket.link import PicowsLink

_log = logging.getLogger("rtcore.websocket")

_HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)

_NOBODY: Final = asyncio.Protocol()

#: picows' read buffer, at its smallest; bytes.
_BUFFER: Final = 2048


class _Answered(WSUpgradeResponse):
    """The 101 that aiohttp has sent already: picows writes its empty form. One serves all."""

    def __init__(self) -> None:
        self.status = HTTPStatus.SWITCHING_PROTOCOLS
        self.headers = CIMultiDict()

    def to_bytes(self) -> bytearray:
        return bytearray()


_ANSWERED: Final = _Answered()


class _Ear:
    """The logger of one connection.

    picows says what is wrong with a frame to its logger before it answers, and to nobody else. Heard here, a message
    that is too big gets our close number instead of 1009, and a second close frame in one packet does not turn a
    clean close into an error. A real Logger per connection would be 1 KiB each.
    """

    __slots__ = ("_link",)

    def __init__(self, link: PicowsLink) -> None:
        self._link = link

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        return False

    def debug(self, *_: object) -> None:
        pass

    log = info = warning = debug

    def error(self, text: str, *arguments: object) -> None:
        if arguments and isinstance(arguments[0], tuple):
            number, reason = arguments[0][:2]
            self._link.overheard(int(number), str(reason))
        else:
            _log.error(text, *arguments)

    def exception(self, text: str, *arguments: object) -> None:
        _log.exception(text, *arguments)


def hand_over(request: web.Request, link: PicowsLink, answer: bytes, *, max_frame: int) -> None:
    """Answer an upgrade and give its socket to a link. Nothing of it is left with aiohttp.

    Bytes that came early are handed on, and reading is resumed if they had stopped it.

    Args:
        request: the upgrade; its client is still there.
        link: who hears of frames from now on.
        answer: the 101.
        max_frame: bytes of one frame's payload; a larger one is answered with `message_too_big`.
    """
    http: Any = request.protocol
    transport = cast(asyncio.Transport, request.transport)
    transport.write(answer)
    early: bytes = http._message_tail  # noqa: SLF001
    http._message_tail = b""  # noqa: SLF001
    http.keep_alive(False)  # or its timer pins the protocol, 5 KiB, for an hour
    http.transport = None  # or aiohttp closes what it gave away
    http.connection_lost(None)  # from its counts, its parser and its request
    if accepted(transport) is None:
        transport.set_protocol(_NOBODY)  # or uvloop's own transport keeps the old one by its `data_received`
    protocol = _take(transport, link, max_frame=max_frame)
    _feed(protocol, transport, early)
    if link.reading and (http._buffer_paused or http._reading_paused):  # noqa: SLF001
        resume_reading(transport)


def renew(transport: asyncio.Transport, link: PicowsLink, *, max_frame: int) -> None:
    """Put a fresh parser behind a socket, in the place of one whose buffer has grown with a large message.

    Call it when nothing that was read is left to be parsed, and while reading is paused.
    """
    _take(transport, link, max_frame=max_frame)


def resume_reading(transport: asyncio.Transport) -> None:
    """Read a socket again, and what TLS has decrypted of it already.

    aiofastnet looks at the socket first when reading is resumed, and if that has nothing new, not at its own buffer.
    """
    transport.resume_reading()
    again = getattr(transport, "_retry_ssl_read", None)
    if again is not None:
        asyncio.get_running_loop().call_soon(again)


def send_close(ws: WSTransport, number: int, reason: str) -> None:
    """Write a close frame, unless one was written before. Any number: picows' types know a few only."""
    cast(Any, ws).send_close(number, reason.encode()[:123])


def _take(transport: asyncio.Transport, link: PicowsLink, *, max_frame: int) -> Any:
    def accept(_: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        return WSUpgradeResponseWithListener(_ANSWERED, link)

    no_pings = (False, 0, 0, WSAutoPingStrategy.PING_WHEN_IDLE, False)
    make: Any = core.WSProtocol  # type: ignore[attr-defined]  # there, and not promised
    protocol = make(None, None, False, accept, _Ear(link), True, None, *no_pings, max_frame, None, _BUFFER)
    sock = accepted(transport)
    if sock is None:
        protocol.connection_made(transport)
    else:
        sock.settled = True
        try:
            protocol.connection_made(transport)
        finally:
            sock.settled = False
    transport.set_protocol(protocol)
    _feed(protocol, transport, _HANDSHAKE)
    return protocol


def _feed(protocol: Any, transport: asyncio.Transport, data: bytes) -> None:
    """Let a protocol read bytes that did not come from its socket; its buffer takes what fits and grows."""
    at = 0
    while at < len(data) and not transport.is_closing():
        with protocol.get_buffer(-1) as space:
            piece = data[at : at + len(space)]
            space[: len(piece)] = piece
        protocol.buffer_updated(len(piece))
        at += len(piece)
