"""A link: one transport connection as the client's session sees it.

    open(hello) → receive() → the welcome → speak(…) → send(…), control(…), receive() … → close()

Rule: `send` and `control` are plain and never wait; a link that holds more than it should says `busy`, and calls
`drained` when it no longer is. Whatever ends a link comes out of `receive` as `LinkLost`, once.
"""

from __future__ import annotations

import ssl as _ssl
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import attrs

from rtcore_client.errors import RealtimeError, Refused

if TYPE_CHECKING:
    import aiohttp

    from rtcore.spi.codec import Codec
    from rtcore.wire.client_line import ClientLine
    from rtcore.wire.format import Format
    from rtcore.wire.parts import Part
    from rtcore_client.endpoint import Endpoint
    from rtcore_client.options import ConnectionType
    from rtcore_client.reach import Reach

#: Seconds; no server is obeyed for longer.
ADVICE_MAX: Final = 3600.0
#: Refusals of one request that say nothing about the session.
_PASSING: Final = frozenset({"rate_limited", "too_many_requests", "timeout"})
#: Refusals by a server that are about a POST's body.
_OF_THE_BODY: Final = frozenset({"message_too_big", "malformed_frame"})


class LinkLost(Exception):
    """A link has ended, or never came to be.

    Attributes:
        code: a close code's name, or `NETWORK_ERROR`.
        reason: for people.
        refusal: what the server said, if it was the server that ended it.
        retry_after: seconds, where somebody advised it.
        passing: the same request again may well succeed.
        refuses: the code that a message fails with, if it was a POST's body that somebody refused, for good.
    """

    def __init__(
        self,
        code: str,
        reason: str = "",
        *,
        refusal: RealtimeError | None = None,
        retry_after: float | None = None,
        passing: bool = True,
        refuses: str | None = None,
    ) -> None:
        self.code = code
        self.passing = passing and (refusal is None or refusal.code in _PASSING)
        self.refuses = refuses if refusal is None or refusal.code not in _OF_THE_BODY else refusal.code
        self.reason = reason
        self.refusal = refusal
        self.retry_after = retry_after if refusal is None else refusal.retry_after
        super().__init__(f"{code}: {reason}" if reason else code)

    @classmethod
    def by_server(cls, fields: Mapping[str, object]) -> LinkLost:
        """Make one of what the server said: the fields of a `close` or of a refusal."""
        after, number, details = fields.get("retry_after"), fields.get("number"), fields.get("details")
        more = dict(details) if isinstance(details, Mapping) else {}
        if "attach" in fields:
            more["attach"] = fields["attach"]
        refusal = Refused(
            str(fields.get("code", "internal")),
            str(fields.get("reason", "")),
            number=number if isinstance(number, int) else 0,
            retry_after=advice(after),
            details=more,
        )
        return cls(refusal.code, refusal.reason, refusal=refusal)


def advice(after: object) -> float | None:
    """Return the seconds that a server advises to wait, if they can be meant; an hour at most.

    >>> advice(2), advice("soon"), advice(1e9), advice(float("nan"))
    (2.0, None, 3600.0, None)
    """
    if not isinstance(after, (int, float)) or not after >= 0:
        return None
    return min(float(after), ADVICE_MAX)


@attrs.define
class Context:
    """What a link is given.

    Attributes:
        http: the client's one HTTP session.
        endpoint: where the server is.
        headers: for every request.
        codec: asked for; a text-only link uses `text` instead.
        text: the codec that every server speaks.
        line: the session's counts and secret, which POSTs and polls name.
        max_frame: bytes of a frame from the server.
        reach: how much at once the way up carries.
        refused: called with a message or part that somebody on the way refuses for good, with the message's place in
            the count, if it has one, and with what was said.
        heard: called with each frame that does not come by `receive`: the answers to POSTs. Control only.
        alive: called when bytes have come by the way down.
        drained: called when the link is no longer busy.
        ssl: for TLS.
    """

    http: aiohttp.ClientSession
    endpoint: Endpoint
    headers: Mapping[str, str] = attrs.field(repr=False)
    codec: Codec
    text: Codec
    line: ClientLine
    max_frame: int
    reach: Reach
    heard: Callable[[bytes], None]
    alive: Callable[[], None]
    drained: Callable[[], None]
    refused: Callable[[bytes | Part, int | None, LinkLost], None]
    ssl: _ssl.SSLContext | None = None


@attrs.frozen
class Speech:
    """What was agreed on in `welcome`.

    Attributes:
        format: codec, compressor and threshold of what is sent.
        batch: messages in one frame at most; 1 when batching was not agreed on.
        max_size: bytes of one frame at most.
        part: bytes of a part at most; 0: the server takes none.
        interval, timeout: the heartbeat's, in seconds.
    """

    format: Format
    batch: int
    max_size: int
    part: int
    interval: float
    timeout: float


class Plain:
    """A framing that adds nothing: HTTP bodies and aiohttp's WebSocket delimit frames themselves."""

    name = "plain"

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        """Return the frame as it is; its first byte says whether it is compressed."""
        return body


class Link(Protocol):
    """One transport connection.

    Attributes:
        type: the transport's name.
        codec: of the hello and of what comes before the welcome.
        confirms: the transport says by itself what was received, so that no acks are needed.
        busy: more waits here than should: `send` nothing until `drained` was called.
        free_since: when the way up was free the last time, in seconds of the loop's clock: what is sent waits behind a
            request that is under way. In the future, if one is, and may be for so long.
    """

    type: ConnectionType
    codec: Codec
    confirms: bool

    @property
    def busy(self) -> bool: ...

    @property
    def free_since(self) -> float: ...

    def moved(self) -> bool:
        """Say whether bytes have come, or were taken by the other end, since this was last asked.

        A link that calls `alive` with all that comes says so of what it has sent, if it can tell.
        """

    async def open(self, hello: Callable[[], bytes]) -> None:
        """Connect and say hello. `hello` is called when it can be said at once: it holds counts.

        Raises:
            LinkLost: it cannot be.
        """

    async def receive(self) -> bytes:
        """Return the next frame. Not calling it is how the server is made to feel backpressure.

        Raises:
            LinkLost: there will be none.
        """

    def speak(self, speech: Speech) -> None:
        """The welcome has come: speak like this from now on."""

    def send(self, items: Sequence[bytes], place: int) -> None:
        """Send encoded messages; `place` is the count of the first."""

    def part(self, part: Part, place: int) -> None:
        """Send a part of a message; `place` is the message's count."""

    def control(self, item: bytes) -> None:
        """Send one encoded control item, before messages that wait."""

    async def flush(self) -> None:
        """Wait until everything has left, or the link has ended."""

    async def close(self) -> None:
        """End it. `receive` raises afterwards; nothing of the link lives on."""
