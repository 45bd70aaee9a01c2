"""Payloads checked against types, with msgspec: straight from JSON, or from objects that another codec made.

dataclasses, attrs classes (their validators run), `msgspec.Struct`, TypedDict, NamedTuple, enums, unions, and the
builtin types; `Annotated[…, msgspec.Meta(…)]` for bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from rtcore.errors import PayloadError
from rtcore.spi.model import is_model, validated
from rtcore.wire.errors import UndecodableError
from rtcore.wire.values import unmark
from rtcore_json.bounds import has_marker, read_any

_PATH = re.compile(r" - at `(?:key` in `)?\$(?P<path>[^`]*)`$")
_GIVEN = re.compile(r"(?P<expected>Expected .+?), got (?P<given>.+)", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<field>.+)`", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<field>.+)`", re.DOTALL)


class TypedJson:
    """See `rtcore.spi.codec.TypedCodec`."""

    def __init__(self) -> None:
        # One per type that a handler declares: as many as the program has.
        self._decoders: dict[Any, Callable[[bytes], Any]] = {}

    def decode_typed(self, raw: bytes, type_: type[Any]) -> Any:
        decode = self._decoders.get(type_)
        if decode is None:
            decode = self._decoders[type_] = msgspec.json.Decoder(type_, dec_hook=_make).decode
        try:
            if not has_marker(raw):
                return decode(raw)
        except (ValueError, RecursionError) as error:
            if "out of range" not in str(error):
                raise _explained(error, lambda: msgspec.json.decode(raw)) from error
        return _converted(raw, type_)


class MsgspecConverter:
    """See `rtcore.spi.codec.Converter`."""

    def convert(self, payload: object, type_: type[Any]) -> Any:
        return _convert(payload, type_)


def _convert(payload: object, type_: type[Any]) -> Any:
    try:
        return msgspec.convert(payload, type_, dec_hook=_make)
    except (ValueError, RecursionError) as error:
        raise _explained(error, lambda: payload) from error


def _converted(raw: bytes, type_: type[Any]) -> Any:
    """The long way, for what msgspec cannot read by itself: bytes, and floats that JSON lacks."""
    try:
        value = read_any(raw)
    except UndecodableError as error:
        raise PayloadError("", "JSON", str(error)) from error
    return _convert(unmark(value) if has_marker(raw) else value, type_)


def _make(type_: type[Any], given: object) -> Any:
    if is_model(type_):
        return validated(given, type_)
    # NotImplementedError is what msgspec hands through: this is the program's mistake and not the payload's.
    raise NotImplementedError(
        f"msgspec cannot make a {type_.__name__} of a payload; declare a dataclass, say"
    )


def _explained(error: Exception, payload: Callable[[], object]) -> PayloadError:
    """Take msgspec's sentence apart: where, what was expected, what was given.

    What is wrong in the value itself (a bound, an enum) leaves the value out of the sentence; it is looked up.
    """
    text = str(error)
    path = ""
    if found := _PATH.search(text):
        path = found["path"].removeprefix(".")
        text = text[: found.start()]
    if found := _MISSING.fullmatch(text):
        return PayloadError(f"{path}.{found['field']}".removeprefix("."), "a required field", "nothing")
    if found := _UNKNOWN.fullmatch(text):
        return PayloadError(
            f"{path}.{found['field']}".removeprefix("."), "no such field", _shown(found["field"])
        )
    if found := _GIVEN.fullmatch(text):
        return PayloadError(path, found["expected"].removeprefix("Expected "), found["given"])
    try:
        given = _shown(_at(payload(), path))
    except (ValueError, LookupError, TypeError, RecursionError):
        given = "something else"
    return PayloadError(path, text.removeprefix("Expected ")[:200], given)


def _at(value: Any, path: str) -> object:
    """Follow a path such as `items[2].price`.

    >>> _at({"items": [{"price": 1}]}, "items[0].price")
    1
    """
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        value = value[key] if key else value[int(index)]
    return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
