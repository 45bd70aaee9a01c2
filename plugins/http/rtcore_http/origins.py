"""Who may connect from a browser: origins, and the headers that say so (CORS, the Fetch standard, section 3.2).

Rule: a page of the host itself may connect; a page of another one only if `origins` names it. CORS says nothing
about WebSockets and does not stop a simple POST, so the check is made here, on the server, for both. A client that
sends no Origin is no browser, and has no cookies that were somebody else's.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from aiohttp import web

#: What a page may send beyond the headers that need no permission.
_ALLOWED_HEADERS: Final = "authorization, content-type, last-event-id, traceparent, tracestate, x-api-key"

#: Characters of an origin and a host together; verdicts on longer ones are not remembered.
LONG: Final = 512


class Verdict(Enum):
    """What an origin is to this server."""

    NO_BROWSER = "there is no origin"
    SAME = "the page came from this host"
    LISTED = "the allow-list names it"
    ANYBODY = 'only "*" lets it in: its cookies prove nothing'
    REFUSED = "it is on no list"


class Origins:
    """The allow-list.

    >>> from types import SimpleNamespace as Request
    >>> def page(origin):
    ...     return Request(headers={"Origin": origin, "Host": "a.example"})
    >>> origins = Origins(["https://b.example"])
    >>> [origins.judge(page(origin)).name for origin in ("https://a.example", "https://B.example", "null")]
    ['SAME', 'LISTED', 'REFUSED']
    """

    def __init__(self, allowed: Collection[str], *, max_age: int = 7200) -> None:
        self._listed = frozenset(_plain(origin) for origin in allowed if origin != "*")
        self._anybody = "*" in allowed
        self._max_age = str(max_age)
        self._judged = lru_cache(1024)(self._judge)

    def judge(self, request: web.BaseRequest) -> Verdict:
        """Say what the request's Origin is to us.

        Only the host is compared with the request's own, not the scheme: behind a proxy that ends TLS we cannot
        know it, and a page of the same host over plain HTTP is no stranger.
        """
        origin = request.headers.get("Origin")
        if origin is None:
            return Verdict.NO_BROWSER
        host = request.headers.get("Host", "")
        # A page's requests come again and again; what is too long for a host's name need not be kept.
        judged = self._judged if len(origin) + len(host) < LONG else self._judge
        return judged(origin, host)

    def _judge(self, origin: str, host: str) -> Verdict:
        plain, host = _plain(origin), host.lower()
        if plain in self._listed:
            return Verdict.LISTED
        try:
            if host and urlsplit(plain).netloc == host:
                return Verdict.SAME
        except ValueError:
            return Verdict.REFUSED
        return Verdict.ANYBODY if self._anybody else Verdict.REFUSED

    def headers(self, request: web.BaseRequest) -> dict[str, str]:
        """Return what a response tells the browser; nothing for those who are refused or are none."""
        verdict = self.judge(request)
        if verdict is Verdict.ANYBODY:
            return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Retry-After"}
        if verdict is Verdict.LISTED:
            return {
                "Access-Control-Allow-Origin": request.headers["Origin"],
                "Access-Control-Allow-Credentials": "true",
                "Access-Control-Expose-Headers": "Retry-After",
                "Vary": "Origin",
            }
        # A cache must not hand this answer to a page that would have got another.
        return {"Vary": "Origin"} if self._listed else {}

    def preflight(self, methods: Collection[str]) -> dict[str, str]:
        """Return what the answer to a preflight adds. The browser asks again after `max_age` seconds."""
        return {
            "Access-Control-Allow-Methods": ", ".join(sorted(methods)),
            "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
            "Access-Control-Max-Age": self._max_age,
        }


def _plain(origin: str) -> str:
    """Return an origin as it is compared: lower case, without the port that its scheme implies."""
    plain = origin.strip().lower()
    for scheme, port in (("http://", ":80"), ("https://", ":443")):
        if plain.startswith(scheme):
            return plain.removesuffix(port)
    return plain
