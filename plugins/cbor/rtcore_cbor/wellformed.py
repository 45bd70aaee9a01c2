"""Where an item ends, whatever is in it: the well-formedness check of RFC 8949, appendix C.

Asked only when nothing else can find the end of an item, so that the items after it can be decoded.
"""

from __future__ import annotations

from typing import Final

from rtcore.wire.errors import FrameError

#: Items within items that are looked at, of all of a frame: some 20 ms. A frame that is more broken is given up.
STEPS_MAX: Final = 50_000

_INDEFINITE: Final = 31
_BREAK: Final = 0xFF


class Walker:
    """Walks through the bad items of one frame."""

    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self._steps = STEPS_MAX

    def end_of(self, start: int) -> int:
        """Return the index after the item that begins at `start`.

        Raises:
            FrameError: it is not well-formed, or there is too much of what cannot be decoded.

        >>> Walker(bytes.fromhex("82 01 61 78 00")).end_of(0)
        4
        """
        frame, place = self.frame, start
        # Items that are still to come, per open container; -1 where only a break ends it.
        open_: list[int] = [1]
        while open_:
            left = open_[-1]
            if left == 0:
                open_.pop()
                continue
            self._steps -= 1
            if self._steps < 0:
                raise FrameError("more that cannot be decoded than is worth looking through")
            if place >= len(frame):
                raise FrameError("an item that is cut short")
            if frame[place] == _BREAK:
                if left != -1:
                    raise _malformed()
                open_.pop()
                place += 1
                continue
            if left > 0:
                open_[-1] = left - 1
            major, argument, place = _head(frame, place)
            if argument == -1:
                open_.append(-1)
            elif major in (2, 3):
                place += argument
            elif major == 4:
                open_.append(argument)
            elif major == 5:
                open_.append(2 * argument)
            elif major == 6:
                open_.append(1)
        if place > len(frame):
            raise FrameError("an item that is cut short")
        return place


def _head(frame: bytes, place: int) -> tuple[int, int, int]:
    """Return major type, argument (-1: indefinite) and the index after the head."""
    major, info = frame[place] >> 5, frame[place] & 31
    place += 1
    if info < 24:
        return major, info, place
    if info < 28:
        size = 1 << (info - 24)
        argument = int.from_bytes(frame[place : place + size], "big")
        if place + size <= len(frame) and (major not in (2, 3, 4, 5) or argument <= len(frame)):
            return major, argument, place + size
    elif info == _INDEFINITE and major in (2, 3, 4, 5):
        return major, -1, place
    raise _malformed()


def _malformed() -> FrameError:
    return FrameError("an item that is not well-formed CBOR")
