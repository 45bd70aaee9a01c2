"""Feeds: messages that a session takes at its own pace, out of a memory that keeps them anyway.

    post   pushed   waits in the session's lanes, within bounds; what is too much there is dropped
    feed   pulled   stays where it is until the session's connection has room for it

A room's history is read this way, so that catching up costs no memory per member and cannot overflow.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rtcore.outgoing import Outgoing
    from rtcore.wire.message import Message


@runtime_checkable
class Feed(Protocol):
    """What one session reads of one memory; it begins with `session.follow(feed)`.

    The session asks when what waits in its lanes has left, never while its connection is full, and never for more than
    its window can replay. A feed that has come to its end says `session.unfollow(self)`, from `take` if it likes; one
    that has something again says `session.feed()`.
    """

    @property
    def waiting(self) -> int:
        """Messages that are still to be taken, as far as is known; they count as the session's backlog."""

    def take(self, count: int, size: int) -> Sequence[Message]:
        """Return the next messages: at most `count`, and no more once they have `size` bytes. None: not now.

        They are written in this turn, before anything else is posted. Never raises.
        """


@runtime_checkable
class Healer(Protocol):
    """Who can bring a session later what it cannot take now. Set as `manager.healer`; there is one at most."""

    def heal(self, session: Outgoing, message: Message, reason: str) -> bool:
        """A message with an offset finds no room in the session's lanes, or cannot be encoded for its client.

        Returns:
            True if the session gets it after all, or learns that it will not: then it is no drop.
        """

    def rest(self, session: Outgoing, unconfirmed: Sequence[Message], *, replays: bool) -> Container[str]:
        """The client was loaded again, or lacks what nobody has any more: it asks its rooms from where on it wants.

        Called before the welcome, and before anything that waits is written.

        Args:
            session: gets nothing of these rooms' histories before it has asked.
            unconfirmed: what it may not have got.
            replays: that is sent again; but for what is of the rooms that are returned.

        Returns:
            The rooms.
        """
