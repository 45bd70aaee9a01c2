"""A queue between the client and one consumer: a stream, or an async callback.

It has a bound of its own, and beyond it a share of the inbox, so that a consumer which is slow stops nobody as long as
the inbox has room. When it has none the server feels it; and who has taken nothing for too long by then is *stalled*
(`rtcore_client.stalls`):

    keeps up ──bound reached──▶ takes of the inbox's room ──inbox full, nothing taken for `patience`──▶ stalled
       ▲                                                                                                  │ drops
       └──────────────────────────────────── takes a message ◀────────────────────────────────────────────┘

Rule: cancelling either side loses nothing, and what is dropped is counted and told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.inbox import Inbox
    from rtcore_client.stalls import Stalls

#: What becomes of a stalled consumer's messages: the oldest go, or new ones; or it ends, or everybody waits for it.
Overflow = Literal["drop_oldest", "drop_new", "end", "wait"]

#: A consumer that has shown how long it takes for a message is given so many times that, up to a bound in seconds.
PACE: Final = 4
PACE_MAX: Final = 60.0


class Ended(Exception):
    """The buffer has ended and is empty."""


class Buffer:
    """Messages for one consumer.

    Args:
        name: for people: which consumer it is.
        maxsize: messages; those beyond take of the inbox's room.
        stalls: watches over it.
        policy: what becomes of messages when it is stalled.
        patience: seconds without a message taken, at the least.

    Attributes:
        ended: there will be no more.
        stalled: too long nothing was taken; see `policy`.
        dropped: messages, ever.
    """

    def __init__(
        self,
        name: str,
        maxsize: int,
        stalls: Stalls,
        *,
        policy: Overflow = "drop_oldest",
        patience: float = 2.0,
    ) -> None:
        self.name = name
        self.policy = policy
        self.ended = False
        self.stalled = False
        self.dropped = 0
        self._patience = patience
        self._maxsize = maxsize
        self._stalls = stalls
        self._held: deque[Message] = deque()
        self._inbox: Inbox | None = None
        self._some = asyncio.Event()
        # When a message was taken, how long the one before has kept its consumer, and when this began to be too full.
        self._taken = 0.0
        self._pace = 0.0
        self._full = 0.0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def over(self) -> int:
        """Messages that wait here beyond the bound, in the inbox's room."""
        return max(0, len(self._held) - self._maxsize) if self._inbox is not None else 0

    def put(self, message: Message) -> None:
        """Take a message. After the end it is nobody's."""
        held = self._held
        if self.ended:
            return
        if len(held) < self._maxsize:
            held.append(message)
            self._some.set()
        elif not self.stalled or self.policy == "wait":
            if not self.over:
                self._full = asyncio.get_running_loop().time()
                self._inbox = self._stalls.watch(self)
            held.append(message)
            if self._inbox is not None:
                self._inbox.keep(message)
        else:
            if self.policy == "drop_oldest":
                held.popleft()
                held.append(message)
            self._drop()

    async def get(self) -> Message:
        """Return the oldest message; wait for it.

        Raises:
            Ended: there will be none.
        """
        loop = asyncio.get_running_loop()
        if self._taken:
            self._pace = loop.time() - self._taken
        while not self._held:
            if self.ended:
                raise Ended
            self._some.clear()
            await self._some.wait()
        self._taken = loop.time()
        if self.stalled and not self.ended:
            self.stalled = False
            self._stalls.recovered(self)
        return self._take()

    def is_late(self, now: float) -> bool:
        """Say whether more waits here than should, and nothing was taken for too long."""
        patience = max(self._patience, min(PACE * self._pace, PACE_MAX))
        return bool(self.over) and now - max(self._taken, self._full) >= patience

    def stall(self) -> None:
        """Its consumer takes nothing: drop what is too much, by its policy, and from now on as well."""
        self.stalled = True
        if self.policy == "wait":
            return
        while self.over:
            if self.policy == "drop_oldest":
                self._take()
            else:
                self._give_back(self._held.pop())
            self._drop()
        if self.policy == "end":
            self.end()

    def end(self) -> None:
        """No more messages; those that are held can still be taken, and nobody waits for that."""
        self.ended = True
        for place in range(self._maxsize, len(self._held)):
            self._give_back(self._held[place])
        self._inbox = None
        self._stalls.forget(self)
        self._some.set()

    def clear(self) -> None:
        """Forget what is held."""
        while self._held:
            self._take()

    def _take(self) -> Message:
        """Take the oldest; the first of those beyond the bound comes within it."""
        message = self._held.popleft()
        if len(self._held) >= self._maxsize:
            self._give_back(self._held[self._maxsize - 1])
        return message

    def _give_back(self, message: Message) -> None:
        if self._inbox is not None:
            self._inbox.release(message)

    def _drop(self) -> None:
        self.dropped += 1
        self._stalls.dropped(self)
