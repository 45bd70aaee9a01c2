"""Items as CBOR, one after the other (a CBOR sequence, RFC 8742).

Rule: an item is decoded whole, which finds its end and checks all of it; the bytes of its payload are kept beside
the decoded one, so that relaying it encodes no payload. They are found where the payload comes last, as it does in
what we write; elsewhere a relay encodes it again.

An item that cannot be decoded is looked through once more, only to find its end and its `id`, by a decoder that takes
nearly anything; what that cannot take is walked through, with one bound for all of a frame (`wellformed`). So the time
that a frame takes grows with its size, whatever is in it.

Costs of one message of 120 bytes (CPython 3.11): `decode` 2.2 µs, of which cbor2's own part is 0.8; `encode` 0.7 µs,
1.9 where the payload has to be encoded. To scan the envelope in Python and skip the payload undecoded costs as much
as to decode it, more for large ones, and checks nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any, Final

import cbor2

from rtcore.spi.codec import Item
from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import BadControlError, FrameError, UndecodableError
from rtcore.wire.format import MAX_ITEMS
from rtcore.wire.message import LANE, NAME_MAX, TYPE_MAX, Checked, Message
from rtcore.wire.ranges import RANGES_MAX
from rtcore.wire.values import BINARY_SCALARS, DEPTH, is_simple, plain
from rtcore_cbor.subset import has_large_number, new_decoder, new_finder
from rtcore_cbor.wellformed import Walker

_MAP: Final = 5
_ARRAY: Final = 4
_WORD: Final = b"payload"
#: Text of seven bytes: how everybody begins that key.
_HEAD: Final = 0x67
_REASON_MAX: Final = 200

_ERRORS: Final = (cbor2.CBORDecodeError, ValueError, RecursionError, OverflowError, MemoryError)


class CborCodec:
    """See `rtcore.spi.codec.Codec`. A binary codec: a text-only transport refuses it."""

    name = "cbor"
    binary = True
    content_type = "application/cbor-seq"

    def __init__(self) -> None:
        self._stream = BytesIO()
        self._decoder = new_decoder(depth=DEPTH + 1)  # the message around the payload is one, too
        self._finder = new_finder()
        self._go_on(0)
        self._encode = cbor2.CBOREncoder(BytesIO()).encode_to_bytes

    # -- out -------------------------------------------------------------------------------------------

    def encode(self, message: Message) -> bytes:
        m = message
        fields: dict[str, Any] = {"type": m.type}
        if m.id is not None:
            fields["id"] = m.id
        if m.re is not None:
            fields["re"] = m.re
        if m.room is not None:
            fields["room"] = m.room
        if m.priority != "normal":
            fields["priority"] = m.priority
        if m.sender is not None:
            fields["sender"] = m.sender
        if m.offset is not None:
            fields["offset"] = m.offset
        if m.epoch is not None:
            fields["epoch"] = m.epoch
        if m.covers is not None:
            fields["covers"] = m.covers
        if m.timestamp is not None:
            fields["timestamp"] = m.timestamp
        if m.version:
            fields["version"] = m.version
        if m.trace is not None:
            fields["trace"] = m.trace
        try:
            if m.raw is not None and m.raw_codec is self:
                return self._with(fields, m.raw)
            payload = m.value()
            return (
                self._encode(fields) if payload is None else self._with(fields, self.encode_payload(payload))
            )
        except (cbor2.CBOREncodeError, ValueError, RecursionError) as error:
            if isinstance(error, UndecodableError):
                raise
            self._encode = cbor2.CBOREncoder(BytesIO()).encode_to_bytes
            raise TypeError(f"CBOR cannot express the message: {error}") from error

    def encode_payload(self, payload: Any) -> bytes:
        if payload.__class__ in BINARY_SCALARS or is_simple(payload, BINARY_SCALARS):
            try:
                raw = self._encode(payload)
            except (cbor2.CBOREncodeError, ValueError, RecursionError):
                self._encode = cbor2.CBOREncoder(BytesIO()).encode_to_bytes  # `plain` says why, and where
            else:
                if not has_large_number(raw):
                    return raw
        return self._encode(plain(payload))

    def encode_control(self, name: str, fields: dict[str, Any]) -> bytes:
        return self._encode([name, fields])

    def join(self, items: Sequence[bytes]) -> bytes:
        return b"".join(items)

    def _with(self, fields: dict[str, Any], payload: bytes) -> bytes:
        """Encode an envelope and put the payload's bytes where `null` stands for it, in the last place."""
        fields["payload"] = None
        return self._encode(fields)[:-1] + payload

    # -- in --------------------------------------------------------------------------------------------

    def decode(self, frame: bytes) -> Sequence[Item]:
        items: list[Item] = []
        decoder, stream = self._decoder, self._stream
        _fill(stream, frame)
        place, end = 0, len(frame)
        walker: Walker | None = None
        while place < end:
            if len(items) == MAX_ITEMS:
                raise FrameError(f"more than {MAX_ITEMS} items in a frame")
            major = frame[place] >> 5
            if major not in (_MAP, _ARRAY):
                raise FrameError("an item is neither a CBOR map (a message) nor a CBOR array (control)")
            try:
                value = decoder.decode()
                after = stream.tell()
            except _ERRORS as error:
                reason = _reason(error)
                if walker is None:
                    walker = Walker(frame)
                after, request = self._skip(walker, place)
                if major == _ARRAY:
                    raise BadControlError(f"a control item is not [name, map]: {reason}") from error
                items.append(Undecodable(reason, request))
            else:
                items.append(
                    _control(value)
                    if major == _ARRAY
                    else self._message(value, frame if after - place == end else frame[place:after])
                )
            place = after
        return items

    def decode_first(self, frame: bytes) -> tuple[Item | None, bytes]:
        if not frame:
            return None, b""
        _fill(self._stream, frame)
        try:
            self._decoder.decode()
            after = self._stream.tell()
        except _ERRORS:
            after, _ = self._skip(Walker(frame), 0)
        return self.decode(frame[:after])[0], frame[after:]

    def decode_payload(self, raw: bytes) -> Any:
        _fill(self._stream, raw)
        try:
            value = self._decoder.decode()
        except _ERRORS as error:
            self._go_on(0)
            raise UndecodableError(_reason(error)) from error
        if self._stream.tell() != len(raw):
            raise UndecodableError("bytes after the payload's end")
        if value.__class__ not in BINARY_SCALARS and not is_simple(value, BINARY_SCALARS):
            try:
                plain(value)
            except TypeError as error:
                raise UndecodableError(str(error)[:_REASON_MAX]) from error
        return value

    def _skip(self, walker: Walker, place: int) -> tuple[int, str | None]:
        """Return where an item ends that cannot be decoded, and the `id` in it if it has one that can be read."""
        stream, finder = self._stream, self._finder
        stream.seek(place)
        finder.fp = stream
        after = 0
        try:
            value = finder.decode()
            after = stream.tell()
        except _ERRORS:
            value = None
            after = walker.end_of(place)
        finally:
            self._go_on(after)
        found = value.get("id") if value.__class__ is dict else None
        return after, found if found is not None and _is_name(found) and "\ufffd" not in found else None

    def _go_on(self, place: int) -> None:
        """Go on at this place of the frame: a decoder that has failed has read ahead in what is over.

        Both are kept, and the stream filled with each frame: to give a decoder another one costs a third of the
        decoding.
        """
        self._stream.seek(place)
        self._decoder.fp = self._stream

    def _message(self, fields: dict[str, Any], item: bytes) -> Message | Undecodable:
        raw = payload = None
        if "payload" in fields:
            last, payload = fields.popitem()
            if last == "payload":
                raw = _payload_bytes(item)
            else:
                fields[last], payload = payload, fields.pop("payload")
            if payload.__class__ not in BINARY_SCALARS and not is_simple(payload, BINARY_SCALARS):
                try:
                    plain(payload)
                except TypeError as error:
                    return _undecodable(str(error), fields)
        type_ = fields.pop("type", None)
        if type_.__class__ is not str or not 0 < len(type_) <= TYPE_MAX:
            reason = f"`type`: expected text of 1 to {TYPE_MAX} characters, given {_shown(type_)}"
            return _undecodable(reason, fields)
        message = Checked(type_, payload, raw=raw, raw_codec=self)
        # Few fields are there: to go through them costs half of asking for each that might be.
        for name, value in fields.items():
            check = _CHECKS.get(name)
            if check is not None:
                if not check(value):
                    return _undecodable(f"`{name}`: not a value that it can have: {_shown(value)}", fields)
                setattr(message, name, value)
        if message.covers is not None:
            message.covers = tuple((first, last) for first, last in message.covers)
        return message


