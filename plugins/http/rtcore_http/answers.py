"""What a refusal is in HTTP: a status, when to come back, and a body that is a frame with one `error` item.

Rule: the body of a refusal is JSON whatever was asked for, and the same control item that a session would get, so that
a client reads both with the same eyes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

from rtcore.errors import Rejected

#: Status by code; everything else that a client did wrong is 400.
STATUS: Final[dict[str, int]] = {
    "unauthenticated": 401,
    "credentials_expired": 401,
    "forbidden": 403,
    "origin_refused": 403,
    "host_refused": 421,
    "kicked": 403,
    "unknown_session": 404,
    "session_expired": 404,
    "session_closed": 404,
    "evicted": 404,
    "bye": 404,
    "timeout": 408,
    "hello_timeout": 408,
    "superseded": 409,
    "stale_attach": 409,
    "stale_poll": 409,
    "gap": 409,
    "message_too_big": 413,
    "unsupported_codec": 415,
    "rate_limited": 429,
    "too_many_requests": 429,
    "internal": 500,
    "going_away": 503,
    "server_full": 503,
    "room_full": 503,
    "too_many_greetings": 503,
    "too_many_attaches": 503,
}

#: Seconds; for a 429 or 503 that names none.
RETRY_AFTER: Final = 1


def status_of(refusal: Rejected) -> int:
    """Return the status of a refusal; an application's own codes count as `forbidden`.

    >>> status_of(Rejected("server_full")), status_of(Rejected("bad_hello")), status_of(Rejected("app:no"))
    (503, 400, 403)
    """
    return STATUS.get(refusal.row.name, 400)


def headers_of(refusal: Rejected) -> dict[str, str]:
    """Return the headers that a refusal asks for."""
    status = status_of(refusal)
    made = {"Cache-Control": "no-store"}
    if status in {429, 503}:
        made["Retry-After"] = str(max(1, math.ceil(refusal.retry_after or RETRY_AFTER)))
    elif status == 401:
        made["WWW-Authenticate"] = "Bearer"
    return made


class Answer(NamedTuple):
    """What a request is answered with, whichever way it came in; never cached."""

    body: bytes
    content_type: str
    status: int = 200
    headers: Mapping[str, str] = MappingProxyType({})

    def response(self) -> web.Response:
        """Return it for aiohttp to write."""
        headers = {"Content-Type": self.content_type, "Cache-Control": "no-store", **self.headers}
        return web.Response(body=self.body, status=self.status, headers=headers)

    def written(self, lines: bytes) -> bytes:
        """Return its bytes, with these header lines more."""
        if self.headers:
            lines += lines_of(self.headers)
        start = _start(self.status, self.content_type)
        date = rfc822_formatted_time().encode()
        return b"%b%d\r\nDate: %b\r\n%b\r\n%b" % (start, len(self.body), date, lines, self.body)


def lines_of(headers: Mapping[str, str]) -> bytes:
    r"""Return headers as they are written.

    >>> lines_of({"Vary": "Origin"})
    b'Vary: Origin\r\n'
    """
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()


@lru_cache(256)
def _start(status: int, content_type: str) -> bytes:
    """Return the beginning of an answer, up to the length of its body."""
    return (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nContent-Type: {content_type}\r\n"
        "Cache-Control: no-store\r\nContent-Length: "
    ).encode()


def refusal(refused: Rejected) -> Answer:
    """Make an answer of a refusal: `["error", {"code": …, "reason": …, …}]`."""
    body = json.dumps(["error", refused.fields()], default=str).encode()
    return Answer(body, "application/json", status_of(refused), headers_of(refused))


def refuse(refused: Rejected) -> web.Response:
    """Make aiohttp's response of a refusal."""
    return refusal(refused).response()


def answer(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Make a JSON response, never cached."""
    return Answer(
        json.dumps(body, default=str).encode(), "application/json", status, headers or {}
    ).response()
