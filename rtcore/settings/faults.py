"""What does not fit, and where: gathered on the way up, so that all of it is reported at once."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Iterable
from typing import Any, Union, get_args, get_origin

import attrs

from rtcore.settings import toml
from rtcore.settings.words import given_text, type_text

Structure = Callable[[Any, Any], Any]

#: What `inside` returns instead of a value.
BAD: Any = object()


@attrs.frozen
class Fault:
    """One thing wrong, at a path relative to the value that was looked at."""

    path: toml.Path
    given: str
    expected: str
    nearest: str | None = None


class Unfit(Exception):
    """A value does not fit; `faults` holds everything that is wrong with it."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__(
            "; ".join(f"{toml.key_text(f.path)}: {f.given}, expected {f.expected}" for f in faults)
        )


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the word that it was probably meant to be."""
    found = difflib.get_close_matches(word.lower().replace("-", "_"), list(words), 1, 0.6)
    return found[0] if found else None


def inside(
    key: str | int,
    value: Any,
    type_: Any,
    structure: Structure,
    faults: list[Fault],
    *,
    secret: bool = False,
    expected: str | None = None,
) -> Any:
    """Shape one part of a whole; on failure note its faults under its key and return `BAD`."""
    try:
        return structure(value, type_)
    except Unfit as unfit:
        for fault in unfit.faults:
            # The part itself is of the wrong kind: the field's check belongs to what was expected.
            full = (
                expected
                if expected and not fault.path and fault.expected == type_text(_bare(type_))
                else fault.expected
            )
            faults.append(Fault((key, *fault.path), fault.given, full, fault.nearest))
    except (ValueError, TypeError, KeyError, AttributeError, ExceptionGroup):
        # A type that cattrs itself knows: its text may quote the value.
        faults.append(Fault((key,), given_text(value, secret=secret), expected or type_text(type_)))
    return BAD


def _bare(type_: Any) -> Any:
    arms = [arm for arm in get_args(type_) if arm is not type(None)]
    return arms[0] if get_origin(type_) in {Union, types.UnionType} and len(arms) == 1 else type_
