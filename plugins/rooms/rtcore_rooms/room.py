"""One room of this node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.delivery import Audience
    from rtcore.session import Session
    from rtcore_rooms.presence import Presence
    from rtcore_rooms.settings import RoomOptions


class Room:
    """Who is in it here, and who of them may send.

    Attributes:
        name: the room's.
        options: of the pattern that its name matches.
        audience: the members on this node.
        senders: those that may send, with the name under which the others see them.
        opening: the broker's subscription, while it is being made, or its failure; `None` if it was made at once.
        waiting: sessions that are about to join: the room stays open for them.
        delivered: epoch and offset of what this node was brought last, if the room has a history.
        presence: names and those who watch them, once there are any; `None` if there never were.
    """

    __slots__ = ("audience", "delivered", "name", "opening", "options", "presence", "senders", "waiting")

    def __init__(self, name: str, options: RoomOptions, audience: Audience) -> None:
        self.name = name
        self.options = options
        self.audience = audience
        self.senders: dict[Session, str] = {}
        self.opening: asyncio.Future[None] | None = None
        self.waiting = 0
        self.delivered: tuple[str | None, int] | None = None
        self.presence: Presence | None = None

    def add(self, session: Session, sender: str | None) -> None:
        """Make a session a member; `sender` is `None` if it may only listen."""
        self.audience.add(session)
        if sender is not None:
            self.senders[session] = sender
        if self.presence is not None:
            self.presence.came()

    def discard(self, session: Session) -> None:
        """End a membership."""
        self.audience.discard(session)
        self.senders.pop(session, None)
        if self.presence is not None:
            self.presence.went(session)
