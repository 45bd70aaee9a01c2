"""Ranges of offsets: which messages of a room's history one has, or one stands for.

Ranges are pairs of a first and a last offset, ascending, with a gap between each two.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

Ranges: TypeAlias = tuple[tuple[int, int], ...]

#: Ranges that one message can stand for.
RANGES_MAX: Final = 64


def add(ranges: Ranges, first: int, last: int) -> Ranges:
    """Return the ranges with the offsets from `first` to `last` among them; nothing is added if they are none.

    >>> add(((5, 6), (9, 9)), 10, 12), add(((5, 6), (9, 9)), 7, 8), add((), 3, 2)
    (((5, 6), (9, 12)), ((5, 9),), ())
    """
    if first > last:
        return ranges
    if not ranges or first > ranges[-1][1] + 1:  # nearly always: offsets rise
        return (*ranges, (first, last))
    before = [one for one in ranges if one[1] + 1 < first]
    after = [one for one in ranges if one[0] > last + 1]
    joined = ranges[len(before) : len(ranges) - len(after)]
    if joined:
        first, last = min(first, joined[0][0]), max(last, joined[-1][1])
    return (*before, (first, last), *after)


def holds(ranges: Iterable[tuple[int, int]], offset: int) -> bool:
    """Say whether an offset is in one of the ranges.

    >>> holds(((5, 6), (9, 9)), 6), holds(((5, 6), (9, 9)), 7)
    (True, False)
    """
    return any(first <= offset <= last for first, last in ranges)
