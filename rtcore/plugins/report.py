"""What became of each plugin: what `rtcore plugins` prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import attrs

from rtcore.errors import PluginError


@attrs.define
class Row:
    """A plugin in the report. The registry fills in `services`: the names of the Protocols that it provides."""

    name: str
    distribution: str | None
    version: str | None
    status: Literal["loaded", "disabled", "failed"] = "failed"
    reason: str = ""
    hooks: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    error: PluginError | None = attrs.field(default=None, repr=False)
    fatal: bool = False


@attrs.frozen
class Report:
    """What became of each plugin, sorted by name."""

    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Row:
        """Return a plugin's row. Raises: KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the plugins that run."""
        return tuple(row.name for row in self.rows if row.status == "loaded")

    @property
    def idle(self) -> tuple[str, ...]:
        """The names of those that are here and do not run: their sections wait unread."""
        return tuple(row.name for row in self.rows if row.status != "loaded")

    @property
    def errors(self) -> tuple[PluginError, ...]:
        """What is fatal."""
        return tuple(row.error for row in self.rows if row.fatal and row.error is not None)

    def raise_fatal(self) -> None:
        """Raise the first fatal error, with the others as its notes; return if there is none."""
        if self.errors:
            first, *others = self.errors
            for other in others:
                first.add_note(str(other))
            raise first


def count(report: Report) -> str:
    """Say in a few words how loading went: `12 plugins, 1 disabled, 1 failed`."""
    tally = Counter(row.status for row in report)
    loaded = tally["loaded"]
    words = [f"{loaded} plugin{'s' if loaded != 1 else ''}"]
    words += [f"{tally[status]} {status}" for status in ("disabled", "failed") if tally[status]]
    return ", ".join(words)
