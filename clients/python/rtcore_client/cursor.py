"""A place in a room's history: how far one has everything.

Messages of one room may come out of order, since what is urgent overtakes; some are missing for good, and some stand
for others that they have replaced. What counts when one comes back is the highest offset up to which *everything* has
come: what follows it is asked for, and of that what was here already is not taken twice. What was before one began
is not missing, and was not here either: whoever asks for it gets it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rtcore.wire.ranges import add, holds

if TYPE_CHECKING:
    from rtcore.wire.ranges import Ranges

#: Holes that are remembered. Beyond them the oldest one is given up: what was in it will not be asked for.
HOLES_MAX: Final = 64


class Cursor:
    """How far one has come in one life of one history.

    Attributes:
        epoch: which life.
        began: what was before is not missing.
        offset: everything up to here has come, was stood for, is not for us, or was before we began.
        ahead: what has come beyond the first hole.
        older: what has come of what was before we began, since it was asked for.

    >>> cursor = Cursor(3, "e")
    >>> for first, last in [(5, 5), (6, 7), (4, 4), (9, 9)]:
    ...     cursor.take(first, last)
    >>> cursor.offset, cursor.ahead, cursor.newest
    (7, ((9, 9),), 9)
    """

    __slots__ = ("ahead", "began", "epoch", "offset", "older")

    def __init__(self, offset: int, epoch: str) -> None:
        self.epoch = epoch
        self.began = offset
        self.offset = offset
        self.ahead: Ranges = ()
        self.older: Ranges = ()

    @property
    def newest(self) -> int:
        """The highest offset of all."""
        return self.ahead[-1][1] if self.ahead else self.offset

    def knows(self, offset: int) -> bool:
        """Say whether this one has come already."""
        if offset <= self.began:
            return holds(self.older, offset)
        return offset <= self.offset or holds(self.ahead, offset)

    def take(self, first: int, last: int) -> None:
        """These have come, or were stood for."""
        if first == self.offset + 1 and not self.ahead and last >= first:  # nearly always
            self.offset = last
            return
        if first <= self.began:
            self.older = add(self.older, first, min(last, self.began))[-HOLES_MAX:]
        self.ahead = add(self.ahead, max(first, self.offset + 1), last)
        self._join()
        if len(self.ahead) > HOLES_MAX:
            self.reach(self.ahead[0][0] - 1)

    def reach(self, offset: int) -> None:
        """There is no hole up to here any more, whatever was in it."""
        self.offset = max(self.offset, offset)
        self._join()

    def begin(self, offset: int) -> None:
        """Everything after this is sent, also what was before we began; some of it may have come already."""
        if offset >= self.began:
            return
        self.ahead = add(self.ahead, self.began + 1, self.offset)
        for first, last in self.older:
            self.ahead = add(self.ahead, max(first, offset + 1), last)
        self.older = tuple((first, min(last, offset)) for first, last in self.older if first <= offset)
        self.offset = self.began = offset
        self._join()

    def copy(self) -> Cursor:
        """Return one that stays as this one is now."""
        other = Cursor(self.offset, self.epoch)
        other.began, other.ahead, other.older = self.began, self.ahead, self.older
        return other

    def lacks(self, last: int) -> int:
        """Count what has not come, up to an offset."""
        known = sum(min(end, last) - begin + 1 for begin, end in self.ahead if begin <= last)
        return max(0, last - self.offset - known)

    def _join(self) -> None:
        while self.ahead and self.ahead[0][0] <= self.offset + 1:
            self.offset = max(self.offset, self.ahead[0][1])
            self.ahead = self.ahead[1:]
