"""Compressors: frames made smaller, within bounds."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class Compressor(Protocol):
    """Compresses whole frames, each by itself. Pure and synchronous; one object serves all sessions.

    The kernel decides when (by size, once, never what is compressed already) and marks the result.
    No state is kept between frames, so that one compressed frame can go to every member of a room.
    """

    name: str

    def compress(self, data: bytes) -> bytes:
        """Return `data` compressed."""

    def decompress(self, data: bytes, *, max_size: int) -> bytes:
        """Return the original of `data`, never allocating much more than `max_size` bytes.

        Raises:
            TooBigError: the original is larger than `max_size` bytes.
            UndecodableError: `data` is not what `compress` makes, or is cut short.
        """
