"""Frames as a server sends them: whole, unmasked (RFC 6455, section 5.2).

Rule: a framing is shared by all connections of its kind, so that a message is framed once for all of them; whatever
differs between two connections makes them two kinds.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from rtcore.wire.format import COMPRESSED

_FIN_TEXT: Final = 0x81
_FIN_BINARY: Final = 0x82
_RSV1: Final = 0x40

#: The whole header, for bodies that need no length of their own: most frames are that short, and a table of 126
#: headers is read in half the time that it takes to make one.
_TEXT: Final = tuple(bytes((_FIN_TEXT, n)) for n in range(126))
_BINARY: Final = tuple(bytes((_FIN_BINARY, n)) for n in range(126))

_long = struct.Struct("!BBQ").pack


def header(first: int, n: int) -> bytes:
    """Return the header of an unmasked frame: its first byte is `first`, its payload has `n` bytes.

    >>> header(0x82, 3).hex(), header(0x82, 300).hex(), header(0x82, 70000).hex()
    ('8203', '827e012c', '827f0000000000011170')
    """
    if n < 126:
        return bytes((first, n))
    if n < 65536:
        return bytes((first, 126, n >> 8, n & 255))
    return _long(first, 127, n)


class Framing:
    """One frame per message, as it is."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = "websocket"

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        """Wrap one frame."""
        n = len(body)
        if n < 126:
            return (_BINARY[n] if binary else _TEXT[n]) + body
        return header(_FIN_BINARY if binary else _FIN_TEXT, n) + body


class Deflating:
    """One frame per message, deflated by itself: permessage-deflate with `server_no_context_takeover` (RFC 7692).

    No state is kept from one message to the next, so one compressed frame serves every receiver, and compressing
    takes memory only while it lasts. The kernel's own compression stays off where this one is used (`compression`).

    Args:
        bits: the window, as a power of two: what the client asked for, or less.
        level: zlib's, 1 to 9.
        memory: zlib's memLevel, 1 to 9.
        threshold: bytes; smaller frames would only grow.
    """

    __slots__ = ("_bits", "_level", "_memory", "_threshold", "compression", "name")

    def __init__(self, *, bits: int, level: int, memory: int, threshold: int) -> None:
        self.name = f"websocket-deflate-{bits}"
        self.compression = "none"
        self._bits = bits
        self._level = level
        self._memory = memory
        self._threshold = threshold

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        """Wrap one frame, deflated if that makes it smaller. What is compressed already stays as it is."""
        n = len(body)
        first = _FIN_BINARY if binary else _FIN_TEXT
        if n >= self._threshold and n and body[0] != COMPRESSED:
            deflate = zlib.compressobj(self._level, zlib.DEFLATED, -self._bits, self._memory)
            packed = deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH)
            if len(packed) - 4 < n:
                # The four bytes 00 00 FF FF that end a flush are left out (RFC 7692, section 7.2.1).
                return header(first | _RSV1, len(packed) - 4) + packed[:-4]
        return header(first, n) + body
