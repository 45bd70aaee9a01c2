"""The message: what sessions exchange, and the wire forms that it remembers.

A message that came from the wire keeps its payload as the bytes it arrived in until somebody looks at it.
Relaying a room message therefore never decodes it, and what one member sent is what every member gets.

Rule: what is sent is what the payload was when it was sent. The first item that is made of a message is kept, and the
program's object is not: whatever form is made later, for another codec or a replay, is made of that item.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from rtcore.wire.values import plain

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

#: Characters of a type, and of the other texts beside the payload.
TYPE_MAX: Final = 128
NAME_MAX: Final = 256


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
    item: bytes | None = None
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
        raw: the payload as it came, in the encoding of `raw_codec`; `None` when the payload is an object. Where it is
            there it is what counts, whatever has become of `payload` since somebody looked at it.
        item: the item that was made first, by `raw_codec`, of a payload that was an object; it stands for it since.
        made: the wire form that was asked for last, and `made_for` the format that it has; `None` if there is none.

    A message is immutable once it has been posted: its wire forms are shared by all who receive it.

    Raises:
        TypeError, ValueError: a field is not what it may be; the text says which, what was given, what was expected.
    """

    def __post_init__(self) -> None:
        # In one expression, with what is common first: 60 ns for a message of a type and a payload.
        try:
            if (
                self.type.__class__ is str
                and 0 < len(self.type) <= TYPE_MAX
                and self.priority in LANE
                and self.id is self.re is self.room is self.sender is self.epoch is self.trace is None
                and self.offset is self.timestamp is None
                and self.version.__class__ is int
            ):
                return
        except TypeError:
            pass
        _check(self)

    _payload = _Fields.payload

    @property  # type: ignore[misc]  # it stands before the field, which is `_payload` from here on
    def payload(self) -> Any:
        """The payload as Python objects; decoded at the first look. Once it was sent, a copy of what was sent.

        Raises:
            UndecodableError: the bytes are not what the codec can decode.
        """
        if self._payload is None and self.raw_codec is not None:
            if self.item is not None:
                self._thaw(self.raw_codec)
            if self.raw is not None:
                self._payload = self.raw_codec.decode_payload(self.raw)
        return self._payload

    def value(self) -> Any:
        """Return the payload for a codec to encode: not what somebody has looked at, and may have changed."""
        if self.item is not None or self.raw is not None:
            if self.raw_codec is None:
                return None
            if self.item is not None:
                self._thaw(self.raw_codec)
            return self.raw_codec.decode_payload(self.raw)  # type: ignore[arg-type]  # it is there now
        return self._payload

    def keep(self, item: bytes, codec: Codec) -> None:
        """This item was made of the payload, an object: from now on it is what was sent."""
        self.item, self.raw_codec, self._payload = item, codec, None

    def freeze(self, codec: Codec) -> None:
        """Whoever changes the payload's object from now on changes nothing that is sent. Again is harmless.

        For those who hold a message before anybody encodes it, such as a broker that sends later.

        Raises:
            TypeError: the payload holds something that cannot be sent.
        """
        if self.raw is None and self.item is None and self._payload is not None:
            self.raw, self.raw_codec, self._payload = codec.encode_payload(self._payload), codec, None

    def copy_payload(self) -> None:
        """Do the same where no codec is at hand, as in another thread: take plain values in the payload's place.

        Raises:
            TypeError: the payload holds something that cannot be sent.
        """
        if self.raw is None and self.item is None:
            self._payload = plain(self._payload)

    def _thaw(self, codec: Codec) -> None:
        """Take the payload's bytes out of the item."""
        came = codec.decode(self.item or b"")[0]
        if isinstance(came, Message):
            self.raw = came.raw if came.raw is not None else codec.encode_payload(came.payload)
        self.item = None

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
        """Bytes of the last wire form; of its item, its raw payload, or 0, if it was never encoded."""
        return len(self.made) or len(self.item or self.raw or b"")

    @property
    def posted(self) -> bool:
        """It has a wire form, so it was given to somebody: it must not change any more."""
        return self.made_for is not None

    def copy(self) -> Message:
        """Return the same message as one that was never posted, to nobody's request and by nobody's count."""
        if self.item is not None and self.raw_codec is not None:
            self._thaw(self.raw_codec)
        return Checked(
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
        """Drop the remembered wire forms; they are made again when they are needed, of the payload as it was."""
        if self.item is not None and self.raw_codec is not None:
            self._thaw(self.raw_codec)
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


class Checked(Message, eq=False, gc=False):
    """A message whose fields somebody has checked already: a codec that made it of an item, or the kernel.

    To everybody else it is a `Message`. To be made takes it half the time: what msgspec calls after that is a builtin
    that does nothing.
    """

    __post_init__ = callable  # type: ignore[assignment,misc]


def _check(message: Message) -> None:
    """Make sure that a message can be written, and read by whoever gets it; enums of text become the text."""
    message.type = _text("type", message.type)
    if not message.type:
        raise ValueError(f"type: expected 1 to {TYPE_MAX} characters, given ''")
    priority: object = message.priority
    if not isinstance(priority, str) or priority not in LANE:
        raise ValueError(f"priority: expected one of {', '.join(PRIORITIES)}, given {priority!r:.60}")
    message.priority = PRIORITIES[LANE[priority]]
    for name in ("id", "re", "room", "sender", "epoch", "trace"):
        value = getattr(message, name)
        if value is not None:
            setattr(message, name, _text(name, value))
    for name in ("offset", "version"):
        value = getattr(message, name)
        if not (value is None and name == "offset") and (type(value) is not int or value < 0):
            raise ValueError(f"{name}: expected a whole number from 0, given {value!r:.60}")
    if message.timestamp is not None and type(message.timestamp) not in (int, float):
        raise TypeError(f"timestamp: expected seconds since 1970, given {message.timestamp!r:.60}")


#: What a program may say of a message besides its type and its payload.
_FIELDS: Final = frozenset(
    {"id", "re", "room", "priority", "sender", "offset", "epoch", "timestamp", "version", "trace"}
)


def check_fields(names: Iterable[str]) -> None:
    """Refuse what a message has not, for those who pass fields on.

    Raises:
        TypeError: names it, and what there is.
    """
    unknown = set(names) - _FIELDS
    if unknown:
        raise TypeError(f"a message has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_FIELDS))}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        hint = "; to send a Message as it is, use `post`" if isinstance(value, Message) else ""
        raise TypeError(f"{name}: expected text, given a {type(value).__name__}{hint}")
    most = TYPE_MAX if name == "type" else NAME_MAX
    if len(value) > most:
        raise ValueError(f"{name}: expected up to {most} characters, given {len(value)}: {value[:60]!r}")
    return value if type(value) is str else str.__str__(value)
