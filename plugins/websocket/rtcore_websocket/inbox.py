"""What arrives beyond plain whole frames: fragments, compressed messages, closes. Sans-I/O.

Rule: a message is never larger than the limit, however it is cut up or packed, and is found out to be as soon as it
is. Text is checked with each fragment, so that what is not UTF-8 fails before its end is there (RFC 6455, 8.1).
"""

from __future__ import annotations

import codecs
from typing import Final, Protocol

from rtcore_websocket.deflate import inflate
from rtcore_websocket.violation import Violation

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_utf8 = codecs.getincrementaldecoder("utf-8")


class _Decoder(Protocol):
    def decode(self, input: bytes, final: bool = False, /) -> str: ...  # noqa: FBT001, FBT002 - the library's own


class Inbox:
    """Puts the messages of one connection together.

    Args:
        limit: bytes, of a message as it is handed on, and of what is kept of it before.
        deflate: permessage-deflate was agreed on.
    """

    __slots__ = ("_deflate", "_is_text", "_limit", "_packed", "_parts", "_text")

    def __init__(self, *, limit: int, deflate: bool) -> None:
        self._limit = limit
        self._deflate = deflate
        self._parts: bytearray | None = None
        self._packed = False
        self._is_text = False
        self._text: _Decoder | None = None

    @property
    def between(self) -> bool:
        """No message has begun and not ended."""
        return self._parts is None

    def take(self, opcode: int, payload: bytes, *, fin: bool, rsv: int) -> bytes | None:
        """Take a data frame, unmasked. Return the message that it completes, or `None`.

        Args:
            opcode: `TEXT`, `BINARY` or `CONTINUATION`.
            payload: its bytes.
            fin: the message ends with it.
            rsv: the reserved bits, RSV1 being 4.

        Raises:
            Violation: fail the connection; nothing more can be taken.
        """
        parts = self._parts
        if opcode == CONTINUATION:
            if parts is None:
                raise Violation(1002, "a continuation of nothing")
            if rsv:
                raise Violation(1002, "reserved bits in a continuation")
        else:
            if parts is not None:
                raise Violation(1002, "a new message inside of another")
            if rsv and not (rsv == 4 and self._deflate):
                raise Violation(1002, "reserved bits are set")
            self._packed = bool(rsv)
            if fin:
                return self._whole(opcode, payload)
            parts = self._parts = bytearray()
            self._text = _utf8() if opcode == TEXT and not self._packed else None
            self._is_text = opcode == TEXT
        # One buffer, not a list: a message in a million fragments costs what it weighs.
        if len(parts) + len(payload) > self._limit:
            raise Violation(1009, f"a message of more than {self._limit} bytes")
        parts += payload
        if self._text is not None:
            try:
                self._text.decode(payload, fin)
            except UnicodeDecodeError:
                raise Violation(1007, "text that is not UTF-8") from None
        if not fin:
            return None
        message = bytes(parts)
        checked = self._text is not None
        self._parts = self._text = None
        if self._packed:
            message = inflate(message, max_size=self._limit)
        return message if checked else self._checked(self._is_text, message)

    def _whole(self, opcode: int, payload: bytes) -> bytes:
        if self._packed:
            payload = inflate(payload, max_size=self._limit)
        return self._checked(opcode == TEXT, payload)

    @staticmethod
    def _checked(is_text: bool, message: bytes) -> bytes:  # noqa: FBT001 - a step of the path above
        if is_text and not is_utf8(message):
            raise Violation(1007, "text that is not UTF-8")
        return message


def is_utf8(payload: bytes) -> bool:
    """Whether bytes are text. ASCII, nearly everything, is told in a tenth of the time."""
    if payload.isascii():
        return True
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def closing(payload: bytes) -> int:
    r"""Return the number in a close frame, 1000 if there is none.

    Raises:
        Violation: the number must not be on the wire, or the reason is not UTF-8 (RFC 6455, sections 5.5.1, 7.4).

    >>> closing(b""), closing(b"\x0f\xa1bye")
    (1000, 4001)
    """
    if not payload:
        return 1000
    number = int.from_bytes(payload[:2], "big")
    # 1004 to 1006 and 1015 mean something inside of an endpoint only; 1012 to 1014 were registered later.
    defined = 1000 <= number <= 1014 and number not in {1004, 1005, 1006}
    if len(payload) == 1 or not (defined or 3000 <= number <= 4999):
        raise Violation(1002, "a close with a number that cannot be")
    if not is_utf8(payload[2:]):
        raise Violation(1007, "a close with a reason that is not UTF-8")
    return number
