"""Values: what a payload may be, whatever codec carries it.

    null, true, false    text (no lone surrogates)    bytes    whole numbers of up to 4,300 digits    floats
    lists, and maps with text keys, at most 128 within one another

Rule: every codec carries all of these and nothing else. So a payload arrives equal through any two of them, and what
one of them would refuse to read none of them writes.

JSON has no bytes, no NaN and no infinities. A text codec that is JSON, or like it, writes them as *markers*, maps with
one key: `{"$bytes": "<base64>"}`, `{"$float": "NaN"}`. A map of the application that looks like a marker is written
with one `$` more. Reading never fails: a marker whose value does not fit is an ordinary map.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterable, Mapping
from enum import Enum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from itertools import chain, islice
from math import inf, isfinite, isnan, nan
from typing import Any, Final

import msgspec

#: Lists and maps within one another.
DEPTH: Final = 128
#: Of a whole number: what Python converts to text and back, since the time that this takes grows with the square.
DIGITS: Final = 4300
#: The first whole number that has more.
TOO_LARGE: Final = 10**DIGITS

#: What every codec's library writes as it is. Floats are apart: JSON lacks some.
SCALARS: Final[frozenset[type]] = frozenset({str, int, bool, type(None)})
#: What a binary codec's library writes as it is.
BINARY_SCALARS: Final[frozenset[type]] = frozenset({*SCALARS, float, bytes})

_MARKER: Final = re.compile(r"\$+(?:bytes|float)")
_FLOATS: Final = {"NaN": nan, "Infinity": inf, "-Infinity": -inf}
#: Values from which on a container is gone through by the interpreter's own loops; below, to set them up costs more.
_MANY: Final = 16
#: Values that are looked at together.
_MOST: Final = 1 << 20
_CONTAINERS: Final[frozenset[type]] = frozenset({dict, list, tuple})
_values_of: Final[Callable[[Any], Iterable[Any]]] = dict.values
_TEXT: Final[frozenset[type]] = frozenset({str})
_ADDRESSES: Final = (IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network)

# -- a quick look ------------------------------------------------------------------------------------------


def is_simple(value: Any, scalars: frozenset[type] = SCALARS, depth: int = DEPTH) -> bool:
    """Say whether a list or map holds nothing but such scalars, finite floats, and lists and maps of these.

    Then a codec's library may have it as it is, but for the size of whole numbers and what is in texts. `False` says
    only that somebody must look closely: `plain`. It costs 20 to 60 ns per value.
    """
    kind = value.__class__
    if kind is dict:
        if len(value) > _MANY:
            return _are_simple((value,), scalars, depth + 1)
        for key, one in value.items():
            kind = one.__class__
            if key.__class__ is not str:
                return False
            if kind not in scalars and not (
                one - one == 0.0 if kind is float else depth > 1 and is_simple(one, scalars, depth - 1)
            ):
                return False
        return True
    if kind is list or kind is tuple:
        return _are_simple(value, scalars, depth)
    return kind is float and isfinite(value)


def _are_simple(values: Collection[Any], scalars: frozenset[type], depth: int) -> bool:
    """Look at all values of one depth at once: a call for each list or map of them would take twice as long."""
    kinds = set(map(type, values))
    if kinds <= scalars:
        return True
    if float in kinds and float not in scalars:
        floats = values if len(kinds) == 1 else [one for one in values if one.__class__ is float]
        # With one among them that is not finite the sum is not, either.
        if not isfinite(sum(floats)) and not all(map(isfinite, floats)):
            return False
    kinds -= scalars
    kinds.discard(float)
    if kinds and depth < 2:
        return False
    for kind in kinds:
        if kind not in _CONTAINERS:
            return False
        held: list[Any] = [one for one in values if one.__class__ is kind]
        inner: Iterable[Any] = chain.from_iterable(held)
        if kind is dict:
            if not _TEXT.issuperset(map(type, inner)):
                return False
            inner = chain.from_iterable(map(_values_of, held))
        # Lists that hold one another twice become twice as many at each depth.
        below = list(islice(inner, _MOST))
        if len(below) == _MOST or not _are_simple(below, scalars, depth - 1):
            return False
    return True


# -- a close look ------------------------------------------------------------------------------------------


class _WrongError(Exception):
    """What is wrong with a value, and where: the path is filled in on the way out."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        self.path = ""


def plain(payload: Any) -> Any:
    """Return a payload made of nothing but what the module lists.

    Times, decimals and ids become text, sets become lists, dataclasses, attrs classes and structs become maps, as in
    `msgspec.to_builtins`; models of pydantic as their `model_dump` says; numbers as keys become text.

    Raises:
        TypeError: something in it cannot be said; the text says what, and where.

    >>> plain({1: (b"x", {2.5})})
    {'1': [b'x', [2.5]]}
    >>> plain({"items": [{"size": 1j}]})
    Traceback (most recent call last):
    TypeError: the payload at `items[0].size`: a complex cannot be sent
    """
    try:
        return _plain(payload, DEPTH)
    except _WrongError as wrong:
        where = f" at `{wrong.path.lstrip('.')[:200]}`" if wrong.path else ""
        raise TypeError(f"the payload{where}: {wrong.reason}") from None


