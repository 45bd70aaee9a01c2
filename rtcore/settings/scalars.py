"""One value each: numbers, text, paths, choices.

Rule: nothing is guessed. "10" is no number, true is no number; a whole number does for a number. Only `Text`, which
has no type of its own yet, is read as what its key wants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from rtcore.settings import toml
from rtcore.settings.faults import Fault, Unfit, nearest
from rtcore.settings.sources import Text, spelt
from rtcore.settings.words import given_text, type_text


def native(value: Any) -> Any:
    """Return typed values as they are, `Text` as the TOML value that it spells, or else as text."""
    if not isinstance(value, Text):
        return value
    read = spelt(value)
    return str(read) if isinstance(read, Text) else read


def unquoted(value: str) -> str:
    """Return text as text: typed with TOML's quotes, it loses them."""
    if isinstance(value, Text) and value[:1] in {'"', "'"}:
        parsed = native(value)
        return parsed if isinstance(parsed, str) else str(value)
    return str(value)


class Scalars:
    """One value each. `secret` keeps it out of the faults."""

    def __init__(self, *, secret: bool) -> None:
        self._secret_values = secret

    def _unfit(self, value: object, type_: Any) -> Unfit:
        return Unfit(Fault((), given_text(value, secret=self._secret_values), type_text(type_)))

    def boolean(self, value: Any, type_: Any) -> bool:
        plain = native(value)
        if not isinstance(plain, bool):
            raise self._unfit(value, bool)
        return plain

    def whole(self, value: Any, type_: Any) -> int:
        plain = native(value)
        if type(plain) is not int:
            raise self._unfit(value, int)
        return plain

    def number(self, value: Any, type_: Any) -> float:
        plain = native(value)
        if type(plain) not in {int, float}:
            raise self._unfit(value, float)
        try:
            number = float(cast(float, plain))
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise Unfit(Fault((), given_text(plain, secret=self._secret_values), "a finite number"))
        return number

    def text(self, value: Any, type_: Any) -> str:
        if not isinstance(value, str):
            raise self._unfit(value, str)
        return unquoted(value)

    def path(self, value: Any, type_: Any) -> Path:
        if isinstance(value, Path):
            return value
        if not isinstance(value, str) or not value:
            raise self._unfit(value, Path)
        return Path(unquoted(value))

    def anything(self, value: Any, type_: Any) -> Any:
        match native(value):
            case dict() as table:
                return {key: self.anything(inner, type_) for key, inner in table.items()}
            case list() as items:
                return [self.anything(inner, type_) for inner in items]
            case plain:
                return plain

    def member(self, value: Any, type_: Any) -> Any:
        if isinstance(value, type_):
            return value
        for reading in _readings(value):
            for member in type_:
                if _same(reading, member.value):
                    return member
        raise self._choice(value, type_, [member.value for member in type_])

    def literal(self, value: Any, type_: Any) -> Any:
        for reading in _readings(value):
            for choice in get_args(type_):
                if _same(reading, choice):
                    return choice
        raise self._choice(value, type_, get_args(type_))

    def _choice(self, value: object, type_: Any, choices: Sequence[Any]) -> Unfit:
        near = nearest(value, [c for c in choices if isinstance(c, str)]) if isinstance(value, str) else None
        hint = f"; {toml.value_text(near)} is the nearest" if near and not self._secret_values else ""
        fault = Fault((), given_text(value, secret=self._secret_values), type_text(type_) + hint)
        return Unfit(fault)


def _readings(value: Any) -> list[Any]:
    return [str(value), native(value)] if isinstance(value, Text) else [value]


def _same(value: object, choice: object) -> bool:
    return type(value) is type(choice) and value == choice
