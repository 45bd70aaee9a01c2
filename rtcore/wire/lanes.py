"""Lanes: where messages wait, in order of priority, while their session cannot take them.

Rule: lanes are before the wire, the window after it. Only what waits here may be reordered or dropped; what has
left is counted and stays as it is. Critical overtakes everything; the other three share by weight, so that low
is slow and never starved. A session that keeps up has no lanes at all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from rtcore.wire.message import LANE, PRIORITIES

if TYPE_CHECKING:
    from rtcore.wire.message import Message

#: Messages taken from high, normal and low in one round, while each has some.
WEIGHTS: Final = (4, 2, 1)
_CRITICAL: Final = 0


def message_size(message: Message) -> int:
    """Weigh a message by what is known of it without encoding it."""
    return message.size


class Lanes:
    """A bounded priority queue of messages.

    When it is full the oldest message of the least urgent lane goes; a message that is less urgent than all
    that waits is refused itself. Each drop is reported to `dropped(message)`, once.

    Args:
        limit: messages held at most.
        limit_bytes: bytes held at most. A single message larger than this is still taken when it is alone.
        weigh: bytes of a message; called once per message.
        dropped: called with each message that had to go.
    """

    __slots__ = (
        "_credit",
        "_dropped",
        "_lanes",
        "_limit",
        "_limit_bytes",
        "_turn",
        "_weigh",
        "count",
        "size",
    )

    def __init__(
        self,
        limit: int,
        limit_bytes: int = 2**53,
        *,
        weigh: Callable[[Message], int] = message_size,
        dropped: Callable[[Message], None] = lambda _message: None,
    ) -> None:
        # Made when they are needed: an empty deque is 600 bytes, and a detached session often has nothing waiting.
        self._lanes: list[deque[tuple[Message, int]] | None] = [None] * len(PRIORITIES)
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._weigh = weigh
        self._dropped = dropped
        self._turn = 1
        self._credit = WEIGHTS[0]
        self.count = 0
        self.size = 0

    def __len__(self) -> int:
        return self.count

    def __bool__(self) -> bool:
        """Always true: a sender that sees a list of pending messages or lanes in the same place asks only `if not`."""
        return True

    def __iter__(self) -> Iterator[Message]:
        """Look at everything that waits, by lane, oldest first, without taking it."""
        for lane in self._lanes:
            for message, _ in lane or ():
                yield message

    def append(self, message: Message) -> None:
        """Let a message wait in its lane."""
        lane, size = LANE[message.priority], self._weigh(message)
        while self.count and (self.count >= self._limit or self.size + size > self._limit_bytes):
            victim = self._least_urgent()
            if victim < lane:
                self._dropped(message)
                return
            self._dropped(self._take(victim))
        queue = self._lanes[lane]
        if queue is None:
            queue = self._lanes[lane] = deque()
        queue.append((message, size))
        self.count += 1
        self.size += size

    def popleft(self) -> Message:
        """Take the next message.

        Raises:
            IndexError: nothing waits.
        """
        lanes = self._lanes
        if lanes[_CRITICAL]:
            return self._take(_CRITICAL)
        if not self.count:
            raise IndexError("no message waits in any lane")
        while True:
            if self._credit and lanes[self._turn]:
                self._credit -= 1
                return self._take(self._turn)
            self._turn = self._turn % len(WEIGHTS) + 1
            self._credit = WEIGHTS[self._turn - 1]

    def clear(self) -> int:
        """Drop everything, unreported; return how many messages there were."""
        count, self.count, self.size = self.count, 0, 0
        self._lanes = [None] * len(PRIORITIES)
        return count

    def _take(self, lane: int) -> Message:
        message, size = self._lanes[lane].popleft()  # type: ignore[union-attr]  # callers looked: it has some
        self.count -= 1
        self.size -= size
        return message

    def _least_urgent(self) -> int:
        return next(lane for lane in reversed(range(len(PRIORITIES))) if self._lanes[lane])
