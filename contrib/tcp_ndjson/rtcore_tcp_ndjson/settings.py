"""Settings of the TCP transport."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class Settings:
    """Where to listen, and how patient to be."""

    host: str = attrs.field(default="127.0.0.1", metadata={"help": "The address to listen on."})
    port: int | None = attrs.field(
        default=None,
        validator=v.optional([v.ge(0), v.le(65535)]),
        metadata={"help": "The port; 0 for any that is free. Unset: do not listen."},
    )
    high_water: int = attrs.field(
        default=65_536,
        validator=v.ge(1),
        metadata={"help": "Bytes waiting to be written beyond which a client is slow.", "unit": "bytes"},
    )
    close_timeout: float = attrs.field(
        default=5.0,
        validator=v.gt(0),
        metadata={"help": "How long a client has to read the last lines and hang up.", "unit": "s"},
    )
