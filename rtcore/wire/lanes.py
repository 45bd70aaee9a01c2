"""Lanes: where messages wait, in order of priority, while their session cannot take them.

Rule: lanes are before the wire, the window after it. Only what waits here may be reordered, joined or dropped; what
has left is counted and stays as it is. Critical overtakes everything; the other three share by weight, so that low
is slow and never starved. A session that keeps up has no lanes at all.

Answers to requests are never dropped, and need no room that others could have: whoever asks is slowed instead
(`swamped`).
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rtcore.wire.message import LANE, PRIORITIES
from rtcore.wire.policy import Policy
from rtcore.wire.ranges import RANGES_MAX, add

if TYPE_CHECKING:
    from rtcore.wire.message import Message, Priority
    from rtcore.wire.ranges import Ranges

_log = logging.getLogger("rtcore.lanes")

#: Messages taken from high, normal and low in one round, while each has some.
WEIGHTS: Final = (4, 2, 1)
_CRITICAL: Final = 0
_DEFAULT: Final = Policy()


def message_size(message: Message) -> int:
    """Weigh a message by what is known of it without encoding it."""
    return message.size


def no_policy(message: Message) -> Policy:
    """Every class is like the others: the oldest of the least urgent goes when room is needed."""
    return _DEFAULT


class Pool:
    """What waits in all lanes of a server together, and how much may: `limit` bytes, `most` messages.

    Attributes:
        used: bytes that wait.
        count: messages that wait.
    """

    __slots__ = ("count", "limit", "most", "used")

    def __init__(self, limit: int, most: int = 2**53) -> None:
        self.limit = limit
        self.most = most
        self.used = 0
        self.count = 0

    def full(self, size: int) -> bool:
        """Say whether there is no room for a message of so many bytes."""
        return self.used + size > self.limit or self.count >= self.most


class Withdrawn(NamedTuple):
    """What waited of one room's history, and the offsets of what had left before it."""

    messages: Sequence[Message]
    ahead: Ranges = ()


class _Waiting:
    """One message in its lane; what replaces it takes its place, and stands for it."""

    __slots__ = ("covers", "key", "message", "size")

    def __init__(self, message: Message, size: int, key: Hashable) -> None:
        self.message, self.size, self.key = message, size, key
        self.covers: Ranges | None = message.covers

    def leave(self) -> Message:
        """Return the message, which says what it stands for."""
        message = self.message
        return message if self.covers is message.covers else message.covering(self.covers or ())


