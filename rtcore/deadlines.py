"""Deadlines: thousands of equal timers for the price of a queue.

Rule: all items of one `Deadlines` wait equally long, so they fall due in the order in which they came; nothing is
sorted and nothing is cancelled. Whoever takes an item that fell due looks whether it still matters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


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
