"""The `[polling]` section of the settings."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import validators as v


def _help(text: str, unit: str = "") -> dict[str, Any]:
    return {"help": text, "unit": unit} if unit else {"help": text}


@attrs.frozen(kw_only=True)
class PollingSettings:
    """How long a poll is held, and how much one answer carries."""

    hold: float = attrs.field(
        default=25.0,
        validator=v.and_(v.gt(0), v.le(300)),
        metadata=_help("How long a poll waits for something to say; less than the patience of proxies.", "s"),
    )
    # Nothing overtakes an answer that is on its way: on a link of 64 KiB/s two of them are one second.
    answer_limit: int = attrs.field(
        default=32_768,
        validator=v.ge(1024),
        metadata=_help("An answer that has so much takes no further message; the rest waits.", "bytes"),
    )
