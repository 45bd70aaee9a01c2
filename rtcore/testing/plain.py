"""A JSON codec that needs nothing but the standard library; for tests of what stands on a codec.

It is the contract made short, and slow: what a server runs with is `rtcore-json`. `PlainCodec(binary=True)` is
the same with every byte turned over, so that no frame of it is UTF-8: what a binary codec looks like to a transport.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from rtcore.hooks import hookimpl
from rtcore.spi.codec import Item
from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import BadControlError, FrameError, UndecodableError
from rtcore.wire.format import MAX_ITEMS
from rtcore.wire.message import PRIORITIES, Message
from rtcore.wire.ranges import RANGES_MAX, Ranges
from rtcore.wire.values import mark, plain, unmark

_TEXTS: Final = ("type", "id", "re", "room", "priority", "sender", "epoch", "trace")
_FIELDS: Final = (*_TEXTS, "offset", "covers", "timestamp", "version")
_TURN: Final = bytes(255 - n for n in range(256))


class PlainCodec:
    """See `rtcore.spi.codec.Codec`. Also a plugin: `App(plugins=[PlainCodec()])`.

    Args:
        name: what clients ask for.
        binary: turn every byte over.
    """

    def __init__(self, name: str = "json", *, binary: bool = False) -> None:
        self.name = name
        self.binary = binary
        self.content_type = "application/octet-stream" if binary else "application/json"
        self._turn = _TURN if binary else None

    @hookimpl
    def rtcore_codecs(self) -> Sequence[PlainCodec]:
        return [self]

    def encode(self, message: Message) -> bytes:
        fields: dict[str, Any] = {"type": message.type}
        for name in _FIELDS[1:]:
            value = getattr(message, name)
            if value is not None and (name, value) not in (("priority", "normal"), ("version", 0)):
                fields[name] = value
        if message.raw is not None and message.raw_codec is self:
            # The last key, so that the bytes can be put in as they are.
            head = self._dump(fields)
            return head[:-1] + b',"payload":'.translate(self._turn) + message.raw + head[-1:]
        payload = message.value()
        if payload is not None:
            fields["payload"] = mark(plain(payload))
        return self._dump(fields)

    def encode_payload(self, payload: Any) -> bytes:
        return self._dump(mark(plain(payload)))

    def encode_control(self, name: str, fields: dict[str, Any]) -> bytes:
        return self._dump([name, fields])

    def join(self, items: Sequence[bytes]) -> bytes:
        return b"\n".translate(self._turn).join(items)

    def decode(self, frame: bytes) -> Sequence[Item]:
        lines = frame.translate(self._turn).split(b"\n", MAX_ITEMS)
        items = [self._item(line) for line in lines if line]
        if len(items) > MAX_ITEMS:
            raise FrameError(f"more than {MAX_ITEMS} items in a frame")
        return items

    def decode_first(self, frame: bytes) -> tuple[Item | None, bytes]:
        first, _, rest = frame.partition(b"\n".translate(self._turn))
        items = self.decode(first)
        return (items[0] if items else None), rest

    def decode_payload(self, raw: bytes) -> Any:
        try:
            return unmark(_load(raw.translate(self._turn)))
        except (ValueError, RecursionError) as error:
            raise UndecodableError(str(error)) from error

    def _dump(self, value: object) -> bytes:
        try:
            text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        except (ValueError, RecursionError) as error:
            raise TypeError(f"JSON cannot express the payload: {error}") from error
        return text.encode().translate(self._turn)

    def _item(self, line: bytes) -> Item:
        if line[:1] == b"[":
            return _control(line)
        if line[:1] != b"{":
            raise FrameError("an item is neither a JSON object nor a JSON array")
        fields: dict[str, Any] = {}
        try:
            fields = _load(line)
            payload = fields.pop("payload", ...)
            known: dict[str, Any] = {name: fields[name] for name in _FIELDS if name in fields}
            _check(known)
            if "covers" in known:
                known["covers"] = _ranges(known["covers"])
            if payload is not ...:
                plain(unmark(payload))
        except (ValueError, TypeError, RecursionError) as error:
            request = fields.get("id")
            known_id = request if isinstance(request, str) and len(request) <= 256 else None
            return Undecodable(str(error)[:200], known_id)
        raw = None if payload is ... else self._dump(payload)
        return Message(**known, raw=raw, raw_codec=self)


def _load(line: bytes) -> Any:
    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    return json.loads(line, parse_constant=refuse)


def _control(line: bytes) -> Control:
    try:
        match json.loads(line):
            case [str(name), dict(fields)]:
                return Control(name, fields)
    except (ValueError, RecursionError) as error:
        raise BadControlError(str(error)[:200]) from error
    raise BadControlError("a control item is not [name, map]")


def _check(fields: dict[str, Any]) -> None:
    for name in _TEXTS:
        if name in fields and not isinstance(fields[name], str):
            raise ValueError(f"`{name}`: expected text, given {type(fields[name]).__name__}")
    if not 1 <= len(fields.get("type", "")) <= 128:
        raise ValueError("`type`: expected 1 to 128 characters")
    if fields.get("priority", "normal") not in PRIORITIES:
        raise ValueError(f"`priority`: expected one of {PRIORITIES}")
    for name in ("offset", "timestamp", "version"):
        value = fields.get(name, 0)
        if type(value) not in {int, float}:
            raise ValueError(f"`{name}`: expected a number, given {value!r:.40}")


def _ranges(value: Any) -> Ranges:
    try:
        ranges = tuple((first, last) for first, last in value)
    except TypeError as error:
        raise ValueError(f"`covers`: {error}") from error
    if len(ranges) > RANGES_MAX or not all(type(n) is int and n >= 0 for pair in ranges for n in pair):
        raise ValueError(f"`covers`: expected pairs of offsets, given {value!r:.40}")
    return ranges
