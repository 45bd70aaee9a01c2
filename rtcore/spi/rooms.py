"""The rooms service: what other plugins and the manager use, whoever provides it."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.broker import Position, Publication
    from rtcore.wire.message import Message


@runtime_checkable
class Rooms(Protocol):
    """Named audiences. Provided as a service by the `rooms` plugin: `app.get(Rooms)`."""

    async def join(self, session: Session, room: str) -> None:
        """Make the session a member; again is harmless.

        Raises:
            Rejected: `bad_room`, `forbidden`, `room_full` or `too_many_rooms`.
        """

    def leave(self, session: Session, room: str) -> bool:
        """End a membership; say whether there was one."""

    def send(
        self, room: str, message: Message, *, exclude: Session | None = None
    ) -> Position | Awaitable[Position | None] | None:
        """Publish to all members, on every node. The answer is the broker's."""

    def members(self, room: str) -> Collection[Session]:
        """The members on this node; a live view: do not keep an iterator over a pause."""

    def rooms(self) -> Collection[str]:
        """The rooms that have a member on this node."""

    def of(self, session: Session) -> Collection[str]:
        """The rooms of one session."""

    def publish_from(
        self, session: Session, message: Message
    ) -> Position | Awaitable[Position | None] | None:
        """Publish what a client sent to `message.room`. Called per message: rights are looked up, not asked for.

        Raises:
            Rejected: `not_a_member`, `forbidden`.
        """

    def deliver(self, publication: Publication) -> None:
        """Give a publication to the members on this node. The broker's sink: called in the event loop."""
