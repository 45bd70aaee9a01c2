"""The `[sse]` section of the settings."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import validators as v


def _help(text: str, unit: str = "") -> dict[str, Any]:
    return {"help": text, "unit": unit} if unit else {"help": text}


@attrs.frozen(kw_only=True)
class SseSettings:
    """How event streams are kept open, and pushed through proxies."""

    padding: int = attrs.field(
        default=2048,
        validator=v.and_(v.ge(0), v.le(65536)),
        metadata=_help(
            "Comment that a stream begins with, for whoever holds back a body's first bytes.", "bytes"
        ),
    )
    flush_padding: int = attrs.field(
        default=0,
        validator=v.and_(v.ge(0), v.le(65536)),
        metadata=_help(
            "Comment after each write, for a proxy that buffers whatever it is told; 0 for none.", "bytes"
        ),
    )
    keepalive: float = attrs.field(
        default=15.0,
        validator=v.and_(v.gt(0), v.le(30)),
        metadata=_help("Silence after which a comment is written; it may come up to twice as late.", "s"),
    )
    retry: float = attrs.field(
        default=3.0,
        validator=v.and_(v.gt(0), v.le(3600)),
        metadata=_help("Advice to an EventSource: wait before a reconnect; spread by half either way.", "s"),
    )
    high_water: int = attrs.field(
        default=32_768,
        validator=v.ge(1),
        metadata=_help(
            "Unsent bytes after which messages wait in lanes, where urgent ones overtake.", "bytes"
        ),
    )
    close_timeout: float = attrs.field(
        default=5.0,
        validator=v.gt(0),
        metadata=_help("For the last bytes of a stream to leave, before the connection is cut.", "s"),
    )
