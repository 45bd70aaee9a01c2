"""Who may connect from a browser: origins, and the headers that say so (CORS, the Fetch standard, section 3.2).

Rule: a page of the host itself may connect; a page of another one only if `origins` names it. CORS says nothing
about WebSockets and does not stop a simple POST, so the check is made here, on the server, for both. A client that
sends no Origin is no browser, and has no cookies that were somebody else's; unless it says itself that a page of
another site has made it ask (`Sec-Fetch-Site`, Fetch Metadata, section 2.4), as for an image or a script.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from rtcore_http.hosts import below, host_and_port, plain_name

if TYPE_CHECKING:
    from aiohttp import web

#: What a page may send beyond the headers that need no permission.
_ALLOWED_HEADERS: Final = "authorization, content-type, last-event-id, traceparent, tracestate, x-api-key"

#: Characters of an origin and a host together; verdicts on longer ones are not remembered.
LONG: Final = 512

#: The port that a scheme implies.
_PORTS: Final = {"http": 80, "https": 443}
_ORIGIN: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://"
    r"(?P<below>\*\.)?(?P<name>\[[^\[\]]+\]|[^\s/?#@:\[\]\\]+)(:(?P<port>\d{1,5}|\*))?"
)


class Verdict(Enum):
    """What an origin is to this server."""

    NO_BROWSER = "there is no origin"
    SAME = "the page came from this host"
    LISTED = "the allow-list names it"
    ANYBODY = 'only "*" lets it in: its cookies prove nothing'
    REFUSED = "it is on no list"


class Pattern(NamedTuple):
    """An origin as it is compared, or several: `port` is `None` for any, `below` for each host below `name`."""

    scheme: str
    name: str
    port: int | None
    below: bool = False

    def covers(self, origin: Pattern) -> bool:
        """Say whether an origin is one of these."""
        return (
            self.scheme == origin.scheme
            and (self.port is None or self.port == origin.port)
            and (below(origin.name, self.name) if self.below else self.name == origin.name)
        )


def pattern_of(given: str) -> Pattern:
    """Return what an entry of `origins` means.

    Raises:
        ValueError: says what was expected.

    >>> pattern_of("https://App.Example:443") == pattern_of("https://app.example.")
    True
    >>> pattern_of("https://*.b\u00fccher.example")
    Pattern(scheme='https', name='xn--bcher-kva.example', port=443, below=True)
    """
    try:
        return _parsed(given)
    except ValueError:
        raise ValueError(
            'origins such as "https://app.example.com" (no path), "https://*.example.com" or "http://localhost:*"; '
            'or "*"'
        ) from None


def _parsed(given: str) -> Pattern:
    found = _ORIGIN.fullmatch(given)
    if found is None:
        raise ValueError(f"no origin: {given[:100]!r}")
    scheme, port = found["scheme"].lower(), found["port"]
    number = None if port == "*" else int(port) if port is not None else _PORTS.get(scheme, 0)
    return Pattern(scheme, plain_name(found["name"]), number, found["below"] is not None)


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
        self._listed = tuple(pattern_of(origin) for origin in allowed if origin != "*")
        self._anybody = "*" in allowed
        self._max_age = str(max_age)
        self._judged = lru_cache(1024)(self._judge)

    def judge(self, request: web.BaseRequest) -> Verdict:
        """Say what the request's Origin is to us.

        Only the host is compared with the request's own, not the scheme: behind a proxy that ends TLS we cannot
        know it, and a page of the same host over plain HTTP is no stranger.
        """
        headers = request.headers
        origin = headers.get("Origin")
        if origin is None:
            if headers.get("Sec-Fetch-Site", "none") in {"none", "same-origin"}:
                return Verdict.NO_BROWSER
            return Verdict.ANYBODY if self._anybody else Verdict.REFUSED
        host = headers.get("Host", "")
        # A page's requests come again and again; what is too long for a host's name need not be kept.
        judged = self._judged if len(origin) + len(host) < LONG else self._judge
        return judged(origin, host)

    def _judge(self, origin: str, host: str) -> Verdict:
        try:
            page = _parsed(origin)
        except ValueError:
            pass  # `null`, or garbage
        else:
            if page.port is not None and not page.below:
                if any(pattern.covers(page) for pattern in self._listed):
                    return Verdict.LISTED
                if _same(page, host):
                    return Verdict.SAME
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


def _same(page: Pattern, host: str) -> bool:
    """Say whether a page is of the host that its request names.

    A browser leaves the default port out of `Host`; a proxy in between may write it, that of either scheme.
    """
    default = _PORTS.get(page.scheme)
    try:
        name, port = host_and_port(host)
    except ValueError:
        return False
    if default is None or name != page.name:
        return False
    return port == page.port or (page.port == default and port in {None, *_PORTS.values()})
