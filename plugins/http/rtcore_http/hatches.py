"""Hatches: small requests that are answered without a task of their own (`Route.hatch`).

aiohttp makes two tasks, a timer, a resolved route and a prepared response for each request: four fifths of what a poll
or a POST of one message costs. One that has arrived whole is given to its hatch in the turn in which it arrives, and
answered with one write, then or later; a poll that waits costs a connection and no task.

Rule: a hatch is a shorter way to the same answer. What is unusual (a body in pieces, compressed or not all there, HTTP
before 1.1, `Expect`, a log of each request) takes aiohttp's way, and gets that answer there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader
from aiohttp.web_urldispatcher import AbstractRoute, UrlMappingMatchInfo

from rtcore.errors import Rejected
from rtcore.logs import printable
from rtcore_http.answers import Answer, lines_of, refusal
from rtcore_http.doors import dressing, matched, request_of

if TYPE_CHECKING:
    import asyncio

    from rtcore_http.guard import Flow, Guarded

_log = logging.getLogger("rtcore.http")

#: Characters of a path in the log.
SHOWN: Final = 500
#: Bytes of a body: fewer than make aiohttp pause the reading of a socket.
SMALL: Final = 32_768

Hatch = Callable[[web.Request, bytes, "Reply"], None]


class Asked(NamedTuple):
    """What a head says. Requests with the same head share it.

    Attributes:
        hatch: who takes them.
        request: without a body, which a hatch is given beside it.
        length: of the body; bytes.
        lines: the headers that every answer to such a client has (`dressing`).
        last: the connection ends with the answer.
    """

    hatch: Hatch
    request: web.Request
    length: int
    lines: bytes
    last: bool


class Reply:
    """The way back of one request. Answer it once; when the client has gone the answer goes nowhere.

    Args:
        owner: the connection.
        asked: what is answered.

    Attributes:
        open: the client is there, and waits.
    """

    __slots__ = ("_asked", "_owner")

    def __init__(self, owner: Guarded, asked: Asked) -> None:
        self._owner: Guarded | None = owner
        self._asked = asked

    @property
    def open(self) -> bool:
        return self._owner is not None

    @property
    def transport(self) -> asyncio.Transport | None:
        """What the answer goes out by."""
        return self._owner.transport if self._owner is not None else None

    def watch(self, flow: Flow) -> None:
        """Let `flow` hear when the client has gone, until there is an answer."""
        if self._owner is not None:
            self._owner.flow = flow

    def answer(self, answer: Answer) -> None:
        """Write the answer."""
        owner = self.lose()
        if owner is not None:
            owner.flow = None
            asked = self._asked
            lines = asked.lines + b"Connection: close\r\n" if asked.last else asked.lines
            owner.answered(answer.written(lines), last=asked.last)

    def fail(self, error: Exception) -> None:
        """Answer with what a handler's failure is answered with."""
        if not isinstance(error, Rejected):
            request = self._asked.request
            _log.error("%s %s failed", request.method, printable(request.path, SHOWN), exc_info=error)
            error = Rejected("internal")
        self.answer(refusal(error))

    def lose(self) -> Guarded | None:
        """Nobody waits here from now on; return the connection, if it was there until now."""
        owner, self._owner = self._owner, None
        return owner


class Hatches:
    """The hatches of a port, by path; all of them are for POST.

    Args:
        app: what `request.app` is for those who come in here.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._hatches: dict[str, tuple[Hatch, UrlMappingMatchInfo]] = {}
        self._lines: bytes | None = None

    def add(self, path: str, hatch: Hatch, route: AbstractRoute) -> None:
        """Open one."""
        self._hatches[path] = (hatch, matched(self._app, route))

    def asked(self, owner: Guarded, message: RawRequestMessage, payload: StreamReader) -> Asked | None:
        """Return what a request asks of its hatch, if it has one and is plain, small and all there."""
        if message.method != "POST" or message.upgrade or message.chunked or message.compression:
            return None
        found = self._hatches.get(message.path.partition("?")[0])
        if found is None or not payload.is_eof() or message.version < (1, 1):
            return None
        headers, length = message.headers, payload.total_bytes
        if "Expect" in headers or "Content-Encoding" in headers or length > SMALL:
            return None
        hatch, match = found
        request = request_of(self._app, match, owner, message, EMPTY_PAYLOAD)
        return Asked(hatch, request, length, self._dressing(request), message.should_close)

    def forget(self) -> None:
        """Answers begin otherwise from here on."""
        self._lines = None

    @staticmethod
    def body(payload: StreamReader) -> bytes:
        """Return the body of such a request. To read it would resume reading, which nothing so small has paused."""
        return b"".join(payload._buffer) if payload.total_bytes else b""  # noqa: SLF001 - see above

    def _dressing(self, request: web.Request) -> bytes:
        if "Origin" in request.headers:
            return lines_of(dressing(request))
        if self._lines is None:
            self._lines = lines_of(dressing(request))  # the same for all who are no browsers
        return self._lines
