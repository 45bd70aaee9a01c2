"""The queue of messages that wait to be sent: `rtcore.wire.Lanes` with an answer when it is full."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rtcore.wire.lanes import Lanes
from rtcore.wire.message import LANE, PRIORITIES, Message, Priority
from rtcore_client.errors import QueueFull


class PriorityMessageQueue:
    """Messages by priority: critical overtakes everything; high, normal and low share by weight, 4 to 2 to 1.

    Within one priority the order is kept. When it is full, a message takes the place of the oldest of the least
    urgent that is less urgent than itself; if there is none, it is refused.

    Args:
        maxsize: messages held at most; the one that `peek` looks at is held beside them.
        dropped: called with each message that gave up its place.

    >>> queue = PriorityMessageQueue()
    >>> queue.enqueue(Message("report", priority="low"))
    >>> queue.enqueue(Message("alarm", priority="critical"))
    >>> queue.dequeue().type, len(queue)
    ('alarm', 1)
    """

    def __init__(
        self, maxsize: int = 1000, *, dropped: Callable[[Message], None] = lambda _message: None
    ) -> None:
        self.maxsize = maxsize
        # Messages in each lane; the head is in none.
        self._held = [0] * len(PRIORITIES)
        self._head: Message | None = None
        self._tell = dropped
        self._lanes = Lanes(maxsize, dropped=self._gave_way)

    def __len__(self) -> int:
        return len(self._lanes) + (self._head is not None)

    def __bool__(self) -> bool:
        return len(self) > 0

    def __iter__(self) -> Iterator[Message]:
        """Look at everything, by priority, oldest first, without taking it."""
        if self._head is not None:
            yield self._head
        yield from self._lanes

    @property
    def full(self) -> bool:
        """There is no room for one more, unless it is more urgent than something that waits."""
        return len(self._lanes) >= self.maxsize

    def enqueue(self, message: Message) -> None:
        """Let a message wait.

        Raises:
            QueueFull: nothing here is less urgent.
        """
        lane = LANE[message.priority]
        if self.full and not any(self._held[lane + 1 :]):
            raise QueueFull(
                f"{self.maxsize} messages wait, none of them less urgent than this {message.type!r}"
            )
        self._held[lane] += 1
        self._lanes.append(message)

    def dequeue(self) -> Message:
        """Take the next message.

        Raises:
            IndexError: it is empty.
        """
        if self._head is None or self._overtaken():
            return self._pop()
        message, self._head = self._head, None
        return message

    def dequeue_above(self, priority: Priority, unless: Callable[[Message], bool]) -> Message | None:
        """Take the next message that is more urgent than this; `None` if there is none, or `unless` says so of it."""
        head = self._head
        if head is not None and LANE[head.priority] < LANE[priority] and not self._overtaken():
            if unless(head):
                return None
            self._head = None
            return head
        message = self._lanes.pop_above(priority, unless)
        if message is not None:
            self._held[LANE[message.priority]] -= 1
        return message

    def peek(self) -> Message:
        """Look at the next message without taking it. It stays the next, unless a critical one comes.

        Raises:
            IndexError: it is empty.
        """
        if self._head is None:
            self._head = self._pop()
        return next(iter(self._lanes)) if self._overtaken() else self._head

    def discard(self, gone: Callable[[Message], bool]) -> None:
        """Take out those of which `gone` says so; nobody is told. The others stay in their order."""
        if self._head is not None and gone(self._head):
            self._head = None
        kept = [message for message in self._lanes if not gone(message)]
        self._lanes = Lanes(self.maxsize, dropped=self._gave_way)
        self._held = [0] * len(PRIORITIES)
        for message in kept:
            self._held[LANE[message.priority]] += 1
            self._lanes.append(message)

    def _overtaken(self) -> bool:
        return self._head is not None and self._head.priority != "critical" and self._held[0] > 0

    def _pop(self) -> Message:
        message = self._lanes.popleft()
        self._held[LANE[message.priority]] -= 1
        return message

    def _gave_way(self, message: Message, reason: str) -> None:
        self._held[LANE[message.priority]] -= 1
        self._tell(message)
