"""What a client can be told: identity and policy in `Options`, patience in `Timing`, memory in `Limits`."""

from __future__ import annotations

import ssl as _ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal, TypedDict

import attrs

ConnectionType = Literal["websocket", "sse", "polling"]

#: The best first.
CONNECTION_TYPES: Final[tuple[ConnectionType, ...]] = ("websocket", "sse", "polling")

Token = str | Callable[[], str | Awaitable[str]]


class Authentication(TypedDict, total=False):
    """Who the client is.

    `token` goes into each `hello`, never into a URL; a callable (async or not) is asked before each. `headers` go
    into every HTTP request.
    """

    token: Token
    headers: Mapping[str, str]


def _positive(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if value <= 0:
        raise ValueError(f"{attribute.name}: expected more than 0, given {value}")


def _not_negative(instance: object, attribute: attrs.Attribute[Any], value: float) -> None:
    if value < 0:
        raise ValueError(f"{attribute.name}: expected 0 or more, given {value}")


def _type(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in CONNECTION_TYPES:
        raise ValueError(f"{attribute.name}: expected one of {', '.join(CONNECTION_TYPES)}, given {value!r}")


def _types(instance: object, attribute: attrs.Attribute[Any], value: Sequence[object]) -> None:
    for one in value:
        _type(instance, attribute, one)


def _tuple(value: Sequence[ConnectionType]) -> tuple[ConnectionType, ...]:
    return tuple(value)


@attrs.frozen(kw_only=True)
class Timing:
    """How long the client waits for what. Seconds.

    Attributes:
        open: from the start of an attach to its `welcome`; a transport that takes longer is given up for the next.
        send: for room to send, and for a confirmation.
        request: for a reply.
        token: for the callable that gives the token.
        max_reconnect_delay: the longest pause between attempts.
        suspended_delay: the pause between attempts once the client is suspended.
        climb: after so long on a lesser transport the client tries a better one; the pause doubles with each failure.
        max_climb: the longest pause between those.
        close: for what is queued to be sent when the client is closed or paused.
        stream: without a message taken from a stream while everybody waits for it: then it is stalled.
        callback: the same for an async callback, which may be at one message for so long.
    """

    open: float = attrs.field(default=5.0, validator=_positive)
    send: float = attrs.field(default=10.0, validator=_positive)
    request: float = attrs.field(default=30.0, validator=_positive)
    token: float = attrs.field(default=10.0, validator=_positive)
    max_reconnect_delay: float = attrs.field(default=30.0, validator=_not_negative)
    suspended_delay: float = attrs.field(default=60.0, validator=_positive)
    climb: float = attrs.field(default=10.0, validator=_positive)
    max_climb: float = attrs.field(default=300.0, validator=_positive)
    close: float = attrs.field(default=2.0, validator=_not_negative)
    stream: float = attrs.field(default=2.0, validator=_not_negative)
    callback: float = attrs.field(default=30.0, validator=_not_negative)


@attrs.frozen(kw_only=True)
class Limits:
    """How much the client keeps.

    Attributes:
        queue: messages that wait to be sent, while offline or behind a full window.
        window: messages sent and not confirmed; a sender waits when it is full.
        window_bytes: the same in bytes.
        inbox: messages received that wait for callbacks, or beyond its bound for a stream or an async callback; the
            connection is not read while it is full.
        inbox_bytes: the same in bytes.
        subscriber: messages that wait for one async callback before they take of the inbox's room.
        frame: bytes of one frame from the server, compressed or not.
    """

    queue: int = attrs.field(default=1000, validator=_positive)
    window: int = attrs.field(default=1000, validator=_positive)
    window_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=_positive)
    inbox: int = attrs.field(default=1000, validator=_positive)
    inbox_bytes: int = attrs.field(default=16 * 1024 * 1024, validator=_positive)
    subscriber: int = attrs.field(default=100, validator=_positive)
    frame: int = attrs.field(default=16 * 1024 * 1024, validator=_positive)


@attrs.frozen(kw_only=True)
class Options:
    """The arguments of `RealtimeClient`, checked; it documents them."""

    url: str
    connection_type: ConnectionType = attrs.field(default="websocket", validator=_type)
    fallback_types: tuple[ConnectionType, ...] = attrs.field(converter=_tuple, validator=_types)
    client_id: str | None = None
    auto_reconnect: bool = True
    max_reconnect_attempts: int = attrs.field(default=5, validator=_not_negative)
    reconnect_delay: float = attrs.field(default=1.0, validator=_not_negative)
    heartbeat_interval: float = attrs.field(default=30.0, validator=_positive)
    ping_timeout: float = attrs.field(default=5.0, validator=_positive)
    enable_compression: bool = True
    compression_threshold: int = attrs.field(default=1024, validator=_not_negative)
    enable_batching: bool = False
    batch_size: int = attrs.field(default=10, validator=_positive)
    batch_interval: float = attrs.field(default=0.1, validator=_not_negative)
    authentication: Authentication = attrs.field(factory=Authentication, repr=False)
    codec: str = "json"
    timing: Timing = attrs.field(factory=Timing)
    limits: Limits = attrs.field(factory=Limits)
    ssl: _ssl.SSLContext | None = attrs.field(default=None, repr=False)

    @property
    def preference(self) -> tuple[ConnectionType, ...]:
        """The transports that may be used, the preferred first."""
        return tuple(dict.fromkeys((self.connection_type, *self.fallback_types)))

    @property
    def headers(self) -> dict[str, str]:
        """What every HTTP request carries."""
        return dict(self.authentication.get("headers") or {})
