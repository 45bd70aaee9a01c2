"""TOML in and out: a file with the place of its error, one value, a key path, a value as text."""

from __future__ import annotations

import datetime as dt
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from pathlib import PurePath
from typing import Any

import attrs

from rtcore.errors import Problem
from rtcore.masks import masked_value

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_PLACE = re.compile(
    r"^(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|(?P<end>end of document))\)$",
    re.DOTALL,
)

Path = tuple[str | int, ...]


class UnreadableError(Exception):
    """A file cannot be read as TOML; `problem` says where and why, without quoting the file."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(str(problem))


def read(file: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the file's top-level table.

    Raises:
        UnreadableError: no such file, no permission, not UTF-8, or not TOML (with line and column).
    """
    name = os.fspath(file)
    try:
        with open(file, "rb") as stream:  # noqa: PTH123 - `file` may be any path-like
            data = stream.read()
    except OSError as error:
        raise UnreadableError(
            Problem(name, (error.strerror or str(error)).lower(), "a file that can be read")
        ) from None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadableError(
            Problem(f"{name}:{line}", "bytes that are not UTF-8", "TOML in UTF-8")
        ) from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, line, column = _place(str(error), text)
        given = f"what TOML cannot read at line {line}, column {column} ({what})"
        raise UnreadableError(Problem(f"{name}:{line}:{column}", given, "TOML")) from None


def _place(message: str, text: str) -> tuple[str, int, int]:
    """Return what is wrong and where; lines and columns count from 1."""
    found = _PLACE.match(message)
    if found is None:
        return message, 1, 1
    if found["end"]:
        lines = text.split("\n")
        return found["what"], len(lines), len(lines[-1]) + 1
    return found["what"], int(found["line"]), int(found["column"])


def value(text: str) -> Any:
    """Return the TOML value that `text` is.

    Raises:
        ValueError: it is none, or more than one.
    """
    if "\n" in text or "\r" in text:  # would be further keys
        raise ValueError("not one TOML value")
    table = tomllib.loads(f"x = {text}")
    return table["x"]


def key(text: str) -> tuple[str, ...]:
    """Return the parts of a dotted key: `rooms.options."chat:*"` has three.

    Raises:
        ValueError: it is no TOML key.
    """
    if "\n" in text:
        raise ValueError("not a TOML key")
    node: Any = tomllib.loads(f'{text} = "\\u0000"')
    parts: list[str] = []
    while isinstance(node, dict):
        ((part, node),) = node.items()
        parts.append(part)
    if node != "\0":  # the text brought a value of its own
        raise ValueError("not a TOML key")
    return tuple(parts)


def key_text(path: Path) -> str:
    """Write a path as TOML would: `rooms.options."chat:*".history`, `plugins[2]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else _quote(part))
    return text


def shown_text(value: object) -> str:
    """Write a value as `value_text` does, for people: without the secrets that are inside of its URLs."""
    return value_text(value, masked_value)


def value_text(value: object, text: Callable[[str], str] = str) -> str:
    """Write a value as TOML would; `None`, which TOML lacks, is `unset`.

    Args:
        value: the value.
        text: called with each text in it, for what is written in its place.
    """
    match value:
        case None:
            return "unset"
        case bool():
            return "true" if value else "false"
        case Enum():
            return value_text(value.value, text)
        case str() | PurePath():
            return _quote(text(str(value)))
        case int() | float():
            return str(value)
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case Mapping():
            return (
                "{"
                + ", ".join(f"{key_text((str(k),))} = {value_text(x, text)}" for k, x in value.items())
                + "}"
            )
        case AbstractSet():
            return "[" + ", ".join(sorted(value_text(x, text) for x in value)) + "]"
        case Sequence():
            return "[" + ", ".join(value_text(x, text) for x in value) + "]"
        case _ if attrs.has(cls := type(value)):
            fields = [f for f in attrs.fields(cls) if f.repr or f.metadata.get("secret")]
            return "{" + ", ".join(f"{f.alias or f.name} = {_shown(value, f, text)}" for f in fields) + "}"
        case _:
            return type(value).__name__


def _shown(instance: object, field: Any, text: Callable[[str], str]) -> str:
    value = getattr(instance, field.name)
    return "(secret)" if value and field.metadata.get("secret") else value_text(value, text)


def _quote(text: str) -> str:
    return (
        '"' + "".join(_ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'
    )
