"""Deadlines: thousands of equal timers for the price of a queue, and moments that somebody else has set.

Rule: all items of one `Deadlines` wait equally long, so they fall due in the order in which they came; nothing is
sorted and nothing is cancelled. Whoever takes an item that fell due looks whether it still matters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Final, Generic, TypeVar
from weakref import ReferenceType, ref

T = TypeVar("T")

#: Moments that may be kept though nobody waits for them any more, before they are looked through.
_IDLE: Final = 1024


class Deadlines(Generic[T]):
    """Items that fall due `delay` seconds after they were added.

    >>> hellos = Deadlines[str](10.0)
    >>> hellos.add("a", now=100.0)
    >>> list(hellos.due(now=109.0)), list(hellos.due(now=110.0))
    ([], ['a'])
    """

    __slots__ = ("_items", "delay")

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self._items: deque[tuple[float, T]] = deque()

    def add(self, item: T, *, now: float) -> None:
        """Let an item wait from `now` (seconds, of any clock that does not go back)."""
        self._items.append((now + self.delay, item))

    def due(self, *, now: float) -> Iterator[T]:
        """Take the items that have fallen due."""
        items = self._items
        while items and items[0][0] <= now:
            yield items.popleft()[1]

    def __len__(self) -> int:
        return len(self._items)


class Moments(Generic[T]):
    """Items that fall due at a moment of their own, held weakly: what is gone by then takes no memory for long.

    >>> class Token: ...
    >>> one, other = Token(), Token()
    >>> ends = Moments[Token]()
    >>> ends.add(one, at=20.0)
    >>> ends.add(other, at=10.0)
    >>> list(ends.due(now=9.0)), list(ends.due(now=15.0)) == [other]
    ([], True)
    """

    __slots__ = ("_heap", "_numbers", "_room")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, ReferenceType[T]]] = []
        self._numbers = count()
        self._room = _IDLE

    def add(self, item: T, *, at: float) -> None:
        """Let an item wait until a moment: seconds, of whatever clock `due` is asked with."""
        if len(self._heap) >= self._room:
            self._heap = [entry for entry in self._heap if entry[2]() is not None]
            heapify(self._heap)
            self._room = 2 * len(self._heap) + _IDLE
        heappush(self._heap, (at, next(self._numbers), ref(item)))

    def due(self, *, now: float) -> Iterator[T]:
        """Take the items that have fallen due, the earliest first."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            item = heappop(heap)[2]()
            if item is not None:
                yield item

    def __len__(self) -> int:
        return len(self._heap)