def _fill(stream: BytesIO, frame: bytes) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(frame)
    stream.seek(0)


def _payload_bytes(item: bytes) -> bytes | None:
    """Return the bytes of the payload that is known to come last, if it is beyond doubt where they begin.

    Its key is in the item as text. Where the word occurs once, it is the key; an unusual head (`78 07` instead of
    `67`) is left to those who decode.
    """
    at = item.find(_WORD)
    begin = at + len(_WORD)
    return item[begin:] if item[at - 1] == _HEAD and item.find(_WORD, begin) < 0 else None


def _undecodable(reason: str, fields: dict[str, Any]) -> Undecodable:
    request = fields.get("id")
    return Undecodable(reason[:_REASON_MAX], request if _is_name(request) else None)


def _control(value: Any) -> Control:
    if (
        len(value) == 2
        and value[0].__class__ is str
        and value[1].__class__ is dict
        and all(key.__class__ is str for key in value[1])
    ):
        return Control(value[0], value[1])
    raise BadControlError("a control item is not [name, map]")


def _is_name(value: Any) -> bool:
    return value is None or (value.__class__ is str and len(value) <= NAME_MAX)


def _is_count(value: Any) -> bool:
    return value.__class__ is int and value >= 0


def _is_ranges(value: Any) -> bool:
    return value is None or (
        value.__class__ is list
        and len(value) <= RANGES_MAX
        and all(one.__class__ is list and len(one) == 2 and all(map(_is_count, one)) for one in value)
    )


#: What the fields of a message may be, beside its type and its payload.
_CHECKS: Final[dict[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("id", "re", "room", "sender", "epoch", "trace"), _is_name),
    "priority": lambda value: value.__class__ is str and value in LANE,
    "offset": lambda value: value is None or _is_count(value),
    "covers": _is_ranges,
    "version": _is_count,
    "timestamp": lambda value: value is None or value.__class__ in (float, int),
}


def _reason(error: BaseException) -> str:
    cause = f": {error.__cause__}" if error.__cause__ is not None else ""
    return f"{error}{cause}"[:_REASON_MAX] or type(error).__name__


def _shown(value: object) -> str:
    return f"{value!r:.60}"
