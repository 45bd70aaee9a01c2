"""The window: messages that went out and are not confirmed yet, so that they can be replayed exactly.

Rule: count, don't number. A message's place is how many went before it; no number is written into it, which is
why one encoded message can go to ten thousand sessions and still be replayed exactly to each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rtcore.wire.message import Message


class Rest(NamedTuple):
    """What a peer has not received: `lost` messages that are no longer held, then `held`, oldest first."""

    lost: int
    held: Sequence[Message]


class Window:
    """A bounded memory of the last messages sent.

    It never stalls: when it is full the oldest message leaves it. That alone loses nothing (the message is on
    the wire); only a resume that needs it does, and then `rest` says how many are missing.

    Args:
        limit: messages held at most.
        limit_bytes: bytes of their wire forms held at most, or nearly: see `push`.

    Attributes:
        held: the messages, oldest first.
        sent: messages counted out, ever.
        acked: the highest count that the peer has confirmed.
    """

    __slots__ = ("_bytes", "_limit_bytes", "acked", "held", "sent")

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self.held: deque[Message] = deque(maxlen=limit)
        self.sent = 0
        self.acked = 0
        self._bytes = 0
        self._limit_bytes = limit_bytes

    @property
    def confirmed(self) -> int:
        """How many messages can be replayed no more: all before the oldest one held."""
        return self.sent - len(self.held)

    @property
    def overflowed(self) -> bool:
        """Messages have left the full end that the peer has not confirmed."""
        return self.confirmed > self.acked

    @property
    def limit(self) -> int:
        """Messages held at most."""
        return self.held.maxlen or 0

    def free(self, reserve: int) -> int:
        """Say how many messages can be pushed before one leaves the full end, if room for `reserve` is to be left.

        None while three quarters of the bytes are held.
        """
        if (
            self.held
            and self._bytes * 4 >= self._limit_bytes * 3
            and self.reaches(self._limit_bytes * 3 // 4)
        ):
            return 0
        return max(0, self.limit - reserve - len(self.held))

    def push(self, messages: Sequence[Message], size: int) -> None:
        """Count messages out. `size` is the bytes that were written for them.

        The bytes are an upper bound that costs one addition per flush: what leaves the full end is not subtracted,
        and only when the bound is passed are the messages weighed one by one.
        """
        self.sent += len(messages)
        self.held.extend(messages)
        self._bytes += size
        if self._bytes > self._limit_bytes:
            self._shrink()

    def confirm(self, count: int) -> bool:
        """The peer has received `count` messages in all. False if that is more than were ever sent."""
        if count > self.sent:
            return False
        self.acked = max(self.acked, count)
        held = self.held
        for _ in range(count - self.sent + len(held)):
            held.popleft()
        if not held:
            self._bytes = 0
        return True

    def rest(self, count: int) -> Rest:
        """What a peer that has received `count` messages lacks. Counts nothing and drops nothing."""
        first = self.confirmed
        if count >= first:
            return Rest(0, list(islice(self.held, count - first, None)))
        return Rest(first - count, list(self.held))

    def forget(self, wanted: Callable[[Message], bool]) -> None:
        """Let go of messages that come in another way; it is as if they had left the full end, and no place changes."""
        kept = [message for message in self.held if not wanted(message)]
        self.held.clear()
        self.held.extend(kept)

    def reset(self) -> list[Message]:
        """Forget everything and count from zero; return what was held."""
        held = list(self.held)
        self.held.clear()
        self.sent = self.acked = self._bytes = 0
        return held

    def reaches(self, size: int) -> bool:
        """Say whether `size` bytes or more are held. Cheap while it is far from that."""
        if self._bytes >= size:
            self._bytes = sum(message.size for message in self.held)
        return self._bytes >= size

    def _shrink(self) -> None:
        sizes = [message.size for message in self.held]
        self._bytes = sum(sizes)
        # Down to half, so that a window near its limit is not weighed again at each flush. One message stays.
        if self._bytes > self._limit_bytes:
            for size in sizes[:-1]:
                if self._bytes <= self._limit_bytes // 2:
                    break
                self.held.popleft()
                self._bytes -= size
