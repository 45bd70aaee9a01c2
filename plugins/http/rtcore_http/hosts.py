"""Names of hosts, as they are compared, and those by which this server may be called.

Rule: what means the same host is the same text. A name is compared in lower case, in its ASCII form (RFC 5891), without
the dot at its end; an address in its shortest form.

A page may point a name of its own at an address that only its visitor reaches (DNS rebinding): the browser then takes
this server for the page's own and sends whatever the page likes. The `Host` that it sends still says the page's name,
so a server that knows its names can tell. An address, `localhost` and names without a dot, which only a local network
resolves, are no stranger's.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Collection
from typing import Final

import idna

_log = logging.getLogger("rtcore.http")

#: Characters of a name in its ASCII form (RFC 1035, section 2.3.4).
NAME_MAX: Final = 253
#: Refused names that the log tells of, one warning each.
TOLD_MAX: Final = 32

_NAME: Final = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?|\.")
_HOST: Final = re.compile(r"(?P<name>\[[^\[\]]+\]|[^\s/?#@:\[\]\\]+)(:(?P<port>\d{1,5}))?")


def plain_name(name: str) -> str:
    """Return the name of a host as it is compared.

    Raises:
        ValueError: no host has such a name.

    >>> plain_name("B\u00fccher.Example."), plain_name("xn--bcher-kva.example"), plain_name("[::0:1]")
    ('xn--bcher-kva.example', 'xn--bcher-kva.example', '[::1]')
    """
    if name.startswith("["):
        return f"[{ipaddress.IPv6Address(name[1:-1]).compressed}]"
    plain = name.lower() if name.isascii() else idna.encode(name, uts46=True).decode()
    if len(plain) > NAME_MAX or not _NAME.fullmatch(plain):
        raise ValueError(f"no host is called {name[:80]!r}")
    return plain.removesuffix(".") or plain


def host_and_port(host: str) -> tuple[str, int | None]:
    """Return the two parts of a `Host` header (RFC 9110, section 7.2); a port that is not there is `None`.

    Raises:
        ValueError: it is none.

    >>> host_and_port("App.Example:8443"), host_and_port("[::1]")
    (('app.example', 8443), ('[::1]', None))
    """
    found = _HOST.fullmatch(host)
    if found is None:
        raise ValueError(f"no host and port: {host[:80]!r}")
    port = found["port"]
    return plain_name(found["name"]), int(port) if port is not None else None


def below(name: str, parent: str) -> bool:
    """Say whether a host's name ends with another one, as `a.b.example` with `b.example`."""
    return name.endswith("." + parent)


def is_local(name: str) -> bool:
    """Say whether no stranger can have a plain name: an address, `localhost`, or a name without a dot.

    >>> [is_local(name) for name in ("app.localhost", "nas", "[::1]", "10.0.0.1", "a.example")]
    [True, True, True, True, False]
    """
    if "." not in name or name.startswith("[") or below(name, "localhost"):
        return True
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def pattern(given: str) -> str:
    """Return an entry of `allowed_hosts` as it is compared.

    Raises:
        ValueError: says what was expected.

    >>> pattern("*.B\u00fccher.example"), pattern("*")
    ('*.xn--bcher-kva.example', '*')
    """
    if given == "*":
        return given
    star = "*." if given.startswith("*.") else ""
    try:
        return star + plain_name(given.removeprefix(star))
    except ValueError:
        raise ValueError(
            'names such as "app.example.com" or "*.example.com", without a port; or "*"'
        ) from None


def is_private(host: str) -> bool:
    """Say whether a `Host` header names what is not the same everywhere, or nothing: see `is_local`."""
    try:
        return is_local(host_and_port(host)[0])
    except ValueError:
        return True


class Hosts:
    """The names by which this server may be called. With none given it answers to all, until `only_local` is called.

    >>> hosts = Hosts(["app.example", "*.other.example"])
    >>> [
    ...     hosts.admits(host)
    ...     for host in ("APP.example.:443", "a.other.example", "other.example", "127.0.0.1:8080")
    ... ]
    [True, True, False, True]
    """

    def __init__(self, allowed: Collection[str]) -> None:
        patterns = {pattern(given) for given in allowed}
        self._any = not patterns or "*" in patterns
        self._names = frozenset(name for name in patterns if not name.startswith("*"))
        self._parents = tuple(name[2:] for name in patterns if name.startswith("*."))
        self._told: set[str] = set()

    def only_local(self) -> None:
        """Answer to names only that no stranger can have: nobody has said what else this server is called."""
        self._any = False

    def admits(self, host: str) -> bool:
        """Say whether a request with this `Host` is meant for this server. One without comes from no browser."""
        if self._any or not host:
            return True
        try:
            name, _ = host_and_port(host)
        except ValueError:
            return False
        return name in self._names or is_local(name) or any(below(name, parent) for parent in self._parents)

    def refused(self, host: str) -> None:
        """Tell the operator, once for each of the first names."""
        if host not in self._told and len(self._told) < TOLD_MAX:
            self._told.add(host)
            _log.warning(
                "requests to the host %.100r are refused: if it is this server, add it to `allowed_hosts` in [http]",
                host,
            )