def _plain(value: Any, depth: int) -> Any:
    kind = value.__class__
    if kind is str:
        return _text(value)
    if kind is bool or kind is float or kind is bytes or value is None:
        return value
    if kind is int:
        return _whole(value)
    if kind is dict:
        return _map(value, depth)
    if kind is list or kind is tuple:
        return _list(value, depth)
    if kind is bytearray or kind is memoryview:
        return bytes(value)
    return _plain(_builtin(value), depth)


def _map(value: dict[Any, Any], depth: int) -> dict[str, Any]:
    _check_depth(depth)
    found: dict[str, Any] = {}
    for key, one in value.items():
        name = _key(key)
        if name in found:
            raise _WrongError(f"two keys that are {name[:80]!r} as text")
        try:
            found[name] = _plain(one, depth - 1)
        except _WrongError as wrong:
            wrong.path = f".{name}{wrong.path}" if len(wrong.path) < 200 else wrong.path
            raise
    return found


def _list(value: Iterable[Any], depth: int) -> list[Any]:
    _check_depth(depth)
    found: list[Any] = []
    for place, one in enumerate(value):
        try:
            found.append(_plain(one, depth - 1))
        except _WrongError as wrong:
            wrong.path = f"[{place}]{wrong.path}" if len(wrong.path) < 200 else wrong.path
            raise
    return found


def _check_depth(depth: int) -> None:
    if depth < 1:
        raise _WrongError(
            f"lists and maps more than {DEPTH} deep within one another, or one that holds itself"
        )


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise _WrongError(
                f"half a character (a lone surrogate, U+{ord(value[error.start]):04X}), as of text cut in the middle"
            ) from None
    return value


def _whole(value: int) -> int:
    if not -TOO_LARGE < value < TOO_LARGE:
        raise _WrongError(f"a whole number of more than {DIGITS} digits; send it as bytes")
    return value


def _key(key: Any) -> str:
    if isinstance(key, Enum):
        key = key.value
    kind = key.__class__
    if kind is str:
        return _text(key)
    if kind is int:
        return str(_whole(key))
    if kind is float and isfinite(key):
        return repr(key)
    if kind not in (bool, float, type(None), bytes, bytearray, memoryview):
        try:
            name = _builtin(key)
        except _WrongError:
            name = None
        if name.__class__ in (str, int, float):
            return _key(name)
    raise _WrongError(f"the key of a map is text, given a {_name(key)}")


def _builtin(value: Any) -> Any:
    """Return an object of a program as what it is made of: one level at least."""
    if isinstance(value, Enum):
        return value.value
    try:
        return msgspec.to_builtins(value, builtin_types=(bytes, bytearray, memoryview), enc_hook=_rarer)
    except _WrongError:
        raise
    except RecursionError:
        raise _WrongError(f"more than {DEPTH} deep, or it holds itself") from None
    except (TypeError, ValueError, NotImplementedError) as error:
        raise _WrongError(f"a {_name(value)} cannot be sent: {error}"[:300]) from None


def _rarer(value: Any) -> Any:
    """What msgspec does not know: subclasses of builtins, addresses, mappings, models of pydantic."""
    for base, exact in _BASES:
        if isinstance(value, base):
            return exact(value)
    if isinstance(value, _ADDRESSES):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    dump = getattr(type(value), "model_dump", None)
    if dump is not None:
        return dump(value)
    raise _WrongError(f"a {_name(value)} cannot be sent")


#: What a subclass of a builtin type is without what it adds, whatever it overrides.
_BASES: Final[tuple[tuple[type, Callable[[Any], Any]], ...]] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, bytes),
    (bytearray, bytes),
)


def _name(value: object) -> str:
    return type(value).__name__


# -- markers, for text codecs ------------------------------------------------------------------------------


def mark(value: Any) -> Any:
    """Return what `plain` has made as JSON can say it: bytes and the floats that it lacks as markers.

    >>> mark([b"hi", float("inf"), {"$bytes": 1}])
    [{'$bytes': 'aGk='}, {'$float': 'Infinity'}, {'$$bytes': 1}]
    """
    kind = value.__class__
    if kind is bytes:
        return {"$bytes": b64encode(value).decode()}
    if kind is float:
        if isfinite(value):
            return value
        return {"$float": "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    if kind is list:
        return [mark(one) for one in value]
    if kind is dict:
        if len(value) == 1:
            [(key, one)] = value.items()
            return {f"${key}" if _MARKER.fullmatch(key) else key: mark(one)}
        return {key: mark(one) for key, one in value.items()}
    return value


def unmark(value: Any) -> Any:
    """Return a value as it was before `mark`. Never fails: what does not fit is what it looks like.

    >>> unmark([{"$bytes": "aGk="}, {"$$bytes": 1}, {"$bytes": "?"}])
    [b'hi', {'$bytes': 1}, {'$bytes': '?'}]
    """
    kind = value.__class__
    if kind is list:
        return [unmark(one) for one in value]
    if kind is dict:
        if len(value) == 1:
            [(key, one)] = value.items()
            if _MARKER.fullmatch(key):
                return _meant(key, one)
        return {key: unmark(one) for key, one in value.items()}
    return value


def _meant(key: str, one: Any) -> Any:
    if key.startswith("$$"):
        return {key[1:]: unmark(one)}
    if one.__class__ is str:
        if key == "$float":
            if one in _FLOATS:
                return _FLOATS[one]
        elif len(one) % 4 == 0 and not one.endswith("==="):
            try:
                return b64decode(one, validate=True)
            except ValueError:
                pass
    return {key: unmark(one)}
