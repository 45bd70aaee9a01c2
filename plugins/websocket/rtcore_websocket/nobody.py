"""Who is told of what happens on a connection that is over."""

from __future__ import annotations

from typing import Final


class Nobody:
    """Stands in the place of a link's `Connection` once that has been told that it is lost.

    It breaks the cycle between the two, so that a closed connection is freed at once and not by the collector.
    """

    __slots__ = ()

    def receive(self, frame: bytes) -> None:
        """Ignore a frame."""

    def pause(self) -> None:
        """Ignore a full buffer."""

    def resume(self) -> None:
        """Ignore an empty one."""

    def lost(self, code: str = "") -> None:
        """Know it."""

    def close(self, code: str, reason: str = "") -> None:
        """Have nothing to close."""


NOBODY: Final = Nobody()
