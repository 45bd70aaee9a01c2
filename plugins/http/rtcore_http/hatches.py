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
from typing import TYPE_CHECKING, Final

from aiohttp import web
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_urldispatcher import AbstractRoute, UrlMappingMatchInfo

from rtcore.errors import Rejected
from rtcore_http.answers import Answer, lines_of, refusal
from rtcore_http.doors import dressing, matched, request_of

if TYPE_CHECKING:
    from rtcore_http.guard import Flow, Guarded

_log = logging.getLogger("rtcore.http")

#: Bytes of a body: fewer than make aiohttp pause the reading of a socket.
SMALL: Final = 32_768

Hatch = Callable[[web.Request, bytes, "Reply"], None]


class Reply:
    """The way back of one request. Answer it once; when the client has gone the answer goes nowhere.

    Args:
        owner: the connection.
        request: what is answered.
        lines: the headers that every answer to such a client has (`dressing`); `None` if that depends on the request.
        last: the connection ends with it.

    Attributes:
        open: the client is there, and waits.
    """

    __slots__ = ("_last", "_lines", "_owner", "_request")

    def __init__(self, owner: Guarded, request: web.Request, *, lines: bytes | None, last: bool) -> None:
        self._owner: Guarded | None = owner
        self._request = request
        self._lines = lines
        self._last = last

    @property
    def open(self) -> bool:
        return self._owner is not None

    def watch(self, flow: Flow) -> None:
        """Let `flow` hear when the client has gone, until there is an answer."""
        if self._owner is not None:
            self._owner.flow = flow

    def answer(self, answer: Answer) -> None:
        """Write the answer."""
        owner = self.lose()
        if owner is not None:
            owner.flow = None
            lines = self._lines if self._lines is not None else lines_of(dressing(self._request))
            if self._last:
                lines += b"Connection: close\r\n"
            owner.answered(answer.written(lines), last=self._last)

    def fail(self, error: Exception) -> None:
        """Answer with what a handler's failure is answered with."""
        if not isinstance(error, Rejected):
            _log.error("%s %s failed", self._request.method, self._request.path, exc_info=error)
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

    def find(self, message: RawRequestMessage, payload: StreamReader) -> Hatch | None:
        """Return what takes a request, if there is such a hatch and the request is plain, small and all there."""
        if message.method != "POST" or message.upgrade or message.chunked or message.compression:
            return None
        found = self._hatches.get(message.path.partition("?")[0])
        if found is None or not payload.is_eof() or message.version < (1, 1):
            return None
        headers = message.headers
        if "Expect" in headers or "Content-Encoding" in headers or payload.total_bytes > SMALL:
            return None
        return found[0]

    @staticmethod
    def body(payload: StreamReader) -> bytes:
        """Return the body of such a request. To read it would resume reading, which nothing so small has paused."""
        return b"".join(payload._buffer) if payload.total_bytes else b""  # noqa: SLF001 - see above

    def reply(
        self, owner: Guarded, message: RawRequestMessage, payload: StreamReader
    ) -> tuple[web.Request, Reply]:
        """Return a request, and its way back."""
        match = self._hatches[message.path.partition("?")[0]][1]
        request = request_of(self._app, match, owner, message, payload)
        lines = None
        if "Origin" not in message.headers:
            if self._lines is None:
                self._lines = lines_of(dressing(request))  # the same for all who are no browsers
            lines = self._lines
        return request, Reply(owner, request, lines=lines, last=message.should_close)
