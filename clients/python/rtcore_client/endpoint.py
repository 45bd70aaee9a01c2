"""Where the server is: each transport's URL follows from one."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import attrs

_HTTP = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


@attrs.frozen
class Endpoint:
    """A server's address.

    Attributes:
        base: `http(s)://host[:port]/path`, without a slash at its end.
    """

    base: str

    @classmethod
    def parse(cls, url: str) -> Endpoint:
        """Read the URL that an application gives: http, https, ws or wss; the path that all transports share.

        >>> Endpoint.parse("wss://example.org/rt/").of("ws", codec="cbor")
        'wss://example.org/rt/ws?codec=cbor'
        >>> Endpoint.parse("http://localhost:8080/rt").of("sse")
        'http://localhost:8080/rt/sse'

        Raises:
            ValueError: not such a URL, or one that holds credentials or a query, which end in logs.
        """
        parts = urlsplit(url)
        if parts.scheme not in _HTTP or not parts.hostname:
            raise ValueError(f"url: expected http(s)://host/path or ws(s)://host/path, given {url!r:.100}")
        if parts.username or parts.password or parts.query:
            raise ValueError("url: credentials belong into `authentication`, a URL ends in logs")
        return cls(urlunsplit((_HTTP[parts.scheme], parts.netloc, parts.path.rstrip("/"), "", "")))

    def of(self, leaf: str, *, codec: str | None = None) -> str:
        """Return the URL below the base; a WebSocket's for `ws`."""
        base = "ws" + self.base.removeprefix("http") if leaf == "ws" else self.base
        return f"{base}/{leaf}" + (f"?codec={codec}" if codec is not None else "")
