"""Settings of the memory broker."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class Settings:
    """How much may be remembered, in all. What one room keeps is the business of `rooms`."""

    history_rooms: int = attrs.field(
        default=10_000,
        validator=v.ge(0),
        metadata={"help": "Rooms whose history is held; the one that was quiet the longest goes first."},
    )
    history_bytes: int = attrs.field(
        default=67_108_864,
        validator=v.ge(0),
        metadata={"help": "Bytes of all histories together.", "unit": "bytes"},
    )
