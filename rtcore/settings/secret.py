"""Secrets: text, `{file = "path"}` or `{env = "NAME"}`.

Rule: a secret's value is in no message. On the command line, where everybody can read it, there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from rtcore.settings import toml
from rtcore.settings.faults import Fault, Unfit
from rtcore.settings.scalars import unquoted
from rtcore.settings.sources import Text

_FORMS = '{file = "path"} or {env = "NAME"}'


@attrs.frozen
class Secrets:
    """Looks secrets up. Relative paths start from `folder`."""

    folder: Path
    env: Mapping[str, str] = attrs.field(repr=False)

    def text(self, value: Any, _: Any) -> str:
        if isinstance(value, Text) and value.exposed:
            raise Unfit(Fault((), "(secret)", f"{_FORMS}, since everybody can read a command line"))
        if isinstance(value, Mapping):
            return self._look_up(value)
        if not isinstance(value, str):
            raise Unfit(Fault((), "(secret)", f"text, {_FORMS}"))
        return unquoted(value)

    def _look_up(self, reference: Mapping[str, Any]) -> str:
        names = {key: unquoted(name) if isinstance(name, str) else name for key, name in reference.items()}
        match names:
            case {"file": str(name), **rest} if not rest:
                text, given = self._read(name), f"{{file = {toml.value_text(name)}}}"
                expected = "a file that can be read and is not empty"
            case {"env": str(name), **rest} if not rest:
                text, given = self.env.get(name), f"{{env = {toml.value_text(name)}}}"
                expected = "a variable that is set and not empty"
            case _:
                raise Unfit(Fault((), "a table", f"text, {_FORMS}"))
        if not text:
            raise Unfit(Fault((), given, expected))
        return text

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / Path(name).expanduser()).read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, ValueError, RuntimeError):  # RuntimeError: `~` where nobody is at home
            return None
