"""Framing: one frame is one event, and on HTTP/1.1 one chunk as well.

Rule: the chunk's head is made with the event, so it is made once for all receivers of a broadcast, and a flush is
what the kernel joined, written as it is. A chunk around each flush instead costs every connection a copy per turn.
"""

from __future__ import annotations

from typing import Final

from rtcore_sse.events import chunk, event


class EventFraming:
    """Frames for one kind of response body: chunked (HTTP/1.1), or ended by the connection's end (HTTP/1.0)."""

    def __init__(self, *, chunked: bool) -> None:
        self.name = "sse" if chunked else "sse-1.0"
        self._chunked = chunked

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        """Wrap one frame as an event.

        Raises:
            ValueError: the frame is binary; the stream is text, and the kernel was told so.
        """
        if binary:
            raise ValueError("an event stream carries text: a binary codec or compression cannot use it")
        return self.wrap(event(body))

    def wrap(self, block: bytes) -> bytes:
        """Wrap a block that is not a frame: a comment, an id, advice."""
        return chunk(block) if self._chunked else block

    def unwrap(self, data: bytes) -> bytes:
        r"""Return the block that one `wrap` made into data.

        >>> CHUNKED.unwrap(CHUNKED.wrap(b": hi\n\n")), UNCHUNKED.unwrap(b": hi\n\n")
        (b': hi\n\n', b': hi\n\n')
        """
        return data[data.index(b"\r\n") + 2 : -2] if self._chunked else data


CHUNKED: Final = EventFraming(chunked=True)
UNCHUNKED: Final = EventFraming(chunked=False)
