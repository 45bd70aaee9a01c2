"""Types, checks and values in the words of an error message, a table of the docs, `rtcore config`.

Rule: what might be a secret is named by its kind, never shown.
"""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import PurePath
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from rtcore.masks import masked_value
from rtcore.settings import toml
from rtcore.settings.sources import Text

_PLAIN: dict[Any, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "a table",
    list: "a list",
    tuple: "a list",
    Any: "any value",
}
_PLURAL = {
    "text": "texts",
    "a whole number": "whole numbers",
    "a number": "numbers",
    "a table": "tables",
    "a path": "paths",
}
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
_LONG = 60
_ENTRY = re.compile(r"    (?P<names>\w+(, \w+)*): (?P<text>.*)")

Validator = Callable[[Any, Any, Any], Any]


def type_text(type_: Any, validator: Validator | None = None) -> str:
    """Say what a value of this type that passes this check looks like: `a whole number ≥ 1`."""
    text = _type(type_)
    check = validator_text(validator) if validator is not None else None
    return f"{text} {check}" if check else text


def _type(type_: Any) -> str:
    origin, args = get_origin(type_), get_args(type_)
    if type_ in _PLAIN:
        return _PLAIN[type_]
    if origin is Literal:
        return _one_of(args)
    if origin in {Union, types.UnionType}:
        return " or ".join(_type(arm) for arm in args if arm is not type(None))
    if origin is tuple and len(args) > 1 and args[1] is not Ellipsis:
        return f"a list of {len(args)}: " + ", ".join(map(_type, args))
    if isinstance(origin, type) and args:
        if issubclass(origin, Mapping):
            return f"a table of {_plural(_type(args[1]))}"
        if issubclass(origin, Sequence | AbstractSet):
            return f"a list of {_plural(_type(args[0]))}"
    if isinstance(type_, type):
        if issubclass(type_, Enum):
            return _one_of([member.value for member in type_])
        if issubclass(type_, PurePath):
            return "a path"
        if attrs.has(type_):
            return "a table"
        return type_.__name__
    if hasattr(type_, "__supertype__"):
        return _type(type_.__supertype__)
    return str(type_)


def _plural(text: str) -> str:
    return _PLURAL.get(text, text)


def _one_of(values: Sequence[Any]) -> str:
    return "one of " + ", ".join(map(toml.value_text, values))


def validator_text(validator: Any) -> str | None:
    """Say what an attrs validator lets pass, or `None` if it is not one of attrs' own.

    A validator of one's own may say it in an attribute `expects`.
    """
    if (own := getattr(validator, "expects", None)) is not None:
        return str(own)
    match type(validator).__name__:
        case "_NumberValidator":
            return f"{_SIGNS.get(validator.compare_op, validator.compare_op)} {validator.bound}"
        case "_InValidator":
            return _one_of(sorted(validator.options, key=str))
        case "_MatchesReValidator":
            return f"that matches `{validator.pattern.pattern}`"
        case "_MinLengthValidator":
            return f"of length ≥ {validator.min_length}"
        case "_MaxLengthValidator":
            return f"of length ≤ {validator.max_length}"
        case "_OptionalValidator":
            return validator_text(validator.validator)
        case "_AndValidator":
            checks = [validator_text(part) for part in validator._validators]  # noqa: SLF001 - attrs has no other way
            return " and ".join(check for check in checks if check) or None
        case "_DeepIterable":
            member = validator_text(validator.member_validator)
            return f"each {member}" if member else None
        case _:
            return None


def help_text(cls: type[Any], name: str) -> str:
    """Return what a field is for: `help` in its metadata, or else its entry under `Attributes:` in the docstring."""
    field = next(f for f in attrs.fields(cls) if f.name == name)
    return str(field.metadata.get("help", "")) or _documented(cls).get(name, "")


def _documented(cls: type[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    names: list[str] = []
    _, _, section = inspect.cleandoc(cls.__doc__ or "").partition("\nAttributes:\n")
    for line in section.splitlines():
        if line and not line.startswith("    "):
            break  # the next section
        entry = _ENTRY.match(line)
        if entry:
            names = entry["names"].split(", ")
            found.update(dict.fromkeys(names, entry["text"]))
        else:
            found.update({name: f"{found[name]} {line.strip()}".strip() for name in names})
    return {name: text[:1].upper() + text[1:] for name, text in found.items()}


def given_text(value: object, *, secret: bool = False) -> str:
    """Say what was given. Tables and lists are counted, not shown: they may hold secrets."""
    if secret:
        return "(secret)"
    if isinstance(value, Text):
        shown = masked_value(str(value))
        return f"`{shown}`" if len(shown) <= _LONG else f"`{shown[:_LONG]}…`"
    if isinstance(value, Mapping):
        return "an empty table" if not value else f"a table of {len(value)}"
    if isinstance(value, list | tuple | AbstractSet):
        return "an empty list" if not value else f"a list of {len(value)}"
    if value is None:
        return "nothing"
    shown = toml.shown_text(value)
    if len(shown) > _LONG:
        shown = f"{shown[:_LONG]}…"
    kind = "text" if isinstance(value, str) else "a whole number" if type(value) is int else None
    return f"{shown} ({kind})" if kind else shown
