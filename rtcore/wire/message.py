"""The message: what sessions exchange, and the wire forms that it remembers.

A message that came from the wire keeps its payload as the bytes it arrived in until somebody looks at it.
Relaying a room message therefore never decodes it, and what one member sent is what every member gets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore.wire.format import Format
    from rtcore.wire.ranges import Ranges
else:
    Codec = Format = Ranges = (
        Any  # they stand on this module, and whoever asks for a struct's signature looks them up
    )

Priority = Literal["critical", "high", "normal", "low"]

#: Lane numbers, the most urgent first.
PRIORITIES: Final[tuple[Priority, ...]] = ("critical", "high", "normal", "low")
LANE: Final[dict[str, int]] = {name: lane for lane, name in enumerate(PRIORITIES)}


class _Fields(msgspec.Struct, eq=False, gc=False):
    """What a message holds, in the order in which codecs give it.

    A struct is made in C: a class with slots takes three times as long for each of the two messages of an echo, and as
    long again to go. The collector does not look at messages: nothing that they hold leads back to them, and the
    windows of ten thousand sessions are full of them.
    """

    type: str
    payload: Any = None
    id: str | None = None
    re: str | None = None
    room: str | None = None
    priority: Priority = "normal"
    sender: str | None = None
    offset: int | None = None
    epoch: str | None = None
    covers: Ranges | None = None
    timestamp: float | None = None
    version: int = 0
    trace: str | None = None
    raw: bytes | None = None
    raw_codec: Codec | None = None
    n: int = 0
    made_for: Format | None = None
    made: bytes = b""
    _forms: dict[Format, bytes] | None = None


class Message(_Fields, eq=False, gc=False):
    """One application message.

    Attributes:
        type: what it is, such as `"chat:message"`; 1 to 128 characters.
        id: set by a sender that wants a reply; echoed in the reply's `re`.
        re: the `id` of the message that this one answers.
        room: the room that it was published to.
        priority: the lane that it waits in; `"normal"` is not written to the wire.
        sender: the subject or session id of who sent it, set by the server.
        offset: its place in the room's history, set by the broker.
        epoch: the life of the history that `offset` counts in; a new epoch means that history began again.
        covers: offsets of that history that it stands for besides its own, because it replaced or took in what
            waited: pairs of a first and a last one. `None` for nearly every message.
        timestamp: seconds since 1970, set by the sender, or `None`.
        version: the version of the payload's shape; 0 is not written to the wire.
        trace: a W3C `traceparent` (Trace Context, section 3.2), or `None`.
        n: its place among the messages that its sender has sent in its session, from 1; 0 if it came from no client;
            less than 0 if it answers the message at that place.
        raw: the payload as it came, in the encoding of `raw_codec`; `None` when the payload is an object.
        made: the wire form that was asked for last, and `made_for` the format that it has; `None` if there is none.

    A message is immutable once it has been posted: its wire forms are shared by all who receive it.
    """

    _payload = _Fields.payload

    @property  # type: ignore[misc]  # it stands before the field, which is `_payload` from here on
    def payload(self) -> Any:
        """The payload as Python objects; decoded at the first look.

        Raises:
            UndecodableError: the bytes are not what the codec can decode.
        """
        if self._payload is None and self.raw is not None and self.raw_codec is not None:
            self._payload = self.raw_codec.decode_payload(self.raw)
        return self._payload

    def form(self, form: Format) -> bytes:
        """Return the framed bytes for connections of one format; encoded at the first call.

        The last format asked for is kept in a slot of its own: nearly every audience has one format, and
        a dict lookup per receiver costs more than the comparison. There is no dict before there are two: it would
        be as large as the message itself, and windows hold many messages.
        """
        if self.made_for is form:
            return self.made
        if self.made_for is None:
            data = form.encode(self)
        else:
            forms = self._forms
            if forms is None:
                forms = self._forms = {self.made_for: self.made}
            known = forms.get(form)
            data = forms[form] = form.encode(self) if known is None else known
        self.made_for, self.made = form, data
        return data

    @property
    def forms(self) -> Mapping[Format, bytes]:
        """The wire forms that it remembers, if it was asked for more than one; else none of them."""
        return self._forms or {}

    @property
    def size(self) -> int:
        """Bytes of the last wire form; of the raw payload, or 0, if it was never encoded."""
        return len(self.made) or len(self.raw or b"")

    @property
    def posted(self) -> bool:
        """It has a wire form, so it was given to somebody: it must not change any more."""
        return self.made_for is not None

    def copy(self) -> Message:
        """Return the same message as one that was never posted, to nobody's request and by nobody's count."""
        return Message(
            self.type, self._payload, room=self.room, priority=self.priority, sender=self.sender,
            offset=self.offset, epoch=self.epoch, timestamp=self.timestamp, version=self.version,
            trace=self.trace, raw=self.raw, raw_codec=self.raw_codec,
        )  # fmt: skip

    def covering(self, covers: Ranges | None) -> Message:
        """Return the same message as one that stands for these offsets, too. Its own payload, and forms of its own."""
        other = self.copy()
        other.id, other.re, other.covers = self.id, self.re, covers
        return other

    def forget_forms(self) -> None:
        """Drop the remembered wire forms; they are made again when they are needed."""
        self.made_for, self.made, self._forms = None, b"", None

    def __repr__(self) -> str:
        shown = [repr(self.type)]
        for name in ("id", "re", "room", "sender", "offset"):
            value = getattr(self, name)
            if value is not None:
                shown.append(f"{name}={value!r}")
        if self.priority != "normal":
            shown.append(f"priority={self.priority!r}")
        return f"Message({', '.join(shown)})"
