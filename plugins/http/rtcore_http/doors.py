"""Doors: upgrades that are answered in the turn in which their head arrives (`Route.door`).

aiohttp makes two tasks, a timer, a resolved route and a prepared response for each request. A WebSocket needs none of
them once its head is parsed, and when a server comes back thousands of clients want one at the same moment. What this
takes of aiohttp's private names is here and in `guard.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from aiohttp import web
from aiohttp.web_urldispatcher import AbstractRoute, UrlMappingMatchInfo

from rtcore_http.hosts import is_private
from rtcore_http.keys import ACCESS
from rtcore_http.routes import Door, Handler

if TYPE_CHECKING:
    from aiohttp.http_parser import RawRequestMessage
    from aiohttp.web_protocol import RequestHandler


#: What every answer has. The server's name comes without versions of what is underneath.
BARE: Final = {"Server": "rtcore", "X-Content-Type-Options": "nosniff"}


def dressing(request: web.Request) -> dict[str, str]:
    """Return the headers that every answer has; for those that are not written by aiohttp, such as a door's."""
    access = request.app[ACCESS]
    headers = {**BARE, **access.origins.headers(request)}
    if access.hsts and not is_private(request.headers.get("Host", "")):
        # Not for `localhost`: a browser would insist on TLS for whatever else one runs there.
        headers["Strict-Transport-Security"] = access.hsts
    return headers


def matched(app: web.Application, route: AbstractRoute) -> UrlMappingMatchInfo:
    """Return what aiohttp's router would find for a path without variable parts."""
    match = UrlMappingMatchInfo({}, route)
    match.add_app(app)
    match.freeze()
    return match


def request_of(
    app: web.Application,
    match: UrlMappingMatchInfo,
    protocol: RequestHandler,
    message: RawRequestMessage,
    payload: Any,
) -> web.Request:
    """Return a request that no task handles, and through which nothing can be written."""
    nobody = cast(Any, None)
    request = app._make_request(message, payload, protocol, nobody, nobody)  # noqa: SLF001
    request._match_info = match  # noqa: SLF001
    return request


class Doors:
    """The doors of a port, by path.

    Args:
        app: what `request.app` is for those who come in here.
    """

    def __init__(self, app: web.Application) -> None:
        self._app = app
        self._doors: dict[str, tuple[Door, UrlMappingMatchInfo]] = {}

    def add(self, path: str, door: Door, route: AbstractRoute) -> None:
        """Open one."""
        self._doors[path] = (door, matched(self._app, route))

    def request(
        self, protocol: RequestHandler, message: RawRequestMessage, payload: Any
    ) -> web.Request | None:
        """Return the request of a head that has a door; nothing can be written through it."""
        if not message.upgrade or message.method != "GET":
            return None
        found = self._doors.get(message.path.partition("?")[0])
        if found is None:
            return None
        return request_of(self._app, found[1], protocol, message, payload)

    def enter(self, request: web.Request) -> Handler | None:
        """Let a request in. `None`: the socket has been taken; else what handles the request."""
        door, _ = self._doors[request.path]
        try:
            return door(request)
        except Exception as error:  # noqa: BLE001 - raised again where the failures of handlers are answered
            return _Failed(error).handle


class _Failed:
    """Stands for a door that raised."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle(self, request: web.Request) -> web.StreamResponse:
        raise self._error
