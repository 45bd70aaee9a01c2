"""The `[playground]` section of the settings."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class PlaygroundSettings:
    """Where the demo page is."""

    path: str = attrs.field(
        default="/",
        validator=v.matches_re(r"/[a-z0-9-]*"),
        metadata={"help": "The path of the page; its files are below `/playground/` in any case."},
    )
