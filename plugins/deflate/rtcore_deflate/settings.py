"""Settings of Deflate."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class Settings:
    """How much work compressing may be."""

    level: int = attrs.field(
        default=6,
        validator=[v.ge(1), v.le(9)],
        metadata={"help": "1 is the quickest, 9 the smallest."},
    )
