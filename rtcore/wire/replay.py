"""What one end writes before anything new: what the other lacks, and the message that is half out.

    again     counted, and lacked by the other end: written again as it was, in order
    waiting   not counted: the one of which half went to a connection that is gone, and what goes right behind it
    writing   the one message that is half out on this connection

Rule: at most one message is half out. Unless it was counted before, whatever is more urgent may go between two of its
parts, and it is counted with the last one. On the next connection the first message that goes in parts begins where
the other end says that it stands, if it speaks of that one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.wire.hello import Place
    from rtcore.wire.message import Message
    from rtcore.wire.parts import Large


class Unfinished:
    """A message that is half out.

    Attributes:
        message: it.
        item: its bytes.
        at: how many of them were written.
        counted: it was counted out before; it is written again.
    """

    __slots__ = ("at", "counted", "item", "message")

    def __init__(self, message: Message, item: Large, at: int, *, counted: bool) -> None:
        self.message = message
        self.item = item
        self.at = at
        self.counted = counted

    @property
    def done(self) -> bool:
        """All of it was written."""
        return self.at == len(self.item)


class Replay:
    """See the module.

    Attributes:
        again, waiting, writing: see the module.
        place: what the other end holds of a message, until one was begun.
    """

    __slots__ = ("again", "place", "waiting", "writing")

    def __init__(self) -> None:
        self.again: deque[Message] = deque()
        self.waiting: deque[Message] = deque()
        self.writing: Unfinished | None = None
        self.place: Place | None = None

    def __bool__(self) -> bool:
        return bool(self.again or self.waiting) or self.writing is not None

    @property
    def is_fixed(self) -> bool:
        """What is written next has its place in the count: nothing new may go before it."""
        return bool(self.again) or (self.writing is not None and self.writing.counted)

    @property
    def uncounted(self) -> Sequence[Message]:
        """The messages that are not counted yet and no longer wait elsewhere, in their order."""
        writing = self.writing
        if writing is None or writing.counted:
            return tuple(self.waiting)
        return (writing.message, *self.waiting)

    def begin(self, again: Sequence[Message], place: Place | None) -> None:
        """A connection was attached, or a poll has come: write these again.

        Args:
            again: what the other end lacks, counted, oldest first.
            place: what it holds of a message that is not all there.
        """
        self.end()
        self.again = deque(again)
        self.place = place

    def end(self) -> None:
        """The connection is gone. What was half out is first again, or among what was counted."""
        writing, self.writing = self.writing, None
        if writing is not None and not writing.counted:
            self.waiting.appendleft(writing.message)
        self.again = deque()
        self.place = None

    def write(self, message: Message, item: Large, *, counted: bool, binary: bool) -> Unfinished:
        """Begin to write a message in parts, or go on with it; in parts of bytes, or of text.

        The caller has taken it from `again` or `waiting`.
        """
        place, self.place = self.place, None
        at = place.at if place is not None and place.of == item.of and place.at < len(item) else 0
        if not binary and item[at] & 0xC0 == 0x80:
            at = 0  # within a character: nothing that was sent ended there
        self.writing = Unfinished(message, item, at, counted=counted)
        return self.writing
