"""Requests as the kernel sees them: a `Handshake`, and who is allowed to make one.

Rule: a token comes from `Authorization: Bearer …` or from `hello`, never from the URL, which ends in logs.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from rtcore.errors import Rejected
from rtcore.spi.transport import Handshake
from rtcore_http.keys import ACCESS
from rtcore_http.origins import Verdict

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: Headers that say how to talk and nothing of who talks: not kept, since a handshake lives as long as its connection.
_DULL: Final = frozenset({
    "accept", "accept-encoding", "accept-language", "access-control-request-headers", "access-control-request-method",
    "cache-control", "connection", "content-length", "content-type", "dnt", "keep-alive", "pragma", "priority",
    "sec-ch-ua", "sec-ch-ua-mobile", "sec-ch-ua-platform", "sec-fetch-dest", "sec-fetch-mode", "sec-fetch-site",
    "sec-gpc", "sec-websocket-extensions", "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version",
    "te", "transfer-encoding", "upgrade", "upgrade-insecure-requests",
})  # fmt: skip


def check_origin(request: web.Request) -> Verdict:
    """Return what the page behind a request is to us.

    Raises:
        Rejected: `host_refused`, the request calls this server by a name that is not its own; `origin_refused`, the
            page is on another host and no list names it.
    """
    headers = request.headers
    access = request.app[ACCESS]
    host, hosts = headers.get("Host", ""), access.hosts
    if not hosts.admits(host):
        hosts.refused(host)
        raise Rejected(
            "host_refused", f"this server is not called {host[:100]!r}; see `allowed_hosts` in [http]"
        )
    verdict = access.origins.judge(request)
    if verdict is Verdict.REFUSED:
        origin = headers.get("Origin")
        pages = "pages of another site" if origin is None else f"pages of {origin[:100]!r}"
        raise Rejected("origin_refused", f"{pages} may not connect; see `origins` in [http]")
    return verdict


def handshake_of(request: web.Request, transport: str, **extra: Any) -> Handshake:
    """Make the handshake of a request.

    Args:
        request: the request that opens a connection.
        transport: the transport's name.
        extra: what else an authenticator or the kernel may want to know (`Handshake.extra`).

    Raises:
        Rejected: `host_refused` or `origin_refused`.
    """
    verdict = check_origin(request)
    headers = {
        name: value for given, value in request.headers.items() if (name := given.lower()) not in _DULL
    }
    token = bearer(headers.pop("authorization", ""))
    if verdict is Verdict.ANYBODY:
        # Whose cookies are these? The browser sent them, the page may be anybody's.
        headers.pop("cookie", None)
    query = dict(request.query) if "?" in request.raw_path else {}
    return Handshake(
        transport=transport,
        peer=peer_of(request),
        codec=query.get("codec"),
        token=token,
        path=request.path,
        headers=headers,
        query=query,
        subprotocols=tuple(words(request.headers.getall("Sec-WebSocket-Protocol", ()))),
        extra=extra,
    )


def bearer(authorization: str) -> str | None:
    """Return the token of an Authorization header (RFC 6750, section 2.1), or `None`.

    >>> bearer("Bearer abc"), bearer("bearer  abc "), bearer("Basic abc"), bearer("")
    ('abc', 'abc', None, None)
    """
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def words(values: Sequence[str]) -> list[str]:
    """Return the members of a comma-separated header that may come several times (RFC 9110, section 5.6.1).

    >>> words(["a, b", " ,c"])
    ['a', 'b', 'c']
    """
    return [word for value in values for part in value.split(",") if (word := part.strip())] if values else []


def lists(headers: CIMultiDictProxy[str], name: str, word: str) -> bool:
    """Say whether a comma-separated header has a word (in lower case); nearly always it is the only one."""
    value = headers.get(name, "").lower()
    return value == word or (word in value and word in words([v.lower() for v in headers.getall(name)]))


def peer_of(request: web.Request) -> str:
    """Return the address of who asks: the other end of the socket, or what trusted proxies say of it.

    From the right, the first address in `X-Forwarded-For` that is no trusted proxy: what stands to the left of it
    may be anybody's invention.
    """
    peer = request.remote or ""
    trusted = request.app[ACCESS].networks
    if not trusted or not _among(peer, trusted):
        return peer
    for hop in reversed(words(request.headers.getall("X-Forwarded-For", ()))):
        try:
            peer = str(ipaddress.ip_address(hop))
        except ValueError:
            return peer
        if not _among(peer, trusted):
            return peer
    return peer


def _among(address: str, networks: Sequence[Network]) -> bool:
    try:
        where = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(where in network for network in networks)
