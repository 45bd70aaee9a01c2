"""Settings of Brotli."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class Settings:
    """How much work compressing may be."""

    quality: int = attrs.field(
        default=4,
        validator=[v.ge(0), v.le(11)],
        metadata={"help": "0 is the quickest, 11 the smallest and a hundred times slower."},
    )
    window: int = attrs.field(
        default=18,
        validator=[v.ge(10), v.le(22)],
        metadata={"help": "log2 of the bytes that are looked back at; what a peer needs to unpack a frame."},
    )
