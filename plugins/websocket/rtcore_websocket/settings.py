"""The `[websocket]` section of the settings."""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs import validators as v


def _help(text: str, unit: str = "") -> dict[str, Any]:
    return {"help": text, "unit": unit} if unit else {"help": text}


@attrs.frozen(kw_only=True)
class WebSocketSettings:
    """How WebSocket connections are carried."""

    data_path: Literal["picows", "aiohttp"] = attrs.field(
        default="picows",
        metadata=_help("What carries frames once the connection stands: picows (quick), or aiohttp (plain)."),
    )
    close_timeout: float = attrs.field(
        default=5.0,
        validator=v.gt(0),
        metadata=_help("For the peer to answer a close, and to take what was written before it.", "s"),
    )
    write_high_water: int = attrs.field(
        default=32_768,
        validator=v.ge(1024),
        metadata=_help("Bytes that may wait for the socket before messages wait in lanes instead.", "bytes"),
    )

    # -- permessage-deflate (RFC 7692) -----------------------------------------------------------------------
    permessage_deflate: bool = attrs.field(
        default=False,
        metadata=_help(
            "Offer it. The kernel's own compression is cheaper; this is for other people's clients."
        ),
    )
    deflate_threshold: int = attrs.field(
        default=1024, validator=v.ge(0), metadata=_help("Smaller frames are sent as they are.", "bytes")
    )
    deflate_level: int = attrs.field(
        default=3, validator=v.and_(v.ge(1), v.le(9)), metadata=_help("zlib's level: 1 is quick, 9 is small.")
    )
    deflate_window_bits: int = attrs.field(
        default=12,
        validator=v.and_(v.ge(9), v.le(15)),
        metadata=_help("How far back our compressor looks, as a power of two; a client may ask for less."),
    )
    deflate_memory: int = attrs.field(
        default=5,
        validator=v.and_(v.ge(1), v.le(9)),
        metadata=_help("zlib's memLevel, while a frame is compressed."),
    )
