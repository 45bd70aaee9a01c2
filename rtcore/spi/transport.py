"""Transports: how bytes travel. The kernel knows no HTTP; a transport may stand on `http` or own a port.

A complete transport is three small objects:

    Transport   named, started and stopped with the app; accepts connections in its own way
    Link        one live connection as the kernel sees it: write, close, pause and resume reading
    Framing     how one frame becomes bytes on this transport (a WebSocket header, an SSE event, a newline)

For each accepted connection a transport builds a `Handshake`, calls `app.manager.add_connection(link, handshake)`,
gives the `Connection` that it returns every frame that arrives (`receive`), and says when it is gone (`lost`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from rtcore.app import App

_NOTHING: Mapping[str, str] = {}


@attrs.frozen
class Handshake:
    """What a transport knows of a connection before its hello.

    Attributes:
        transport: the transport's name.
        peer: the other side's address, as text, for limits and logs; never trusted as an identity.
        codec: the codec asked for by name; `None` for the default.
        token: a bearer token that the transport found where the peer put it (a header, a cookie, later `hello`).
        path, headers, query: HTTP's, where there is HTTP; header names in lower case.
        subprotocols: what a WebSocket client offered.
        extra: anything else that an authenticator of this transport may want.
    """

    transport: str
    peer: str = ""
    codec: str | None = None
    token: str | None = attrs.field(default=None, repr=False)
    path: str = ""
    headers: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False)
    query: Mapping[str, str] = attrs.field(default=_NOTHING, repr=False)
    subprotocols: tuple[str, ...] = ()
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    def with_token(self, token: str) -> Handshake:
        """The same with another token. Half the price of `attrs.evolve`, which looks at each field by name."""
        return Handshake(
            self.transport, self.peer, self.codec, token, self.path, self.headers, self.query, self.subprotocols,
            self.extra,
        )  # fmt: skip


@runtime_checkable
class Framing(Protocol):
    """Makes one frame into bytes for the wire. Pure; one object serves all connections of its kind.

    Bytes of several frames may be joined and written at once, so they must delimit themselves.
    """

    name: str

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        """Wrap one frame. `binary` says that `body` is not text; a text-only transport is never given it.

        The kernel gives it by its place: by its name it costs a twentieth of what it takes to encode a message.
        """


@runtime_checkable
class Link(Protocol):
    """One live transport connection, owned by the transport, driven by the kernel.

    All methods are plain, may be called in any state, and never raise: on a dead connection they do nothing.
    """

    framing: Framing

    def write(self, data: bytes) -> None:
        """Take the framed bytes of one loop turn for the wire. Called at most once per turn in steady state.

        When more than the transport's high-water mark waits in it, the transport calls `connection.pause()`,
        and `connection.resume()` once it has drained: meanwhile messages wait in lanes, where order may change.
        """

    def close(self, code: int, reason: str) -> None:
        """Deliver what was written, then close. `code` is a close number, `reason` a code's name (ASCII).

        The transport calls `connection.lost()` afterwards, as for any other end.
        """

    def pause_reading(self) -> None:
        """Stop taking bytes from the peer, so that it feels backpressure."""

    def resume_reading(self) -> None:
        """Take bytes again."""


class Moved(NamedTuple):
    """Bytes that came from a peer, and bytes that its system has taken, ever."""

    received: int
    taken: int


@runtime_checkable
class Moving(Protocol):
    """A link that knows what it has moved. Implement it with `rtcore.spi.moved.moved`, if there is a socket.

    Asked with each ping, and when one was not answered in time: who is in the middle of a large frame, in either
    direction, is not dead. Without it only whole frames are a sign of life.
    """

    def moved(self) -> Moved:
        """Return what was moved up to now. Never raises."""


@runtime_checkable
class Transport(Protocol):
    """A way in. Its lifespan is the app's; the kernel starts transports last and stops them first.

    Attributes:
        name: what clients and metrics call it, such as `"websocket"`.
        binary: whether frames may hold any bytes. A text-only transport gets text codecs and no compression.
    """

    name: str
    binary: bool

    async def start(self, app: App) -> None:
        """Begin to accept: open a port, if it has one of its own; see `App.close_in_children`."""

    async def stop_accepting(self) -> None:
        """Accept no new connections; those that live go on. Called before the drain."""

    async def stop(self) -> None:
        """Release everything. The kernel has closed all connections before; wait for them to be gone."""
