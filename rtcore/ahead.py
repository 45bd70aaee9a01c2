"""What a session writes before anything new: what its client lacks, and the message that is half out.

The order is `rtcore.wire.replay`'s; here it becomes bytes, a little at a time, while the connection has room.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from rtcore.errors import Rejected
from rtcore.wire.message import Message
from rtcore.wire.parts import PART, SMALLEST, Large
from rtcore.wire.replay import Replay, Unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtcore.connection import Connection
    from rtcore.outgoing import Outgoing
    from rtcore.spi.codec import Codec
    from rtcore.wire.hello import Place


class Ahead(Replay):
    """Of one session. It is falsy while there is nothing.

    Args:
        out: the session.

    Attributes:
        stride: bytes of a part, and of what is written at once. A link that carried nothing of that gets half of it.
    """

    __slots__ = ("_cut", "_gave_way", "_mark", "_out", "stride")

    def __init__(self, out: Outgoing) -> None:
        super().__init__()
        self._out = out
        self._mark: tuple[int, Place | None] | None = None
        # The last message that was cut only because of the link; cut anew, it would have to begin anew.
        self._cut: tuple[Message, Codec, Large] | None = None
        # What was urgent went before a part, which is next, unless something is critical.
        self._gave_way = False
        self.stride = PART

    def begin_at(self, received: int, again: Sequence[Message], place: Place | None) -> None:
        """A client has come, or polls: it has `received` messages and lacks these; `place` as in `Replay.begin`."""
        writing = self.writing
        there = place.at if place is not None and writing is not None and place.of == writing.item.of else 0
        if not self.progress(received, place) and (
            again or self.waiting or (writing is not None and writing.at > there)
        ):
            self.stride = max(SMALLEST, self.stride // 2)
        self.begin(again, place)

    def progress(self, received: int, place: Place | None) -> bool:
        """A client says what it has. True if that is more than before: then the link carries more at once, too."""
        if (received, place) == self._mark:
            return False
        self._mark = received, place
        self.stride = min(PART, self.stride * 2)
        return True

    def write_some(self, connection: Connection) -> None:
        """Write a little. Not while it is falsy."""
        writing = self.writing
        if writing is not None:
            if not writing.counted and self._out.put_urgent(writing.message, only_critical=self._gave_way):
                self._gave_way = True
            if not connection.paused and not connection.ended:
                self._gave_way = False
                self._write_part(connection, writing)
        elif self.again:
            self._write_again(connection)
        else:
            self._start(self.waiting.popleft())

    def withdraw(self, room: str) -> list[Message]:
        """Take back what is not begun, or begun on a connection that is gone, of a room's history."""
        mine = [one for one in self.waiting if one.room == room and one.offset is not None]
        if mine:
            self.waiting = deque(one for one in self.waiting if one not in mine)
        return mine

    def forget_answers(self) -> int:
        """Take away the answers that are not begun on this connection; return how many there were."""
        before = len(self.waiting)
        self.waiting = deque(one for one in self.waiting if one.n >= 0)
        return before - len(self.waiting)

    def take_back(self, room: str) -> int:
        """Drop what is not counted of a room, also the rest of what is half out; return how many messages that was."""
        count = len(self.uncounted)
        self.waiting = deque(one for one in self.waiting if one.room != room or one.n < 0)
        writing = self.writing
        if (
            writing is not None
            and not writing.counted
            and writing.message.room == room
            and writing.message.n >= 0
        ):
            self.writing = None
        return count - len(self.uncounted)

    def finish(self, connection: Connection) -> None:
        """Write the rest of the message that is half out, whether there is room or not: it is the last."""
        while self.writing is not None and self._out.connection is connection and not connection.ended:
            self._write_part(connection, self.writing)

    def _write_again(self, connection: Connection) -> None:
        """Write messages of the window once more. They were counted, so something must stand in the place of each."""
        out, again = self._out, self.again
        forms: list[bytes] = []
        size = 0
        while again and size < self.stride:
            message = again[0]
            try:
                form = message.form(out.form)
            except Exception:  # noqa: BLE001 - whatever a codec raises; the connection before had another one
                out.drop("unencodable")
                message = again[0] = _refusal(message, "unencodable", f"a message of type {message.type!r}")
                continue
            item = self._large(message, form)
            if item is not None and len(item) > out.largest:
                out.drop("message_too_big")
                again[0] = self._too_big(message, item)
                continue
            if item is not None:
                if not forms:
                    self.write(again.popleft(), item, counted=True, binary=out.form.binary)
                break
            forms.append(form)
            size += len(form)
            again.popleft()
        if forms:
            data = out.form.finish(forms)
            out.counters.bytes_sent += len(data)
            connection.link.write(data)

    def _start(self, message: Message) -> None:
        """Begin what is not counted yet, or write it whole if this connection has a smaller form of it."""
        out = self._out
        try:
            item = self._large(message, message.form(out.form))
        except Exception:  # noqa: BLE001 - as above
            out.dropped(message, "unencodable")
            return
        if item is not None and len(item) <= out.largest:
            self.write(message, item, counted=False, binary=out.form.binary)
            return
        if item is None:
            out.put_good([message])
        elif message.re is None:
            out.dropped(message, "message_too_big")
        else:
            out.drop("message_too_big")
            out.put_good([self._too_big(message, item)])

    def _write_part(self, connection: Connection, writing: Unfinished) -> None:
        out = self._out
        data, writing.at = out.form.part(writing.item, writing.at, self.stride)
        if writing.done:
            self.writing = None
            if not writing.counted:
                out.window.push((writing.message,), len(writing.item))
                out.counters.messages_sent += 1
        if out.ack_rides:
            data = out.with_ack(data)
        out.counters.bytes_sent += len(data)
        connection.link.write(data)

    def _large(self, message: Message, form: bytes) -> Large | None:
        """Return the item of a message that goes in parts; `None` if it goes whole, as `form`."""
        if isinstance(form, Large):
            return form
        out, codec = self._out, self._out.form.codec
        if self._cut is not None and self._cut[0] is message and self._cut[1] is codec:
            item = self._cut[2]
            if self.stride < PART or (self.place is not None and self.place.of == item.of):
                return item
        if self.stride < PART and out.largest and len(form) > self.stride:
            item = Large(codec.encode(message))
            self._cut = message, codec, item
            return item
        return None

    def _too_big(self, message: Message, item: bytes) -> Message:
        reason = (
            f"a message of type {message.type!r} has {len(item)} bytes; this client takes {self._out.largest}"
        )
        return _refusal(message, "message_too_big", reason)


def _refusal(message: Message, code: str, reason: str) -> Message:
    """Return what a client gets in the place of a message: if that was an answer, the one that asked hears of it."""
    error = Message("error", Rejected(code, reason).fields(), re=message.re, priority=message.priority)
    error.n = message.n
    return error
