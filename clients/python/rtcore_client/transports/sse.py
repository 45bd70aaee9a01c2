"""Server-Sent Events, by POST: the hello is the body, the stream is the answer, upstream is `POST /rt/send`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import aiohttp

from rtcore_client.transports.base import LinkLost
from rtcore_client.transports.http import post
from rtcore_client.transports.upstream import Upstream, unless_lost

if TYPE_CHECKING:
    from rtcore.wire.parts import Part
    from rtcore_client.options import ConnectionType
    from rtcore_client.transports.base import Context, Speech


class EventStream:
    r"""Cuts a stream of bytes into the data of its events (WHATWG HTML, section 9.2.6). Pure; no I/O.

    Args:
        max_size: bytes of one event.

    >>> events = EventStream(max_size=100)
    >>> events.feed(b": hi\r\n\r\ndata: one\ndata: two\n\nda")
    [b'one\ntwo']
    >>> events.feed(b"ta:x\r"), events.feed(b"\n\r\n")
    ([], [b'x'])
    """

    def __init__(self, max_size: int) -> None:
        self._max_size = max_size
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take bytes; return the events that are complete.

        Raises:
            LinkLost: an event is larger than allowed.
        """
        chunk = self._rest + chunk
        if b"\r" in chunk:
            # A CR at the very end may be the half of a line end.
            tail = chunk[-1:] == b"\r"
            chunk = (chunk[:-1] if tail else chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            *lines, self._rest = chunk.split(b"\n")
            self._rest += b"\r" if tail else b""
        else:
            *lines, self._rest = chunk.split(b"\n")
        events: list[bytes] = []
        for line in lines:
            if line[:5] == b"data:":
                data = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(data)
                self._size += len(data) + 1
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data, self._size = [], 0
        if self._size + len(self._rest) > self._max_size:
            raise LinkLost("message_too_big", f"an event of more than {self._max_size} bytes")
        return events


class SseLink:
    """A `Link` whose way down is an event stream. Text only."""

    type: ConnectionType = "sse"
    confirms = False

    def __init__(self, context: Context) -> None:
        self.codec = context.codec if not context.codec.binary else context.text
        self._context = context
        self._events = EventStream(context.max_frame)
        self._frames: deque[bytes] = deque()
        self._response: aiohttp.ClientResponse | None = None
        self._upstream: Upstream | None = None

    @property
    def busy(self) -> bool:
        return self._upstream is None or self._upstream.busy

    @property
    def free_since(self) -> float:
        return self._upstream.free_since if self._upstream is not None else 0.0

    def moved(self) -> bool:
        return False

    async def open(self, hello: Callable[[], bytes]) -> None:
        self._response = await post(self._context, "sse", hello(), self.codec, timeout=None)
        kind = self._response.content_type
        if kind != "text/event-stream":
            raise LinkLost("NETWORK_ERROR", f"the answer is {kind}, not an event stream")

    async def receive(self) -> bytes:
        response = self._response
        if response is None:
            raise LinkLost("NETWORK_ERROR", "not open")
        while not self._frames:
            chunk = await unless_lost(_chunk(response), self._upstream)
            self._context.alive()
            self._frames.extend(self._events.feed(chunk))
        return self._frames.popleft()

    def speak(self, speech: Speech) -> None:
        self._upstream = Upstream(self._context, self.codec, speech)

    def send(self, items: Sequence[bytes], place: int) -> None:
        if self._upstream is not None:
            self._upstream.send(items, place)

    def part(self, part: Part, place: int) -> None:
        if self._upstream is not None:
            self._upstream.part(part, place)

    def control(self, item: bytes) -> None:
        if self._upstream is not None:
            self._upstream.control(item)

    async def flush(self) -> None:
        if self._upstream is not None:
            await self._upstream.flush()

    async def close(self) -> None:
        if self._response is not None:
            self._response.close()
        if self._upstream is not None:
            await self._upstream.close()


async def _chunk(response: aiohttp.ClientResponse) -> bytes:
    """Return the next bytes of the stream."""
    try:
        chunk = await response.content.readany()
    except (aiohttp.ClientError, OSError) as error:
        raise LinkLost("NETWORK_ERROR", f"{type(error).__name__}: {error}") from error
    if not chunk:
        raise LinkLost("NETWORK_ERROR", "the stream has ended")
    return chunk
