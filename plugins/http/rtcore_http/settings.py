"""The `[http]` section of the settings."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any, Final, Literal

import attrs
from attrs import validators as v

from rtcore_http import hosts
from rtcore_http.origins import pattern_of

_BASE: Final = re.compile(r"/|(/[A-Za-z0-9._~-]+)+")


def _help(text: str, unit: str = "") -> dict[str, Any]:
    return {"help": text, "unit": unit} if unit else {"help": text}


def _again(text: str, unit: str = "") -> dict[str, Any]:
    """The same for what can be read again while the port is open."""
    return {**_help(text, unit), "reload": True}


def _base(_: object, field: attrs.Attribute[Any], value: str) -> None:
    if not _BASE.fullmatch(value) or {".", ".."} & set(value.split("/")):
        raise ValueError('a path such as "/rt" or "/app/rt", without a slash at its end; "/" for none')


def _origins(_: object, field: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for origin in value:
        if origin != "*":
            pattern_of(origin)


def _hosts(_: object, field: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for host in value:
        hosts.pattern(host)


def _networks(_: object, field: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    for network in value:
        try:
            ipaddress.ip_network(network)
        except ValueError:
            raise ValueError('addresses or networks such as "10.0.0.0/8"') from None


@attrs.frozen(kw_only=True)
class HttpSettings:
    """Where the port is, who may use it from a browser, and what a client may cost before it is known."""

    # -- the port ------------------------------------------------------------------------------------------
    host: str = attrs.field(
        default="127.0.0.1",
        metadata=_help(
            'The address to listen on; "0.0.0.0" for each IPv4 address of this machine, "::" for those of IPv6 as well.'
        ),
    )
    port: int = attrs.field(
        default=8080,
        validator=v.and_(v.ge(0), v.le(65535)),
        metadata=_help("The port to listen on; 0 for any that is free."),
    )
    base: str = attrs.field(
        default="/rt",
        validator=_base,
        metadata=_help(
            'The path below which clients find everything ("/rt/ws", "/rt/sse", …), as it arrives here: behind a '
            'proxy that keeps its own prefix "/app/rt", behind one that strips all of it "/".'
        ),
    )
    backlog: int = attrs.field(
        default=4096, validator=v.ge(1), metadata=_help("Connections that the system may queue for us.")
    )
    server: Literal["aiofastnet", "asyncio"] = attrs.field(
        default="aiofastnet",
        metadata=_help("What moves the bytes: aiofastnet (quicker), or the event loop's own server."),
    )
    notsent_lowat: int = attrs.field(
        default=16_384,
        validator=v.ge(0),
        metadata=_help(
            "What may wait inside of the system's socket (`TCP_NOTSENT_LOWAT`), where nothing urgent can overtake it; "
            "0 for the system's own choice.",
            "bytes",
        ),
    )
    receive_buffer: int = attrs.field(
        default=65_536,
        validator=v.ge(0),
        metadata=_help(
            "What the system may receive ahead of us (`SO_RCVBUF`); more lets large messages come faster from far "
            "away, 0 is the system's own choice.",
            "bytes",
        ),
    )
    tls_certificate: Path | None = attrs.field(
        default=None,
        metadata=_again("PEM file with the certificate and its chain; the port then speaks TLS only."),
    )
    tls_key: Path | None = attrs.field(
        default=None, metadata=_again("PEM file with the key, if it is not in the certificate's file.")
    )
    hsts: int = attrs.field(
        default=2_592_000,
        validator=v.ge(0),
        metadata=_again(
            "With TLS: how long browsers insist on it for this host (`Strict-Transport-Security`); 0 for not at all.",
            "s",
        ),
    )

    access_log: bool = attrs.field(
        default=False, metadata=_again("Log a line for each request, as `rtcore.http.access`.")
    )

    # -- browsers ------------------------------------------------------------------------------------------
    origins: tuple[str, ...] = attrs.field(
        default=(),
        validator=_origins,
        metadata=_again(
            'Origins of pages on other hosts that may connect: "https://app.example.com", '
            '"https://*.example.com" for each host below, "http://localhost:*" for each port; "*" for any, but then '
            "without cookies."
        ),
    )
    allowed_hosts: tuple[str, ...] = attrs.field(
        default=(),
        validator=_hosts,
        metadata=_again(
            'Names by which this server may be called, against DNS rebinding: "app.example.com", "*.example.com", or '
            '"*" for any. Without any, a server that listens on a loopback address answers to local names only, and '
            "another one to all. Addresses, `localhost` and names without a dot need no mention."
        ),
    )
    preflight_max_age: int = attrs.field(
        default=7200,
        validator=v.ge(0),
        metadata=_again("How long a browser may remember the answer to a preflight.", "s"),
    )
    trusted_proxies: tuple[str, ...] = attrs.field(
        default=(),
        validator=_networks,
        metadata=_again("Networks of proxies whose X-Forwarded-For is believed."),
    )

    # -- what a client may cost before it is known ------------------------------------------------------------
    header_timeout: float = attrs.field(
        default=10.0,
        validator=v.gt(0),
        metadata=_help("From a connection's first moment to the end of a request's head.", "s"),
    )
    body_timeout: float = attrs.field(
        default=20.0,
        validator=v.gt(0),
        metadata=_help("For the body of a request; longer for one that comes at `body_rate`.", "s"),
    )
    body_rate: int = attrs.field(
        default=4096,
        validator=v.ge(1),
        metadata=_help(
            "What a body that takes longer than `body_timeout` must come with a second, in the mean.", "bytes"
        ),
    )
    tls_timeout: float = attrs.field(
        default=10.0, validator=v.gt(0), metadata=_help("For the TLS handshake.", "s")
    )
    keepalive_timeout: float = attrs.field(
        default=75.0,
        validator=v.gt(0),
        metadata=_help(
            "Between two requests on a connection; longer than the proxy's, if there is one.", "s"
        ),
    )
    stop_timeout: float = attrs.field(
        default=3.0,
        validator=v.gt(0),
        metadata=_help("For requests that still hang when the port closes.", "s"),
    )
    max_header_size: int = attrs.field(
        default=32_768,
        validator=v.ge(1024),
        metadata=_help("One header field, or the request line.", "bytes"),
    )
    max_headers: int = attrs.field(
        default=64, validator=v.ge(8), metadata=_help("Header fields of a request.")
    )
    spare_files: int = attrs.field(
        default=64,
        validator=v.ge(16),
        metadata=_help("File descriptors that stay free: beyond, connections are answered with 503."),
    )

    def __attrs_post_init__(self) -> None:
        if self.tls_key is not None and self.tls_certificate is None:
            raise ValueError("`tls_key` needs `tls_certificate`")
