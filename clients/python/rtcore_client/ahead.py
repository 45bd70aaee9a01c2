"""What the client writes before anything new: what the server lacks, and the message that is half out.

The order is `rtcore.wire.replay`'s. A large message leaves a part at a time, and what is more urgent goes in between.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtcore.wire.message import Checked
from rtcore.wire.parts import PART, Large, cut
from rtcore.wire.replay import Replay, Unfinished

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore.wire.client_line import ClientLine
    from rtcore.wire.message import Message
    from rtcore_client.outbox import Outbox
    from rtcore_client.reach import Reach
    from rtcore_client.transports import Link


class Ahead(Replay):
    """Of one client. It is falsy while there is nothing.

    Args:
        line: counts.
        reach: how much at once.
        outbox: encodes, and is told of what has left.

    Attributes:
        parts: bytes of a part that the server takes; 0: it takes none.
    """

    __slots__ = ("_cut", "_line", "_outbox", "_reach", "parts")

    def __init__(self, line: ClientLine, reach: Reach, outbox: Outbox) -> None:
        super().__init__()
        self._line = line
        self._reach = reach
        self._outbox = outbox
        # The last message that was cut only because of the link; cut anew, it would have to begin anew.
        self._cut: tuple[Message, Codec, Large] | None = None
        self.parts = 0

    def write_some(self, link: Link) -> bool:
        """Write a little; urgent messages were written before. False if it must wait for room in the window."""
        if self.writing is not None:
            return self._write_part(link, self.writing)
        if self.again:
            self._write_again(link)
            return True
        return self._start(link, self.waiting[0])

    def abandon(self, message: Message) -> bool:
        """A message is not to be sent after all, or not to the end. False if it is not here, or counted."""
        if self.writing is not None and self.writing.message is message and not self.writing.counted:
            self.writing = None
        elif message in self.waiting:
            self.waiting.remove(message)
        else:
            return False
        return True

    def clear(self) -> None:
        """The client ends."""
        self.end()
        self.waiting.clear()

    def _write_again(self, link: Link) -> None:
        """Send messages of the window again. They were counted, so something must stand in the place of each."""
        form, again = self._outbox.form(link.codec), self.again
        place = self._line.window.sent - len(again)
        items: list[bytes] = []
        size = 0
        while again and size < self._reach.part:
            message = again[0]
            item = self._outbox.encode_again(message, form)
            if item is None:  # its sender has been told; the server will refuse a message without a type
                item = form.encode(Checked("", id=message.id))
            large = self.large(message, item, link.codec)
            if large is not None:
                if not items:
                    self.write(again.popleft(), large, counted=True, binary=form.binary)
                break
            items.append(item)
            size += len(item)
            again.popleft()
        if items:
            link.send(items, place)

    def _start(self, link: Link, message: Message) -> bool:
        form = self._outbox.form(link.codec)
        item = self._outbox.encode(message, form)
        if item is None:
            self.waiting.popleft()
            return True
        large = self.large(message, item, link.codec)
        if large is not None:
            self.waiting.popleft()
            self.write(message, large, counted=False, binary=form.binary)
            return True
        if self._line.full:
            return False
        self.waiting.popleft()
        place = self._count(message, len(item))
        link.send([item], place)
        return True

    def _write_part(self, link: Link, writing: Unfinished) -> bool:
        most = min(self._reach.part, self.parts or PART)
        part = cut(writing.item, writing.at, most, binary=link.codec.binary)
        place = self._line.window.sent - (len(self.again) + 1 if writing.counted else 0)
        if part.is_last and not writing.counted:
            if self._line.full:
                return False
            place = self._count(writing.message, len(writing.item))
        writing.at = part.end
        if writing.done:
            self.writing = None
        link.part(part, place)
        return True

    def _count(self, message: Message, size: int) -> int:
        """A message of so many bytes has left; return its place in the count."""
        place = self._line.put(message, size)
        message.n = place + 1
        self._outbox.departed(message)
        return place

    def large(self, message: Message, item: bytes, codec: Codec) -> Large | None:
        """Return the item of a message that goes in parts; `None` if it goes whole."""
        if isinstance(item, Large):
            return item
        if not self.parts:
            return None
        if self._cut is not None and self._cut[0] is message and self._cut[1] is codec:
            known = self._cut[2]
            if self._reach.part < PART or (self.place is not None and self.place.of == known.of):
                return known
        if self._reach.part < PART and len(item) > self._reach.part:
            known = Large(item)
            self._cut = message, codec, known
            return known
        return None
