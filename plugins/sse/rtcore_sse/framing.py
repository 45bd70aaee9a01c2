"""Framing: one frame is one event, and on HTTP/1.1 one chunk as well.

Rule: the chunk's head is made with the event, so it is made once for all receivers of a broadcast, and a flush is
what the kernel joined, written as it is. A chunk around each flush instead costs every connection a copy per turn.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from rtcore.wire.message import Message
from rtcore_sse.events import chunk, event
from rtcore_sse.places import Place, id_of

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec

#: What is for the reader itself (`rtcore_sse.reader`) and not for its peer: a line that begins so. No chunk does.
ASIDE: Final = b":"
#: The id of a reader's one request.
JOIN: Final = "events:join"


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


class RoomFraming(EventFraming):
    """Frames for those who read one room by a plain GET: its messages as they are on the wire, each with its place.

    One for all readers of a room, so that an event is made once for all of them.

    Args:
        room: its name. What is not of this room is not for its readers.
        codec: of the messages; text.
    """

    def __init__(self, room: str, codec: Codec, *, chunked: bool) -> None:
        super().__init__(chunked=chunked)
        self.room = room
        self.codec = codec

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - as above
        if binary:
            return super().frame(body, binary)
        item = self.codec.decode(body)[0]
        if not isinstance(item, Message) or item.re == JOIN:
            return ASIDE + body + b"\n"
        if item.type == "gap" and item.sender is None:
            return self._gap(item)
        if item.room != self.room or item.type.startswith("room:"):
            return b""
        place = None
        if item.offset is not None and item.epoch is not None:
            place = id_of(Place(item.offset, item.epoch))
        return self.wrap(event(body, id=place))

    def _gap(self, gap: Message) -> bytes:
        fields = gap.payload if isinstance(gap.payload, dict) else {}
        if fields.get("room", self.room) != self.room:
            return b""
        return self.wrap(event(json.dumps(fields, ensure_ascii=False).encode(), name="gap"))


CHUNKED: Final = EventFraming(chunked=True)
UNCHUNKED: Final = EventFraming(chunked=False)