class Lanes:
    """A bounded priority queue of messages.

    When it is full the oldest message of the least urgent lane goes; a message that is less urgent than all
    that waits is refused itself. A message's policy may say otherwise (`rtcore.wire.policy`). Answers neither go nor
    take the room of what may.

    Args:
        limit: messages held at most.
        limit_bytes: bytes held at most. A single message larger than this is still taken when it is alone.
        weigh: bytes of a message; called once per message.
        dropped: called with each message that had to go, and why (a reason of `DROP_REASONS`). It may withdraw its
            room; true says that it comes all the same.
        policy: the policy of a message; called once per message.
        overrun: called when the policy `disconnect` applies; the message waits all the same.
        pool: shared with other lanes; this one is full when that is, and then takes nothing even when it is empty.
    """

    __slots__ = (
        "_answers", "_answers_size", "_credit", "_dropped", "_keys", "_lanes", "_left", "_limit", "_limit_bytes",
        "_overrun", "_policy", "_pool", "_shut", "_turn", "_weigh", "count", "size",
    )  # fmt: skip

    def __init__(
        self,
        limit: int,
        limit_bytes: int = 2**53,
        *,
        weigh: Callable[[Message], int] = message_size,
        dropped: Callable[[Message, str], object] = lambda _message, _reason: None,
        policy: Callable[[Message], Policy] = no_policy,
        overrun: Callable[[], Any] = lambda: None,
        pool: Pool | None = None,
    ) -> None:
        # Made when they are needed: an empty deque is 600 bytes, and a detached session often has nothing waiting.
        self._lanes: list[deque[_Waiting] | None] = [None] * len(PRIORITIES)
        self._keys: dict[Hashable, _Waiting] | None = None
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._weigh = weigh
        self._dropped = dropped
        self._policy = policy
        self._overrun = overrun
        self._pool = pool
        self._turn = 1
        self._credit = WEIGHTS[0]
        self._answers = self._answers_size = 0
        # Of each room's history: the life and the offsets that have left, as urgent ones do before others.
        self._left: dict[str, tuple[str | None, Ranges]] | None = None
        self._shut: set[str] | None = None
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
            for waiting in lane or ():
                yield waiting.message

    @property
    def swamped(self) -> bool:
        """As many answers wait as others may, or all that waits in the server is too much: whoever asks should wait."""
        if not self._answers:
            return False
        pool = self._pool
        return (
            self._answers >= self._limit
            or self._answers_size >= self._limit_bytes
            or (pool is not None and pool.full(0))
        )

    @property
    def rested(self) -> bool:
        """It is well below that again."""
        return self._answers <= self._limit // 2 and self._answers_size <= self._limit_bytes // 2

    def append(self, message: Message) -> None:
        """Let a message wait in its lane, or join or drop it as its policy says."""
        lane, size = LANE[message.priority], self._weigh(message)
        if message.n < 0:
            self._answers += 1
            self._answers_size += size
            self._put(lane, _Waiting(message, size, None))
            return
        policy = self._policy(message)
        key: Hashable = None
        if policy.kind in {"conflate", "merge"}:
            joined = False
            try:
                key = (message.priority, policy.key(message))
                joined = self._join(policy, key, message)
            except Exception:  # noqa: BLE001 - see below
                # An application's key or merge failed on this payload: it waits like any other, beside the others.
                _log.exception("the policy of %r failed", message.type)
                key = None
            if joined:
                self._shrink()
                return
        while self._full(size) and (victim := self._least_urgent()) is not None:
            if policy.kind == "drop_new":
                self._dropped(message, "dropped_new")
                return
            if victim < lane:
                self._lose(message)
                return
            self._lose(self._take_oldest(victim))
        if self._shut and message.offset is not None and message.room in self._shut:
            return  # it was withdrawn, with all of its room
        if self._pool is not None and self._pool.full(size):
            self._dropped(message, "buffer_full")  # nothing of this session waits, but of all the others
            return
        waiting = _Waiting(message, size, key)
        if key is not None:
            if self._keys is None:
                self._keys = {}
            self._keys[key] = waiting
        self._put(lane, waiting)

    def withdraw(self, room: str) -> Withdrawn:
        """Take out what waits of a room's history, oldest first; no more of it is taken until `readmit`.

        Whoever calls this brings it in another way, and what is published meanwhile as well.
        """
        if self._shut is None:
            self._shut = set()
        self._shut.add(room)
        taken = self._take_out(lambda message: message.room == room and message.offset is not None)
        taken.sort(key=_place)
        epoch, ranges = self._left.pop(room, (None, ())) if self._left is not None else (None, ())
        return Withdrawn(taken, ranges if taken and taken[-1].epoch == epoch else ())

    def take_back(self, room: str) -> int:
        """Take out all that waits of a room, but for answers; return how many messages that was."""
        return len(self._take_out(lambda message: message.room == room and message.n >= 0))

    def forget_answers(self) -> int:
        """Take out all answers; return how many there were."""
        return len(self._take_out(lambda message: message.n < 0)) if self._answers else 0

    def readmit(self, room: str) -> None:
        """What follows of a room's history waits here again, if it has to. Harmless if it was never withdrawn."""
        if self._shut is not None:
            self._shut.discard(room)

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

    def pop_above(self, priority: Priority, unless: Callable[[Message], bool]) -> Message | None:
        """Take the next message that is more urgent than one of this priority; `None` if there is none.

        `unless` is asked about it first: if it says so, it waits, and what is behind it too.
        """
        for lane in range(LANE[priority]):
            queue = self._lanes[lane]
            if queue:
                return None if unless(queue[0].message) else self._take(lane)
        return None

    def clear(self) -> int:
        """Drop everything, unreported; return how many messages there were."""
        count = self.count
        self._grow(-self.size, -count)
        self._answers = self._answers_size = 0
        self._lanes = [None] * len(PRIORITIES)
        self._keys = None
        return count

    def _take_out(self, wanted: Callable[[Message], bool]) -> list[Message]:
        taken: list[Message] = []
        for queue in self._lanes:
            if queue and any(wanted(waiting.message) for waiting in queue):
                kept: list[_Waiting] = []
                for waiting in queue:
                    if wanted(waiting.message):
                        self._leave(waiting)
                        taken.append(waiting.leave())
                    else:
                        kept.append(waiting)
                queue.clear()
                queue.extend(kept)
        return taken

    def _put(self, lane: int, waiting: _Waiting) -> None:
        queue = self._lanes[lane]
        if queue is None:
            queue = self._lanes[lane] = deque()
        queue.append(waiting)
        self._grow(waiting.size, 1)

    def _shrink(self) -> None:
        """What was joined may be larger than what it was made of: then others go for it, or it goes itself."""
        pool = self._pool
        while (
            (self.count - self._answers > 1 and self.size - self._answers_size > self._limit_bytes)
            or (pool is not None and pool.used > pool.limit)
        ) and (victim := self._least_urgent()) is not None:
            self._dropped(self._take_oldest(victim), "buffer_full")

    def _lose(self, message: Message) -> None:
        """A message has to go, unless whoever is told can bring it later; one that must not go takes its connection."""
        if not self._dropped(message, "buffer_full") and self._policy(message).kind == "disconnect":
            self._overrun()

    def _full(self, size: int) -> bool:
        pool = self._pool
        return (
            self.count - self._answers >= self._limit
            or self.size - self._answers_size + size > self._limit_bytes
            or (pool is not None and pool.full(size))
        )

    def _join(self, policy: Policy, key: Hashable, message: Message) -> bool:
        """Put one message in the place of two. False if there is none to join, or they cannot be joined."""
        waiting = self._keys.get(key) if self._keys is not None else None
        if waiting is None:
            return False
        joined = policy.join(waiting.message, message)
        if joined is None:
            return False
        if not _can_stand_for(joined, waiting):
            return False
        size = self._weigh(joined)
        self._grow(size - waiting.size)
        older, waiting.covers = waiting.message, _stands_for(waiting, joined)
        waiting.message, waiting.size = joined, size
        self._dropped(older, "conflated" if policy.kind == "conflate" else "merged")
        return True

    def _grow(self, size: int, count: int = 0) -> None:
        self.size += size
        self.count += count
        pool = self._pool
        if pool is not None:
            pool.used += size
            pool.count += count

    def _take(self, lane: int) -> Message:
        queue = self._lanes[lane]
        assert queue is not None  # noqa: S101 - callers looked: it has some
        waiting = queue.popleft()
        self._leave(waiting)
        message = waiting.leave()
        if message.offset is not None and message.room is not None:
            self._note(message.room, message)
        return message

    def _take_oldest(self, lane: int) -> Message:
        """Take the oldest message of a lane that is no answer, to be dropped."""
        queue = self._lanes[lane]
        assert queue is not None  # noqa: S101 - `_least_urgent` has found one
        place = next(place for place, waiting in enumerate(queue) if waiting.message.n >= 0)
        waiting = queue[place]
        del queue[place]
        self._leave(waiting)
        return waiting.leave()

    def _leave(self, waiting: _Waiting) -> None:
        """Something is no longer among what waits."""
        self._grow(-waiting.size, -1)
        if waiting.message.n < 0:
            self._answers -= 1
            self._answers_size -= waiting.size
        if waiting.key is not None and self._keys is not None and self._keys.get(waiting.key) is waiting:
            del self._keys[waiting.key]

    def _note(self, room: str, message: Message) -> None:
        """Remember that a message of a history has left: others of its room, less urgent, may still wait."""
        if self._left is None:
            self._left = {}
        epoch, ranges = self._left.get(room, (None, ()))
        if epoch != message.epoch:
            ranges = ()
        for first, last in (*(message.covers or ()), (message.offset or 0,) * 2):
            ranges = add(ranges, first, last)
        self._left[room] = message.epoch, ranges[-RANGES_MAX:]

    def _least_urgent(self) -> int | None:
        """Return the least urgent lane with something that may be dropped; `None` if there is none."""
        return next(
            (
                lane
                for lane in reversed(range(len(PRIORITIES)))
                if any(waiting.message.n >= 0 for waiting in self._lanes[lane] or ())
            ),
            None,
        )


def _place(message: Message) -> int:
    return message.offset or 0


def _can_stand_for(newer: Message, waiting: _Waiting) -> bool:
    """Say whether a newer message can tell its client which others it stands for, if they have places in a history."""
    older = waiting.message
    if older.offset is None:
        return True
    if newer.offset is None or (older.room, older.epoch) != (newer.room, newer.epoch):
        return False
    return len(add(waiting.covers or (), older.offset, older.offset)) <= RANGES_MAX


def _stands_for(waiting: _Waiting, newer: Message) -> Ranges | None:
    """Return the offsets that a newer message stands for, once it has taken the place of what waits."""
    older = waiting.message
    if older.offset is None:
        return newer.covers
    return add(waiting.covers or (), older.offset, older.offset)
