"""Items as JSON, one per line.

Rule: the envelope is decoded, the payload is not. `payload` stays the bytes that it came in, checked for being
JSON in UTF-8 that every codec can say (`bounds`) but not turned into objects, so that a relayed message is never
decoded by the server. No item holds a line break of any kind: a carriage return between two tokens is a space to us.

Costs of one message of 120 bytes (CPython 3.11): `decode` 620 ns, of which msgspec's own part is 160;
`encode` 220 ns. What was measured and lost is said where it would stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw

from rtcore.spi.codec import Item
from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import BadControlError, FrameError
from rtcore.wire.format import MAX_ITEMS
from rtcore.wire.message import NAME_MAX, TYPE_MAX, Checked, Message, Priority
from rtcore.wire.ranges import RANGES_MAX
from rtcore.wire.values import SCALARS, is_simple, mark, plain, unmark
from rtcore_json.bounds import SHORT, beyond, has_marker, read_any
from rtcore_json.salvage import id_of
from rtcore_json.typed import TypedJson

_MAP: Final = ord("{")
_ARRAY: Final = ord("[")
_NEWLINE: Final = ord("\n")
_RETURN: Final = ord("\r")
_DOLLAR: Final = ord("$")
#: Characters of an `Undecodable`'s reason: it goes back to the sender, and may quote what was sent.
_REASON_MAX: Final = 200

_Type = Annotated[str, Meta(min_length=1, max_length=TYPE_MAX)]
_Name = Annotated[str, Meta(max_length=NAME_MAX)]
_Count = Annotated[int, Meta(ge=0)]
_Ranges = Annotated[tuple[tuple[_Count, _Count], ...], Meta(max_length=RANGES_MAX)]


class _Envelope(msgspec.Struct, omit_defaults=True, gc=False):
    """The map of a message, in both directions. Keys that are not here are ignored."""

    type: _Type
    id: _Name | None = None
    re: _Name | None = None
    room: _Name | None = None
    priority: Priority = "normal"
    sender: _Name | None = None
    offset: _Count | None = None
    epoch: _Name | None = None
    covers: _Ranges | None = None
    timestamp: float | None = None
    version: _Count = 0
    trace: _Name | None = None
    payload: Raw = Raw()


class _Outgoing(_Envelope, omit_defaults=True, gc=False):
    """The same map when the payload is an object that is still to be encoded."""

    payload: Any = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_control = msgspec.json.Decoder(tuple[str, dict[str, Any]]).decode
_encode = msgspec.json.Encoder().encode


class JsonCodec(TypedJson):
    """See `rtcore.spi.codec.Codec`. A text codec: it fits every transport."""

    name = "json"
    binary = False
    content_type = "application/json"

    def encode(self, message: Message) -> bytes:
        m = message
        if m.raw is not None and m.raw_codec is self:
            payload: Any = Raw(m.raw)
            simple = False
        else:
            payload = m.value()
            simple = payload.__class__ in SCALARS or is_simple(payload)
            if not simple:
                payload = Raw(self.encode_payload(payload))
        # One struct for all messages. Joining bytes by hand wins 80 ns for a reply, which has three fields, and
        # loses as much for a room message, which has five; a dict is slower than both.
        envelope = _Outgoing(
            m.type, m.id, m.re, m.room, m.priority, m.sender, m.offset, m.epoch, m.covers, m.timestamp, m.version,
            m.trace, payload,
        )  # fmt: skip
        try:
            item = _encode(envelope)
            if not (simple and _DOLLAR in item and b'"$' in item):
                return item
            # A text that begins so may be the only key of a map, which then looks like a marker.
            envelope.payload = Raw(self.encode_payload(payload))
            return _encode(envelope)
        except (RecursionError, ValueError) as error:
            plain(payload if simple else None)  # it says where, if that is the reason
            raise TypeError(f"JSON cannot express the message: {error}") from error

    def encode_payload(self, payload: Any) -> bytes:
        if payload.__class__ in SCALARS or is_simple(payload):
            try:
                raw = _encode(payload)
            except (ValueError, RecursionError):
                pass  # `plain` says why, and where
            else:
                if not (_DOLLAR in raw and b'"$' in raw):
                    return raw
        return _encode(mark(plain(payload)))

    def encode_control(self, name: str, fields: dict[str, Any]) -> bytes:
        return _encode((name, fields))

    def join(self, items: Sequence[bytes]) -> bytes:
        return b"\n".join(items)

    def decode(self, frame: bytes) -> Sequence[Item]:
        # Nearly every frame is one message. `in` with a number is a memchr; with bytes it is six times as slow.
        if _RETURN in frame:
            # White space, wherever it stands: in a text it would be escaped. Where lines end with one, too, it would
            # tear the items apart that this message is relayed in.
            frame = frame.replace(b"\r", b" ")
        if frame and frame[0] == _MAP and _NEWLINE not in frame:
            return (self._message(frame),)
        items: list[Item] = []
        for line in frame.split(b"\n", MAX_ITEMS):
            item = line.strip(b" \t\r")
            if not item:
                continue
            if len(items) == MAX_ITEMS:
                raise FrameError(f"more than {MAX_ITEMS} items in a frame")
            if item[0] == _MAP:
                items.append(self._message(item))
            elif item[0] == _ARRAY:
                items.append(_control(item))
            else:
                raise FrameError("an item is neither a JSON object (a message) nor a JSON array (control)")
        return items

    def decode_first(self, frame: bytes) -> tuple[Item | None, bytes]:
        frame = frame.lstrip()
        first, _, rest = frame.partition(b"\n")
        items = self.decode(first)
        return (items[0] if items else None), rest

    def decode_payload(self, raw: bytes) -> Any:
        value = read_any(raw)
        return unmark(value) if has_marker(raw) else value

    def _message(self, item: bytes) -> Message | Undecodable:
        try:
            if not item.isascii():
                # msgspec skips over the payload without a look at its encoding, and others will be sent it.
                item.decode()
            e = _decode_envelope(item)
        except (ValueError, RecursionError) as error:
            return Undecodable(str(error)[:_REASON_MAX], id_of(item))
        # `bytes` copies: the raw payload points into the frame, whose memory may be the transport's.
        raw = bytes(e.payload)
        if len(raw) > SHORT and (reason := beyond(raw)):
            return Undecodable(reason, e.id)
        return Checked(
            e.type, None, e.id, e.re, e.room, e.priority, e.sender, e.offset, e.epoch, e.covers, e.timestamp, e.version,
            e.trace, raw or None, self,
        )  # fmt: skip


def _control(item: bytes) -> Control:
    try:
        name, fields = _decode_control(item)
    except (ValueError, RecursionError) as error:
        raise BadControlError(f"a control item is not [name, map]: {str(error)[:_REASON_MAX]}") from error
    return Control(name, fields)
