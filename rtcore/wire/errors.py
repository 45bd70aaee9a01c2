"""Errors of the wire, which imports nothing above it.

WireError
├── FrameError         a frame that cannot be cut into items: fatal for the session, counts are lost
├── UndecodableError   one item or payload that cannot be decoded: counted, answered, survived
├── TooBigError        more bytes than the limit allows, found before they were allocated where possible
├── BadControlError    a control item whose fields are missing or of the wrong type
├── BadPartError       a part that is none, or does not continue what is held: the connection ends, the session does not
└── AttachRefusedError a well-formed hello that is not taken: stale, most often
"""

from __future__ import annotations


class WireError(ValueError):
    """The peer sent something that is not the protocol. `code` is a name in `rtcore.wire.codes`."""

    code = "malformed_frame"


class FrameError(WireError):
    """A frame cannot be cut into items, so nobody knows how many messages it held."""


class UndecodableError(WireError):
    """An item or a payload cannot be decoded; the frame around it is sound."""

    code = "undecodable"


class TooBigError(WireError):
    """A frame, or what it decompresses to, is larger than the limit (`max_message_size`, bytes)."""

    code = "message_too_big"


class BadControlError(WireError):
    """A control item lacks a field or has one of the wrong type. The text names item, field and expectation."""

    code = "bad_control"


class BadPartError(WireError):
    """A part cannot be read, or does not continue what is held. The text says what was given and what is held."""

    code = "bad_part"


class AttachRefusedError(WireError):
    """A hello is well-formed and not taken. `code` says why; the text is for people."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        super().__init__(reason)
