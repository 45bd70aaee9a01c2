"""Where an item ends, whatever is in it: the well-formedness check of RFC 8949, appendix C.

Asked only when an item cannot be decoded, so that the items after it can be.
"""

from __future__ import annotations

from typing import Final

from rtcore.wire.errors import FrameError

#: Items within an item that are looked at. A frame that is broken and larger than this is not worth the time.
STEPS_MAX: Final = 10_000

_INDEFINITE: Final = 31
_BREAK: Final = 0xFF


def end_of(frame: bytes, start: int) -> int:
    """Return the index after the item that begins at `start`.

    Raises:
        FrameError: it is not well-formed, or too large to be looked through.

    >>> end_of(bytes.fromhex("82 01 61 78 00".replace(" ", "")), 0)
    4
    """
    place = start
    # Items that are still to come, per open container; -1 where only a break ends it.
    open_: list[int] = [1]
    for _ in range(STEPS_MAX):
        while open_[-1] == 0:
            open_.pop()
            if not open_ and place <= len(frame):
                return place
            if not open_:
                raise FrameError("an item that is cut short")
        if place >= len(frame):
            break
        first = frame[place]
        if first == _BREAK:
            if open_[-1] != -1:
                break
            open_.pop()
            place += 1
            continue
        if open_[-1] > 0:
            open_[-1] -= 1
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
    else:
        raise FrameError("an item that cannot be decoded and is too large to be skipped")
    raise FrameError("an item that is not well-formed CBOR")


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
    raise FrameError("an item that is not well-formed CBOR")
