"""What flat means. A soak is a row of cycles: a crowd comes, talks and goes, and then the server is looked at, at rest.

At rest means: everybody has left, and what waits for a time has waited. After the first rests, which warm up:

    tasks, descriptors     never more than at the first of them
    memory, objects        the trend of all of them, from the first to the last, is less than a small part of the level

The trend is the median of the slopes between all pairs (Theil and Sen), which one odd sample does not move.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

#: Part of the rests that warm up: caches fill, tables of bounded size reach it.
WARM_UP: Final = 0.3
#: How much the trend may come to over the run: a part of the level, and what an allocator does by itself.
PART: Final = 0.01
AND: Final[Mapping[str, int]] = {"rss": 2 * 1024 * 1024, "objects": 500}


class Rest(NamedTuple):
    """What was seen at rest. Bytes, and counts; `rss` is 0 where it is not looked at."""

    tasks: int
    fds: int
    objects: int
    rss: int


def trend(values: Sequence[float]) -> float:
    """Return by how much values rise from the first to the last, whatever single ones do.

    >>> trend([10, 11, 12, 13]), trend([10, 10, 99, 10, 10]), trend([5])
    (3.0, 0.0, 0.0)
    """
    slopes = [(values[j] - values[i]) / (j - i) for i, j in combinations(range(len(values)), 2)]
    return statistics.median(slopes) * (len(values) - 1) if slopes else 0.0


def complaints(rests: Sequence[Rest]) -> list[str]:
    """Say what is not flat; nothing if all is.

    >>> steady = [Rest(3, 9, 5000, 10_000_000)] * 10
    >>> complaints(steady)
    []
    >>> complaints([rest._replace(fds=9 + i) for i, rest in enumerate(steady)])
    ['fds: 12 at the first rest, 18 at a later one']
    >>> complaints([rest._replace(objects=5000 + 200 * i) for i, rest in enumerate(steady)])
    ['objects: +1,200 in 6 cycles, from 5,600; 556 would be flat']
    """
    rests = rests[round(len(rests) * WARM_UP) :]
    found: list[str] = []
    for name in ("tasks", "fds"):
        counts = [getattr(rest, name) for rest in rests]
        if max(counts) > counts[0]:
            found.append(f"{name}: {counts[0]} at the first rest, {max(counts)} at a later one")
    for name, more in AND.items():
        values = [getattr(rest, name) for rest in rests]
        rise, bound = trend(values), values[0] * PART + more
        if rise > bound:
            found.append(
                f"{name}: +{rise:,.0f} in {len(values) - 1} cycles, from {values[0]:,}; {bound:,.0f} would be flat"
            )
    return found
