"""The handler."""

from __future__ import annotations

from rtcore.wire.message import Message


def echo(message: Message) -> Message:
    """Return the payload as it came: bytes are answered with bytes, nothing is decoded on the way.

    A plain function runs at once, on the connection's turn; the kernel sets `re`.
    """
    if message.raw is None:
        return Message("reply", message.payload)
    return Message("reply", raw=message.raw, raw_codec=message.raw_codec)
