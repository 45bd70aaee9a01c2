"""One room of this node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.delivery import Audience
    from rtcore.session import Session
    from rtcore.spi.broker import Position
    from rtcore_rooms.catchup import CatchUp
    from rtcore_rooms.presence import Presence
    from rtcore_rooms.settings import RoomOptions


class Room:
    """Who is in it here, and who of them may send. It is a collection of its members.

    Attributes:
        name: the room's.
        options: of the pattern that its name matches.
        audience: the members on this node that are live.
        behind: the others, which read the room's history.
        placed: members that have not asked to be in it: the program has put them there.
        past: live members that have more of the history than this node was brought yet, and up to where.
        away: members whose page has gone and may be back; nobody sees them.
        senders: those that may send, with the name under which the others see them.
        opening: the broker's subscription, while it is being made, or its failure; `None` if it was made at once.
        waiting: sessions that are about to join: the room stays open for them.
        delivered: where in the history this node was brought something last; `None` before the first time.
        presence: names and those who watch them, once there are any; `None` if there never were.
    """

    __slots__ = (
        "_leaving", "_publishing", "audience", "away", "behind", "delivered", "name", "opening", "options", "past",
        "placed", "presence", "senders", "waiting",
    )  # fmt: skip

    def __init__(self, name: str, options: RoomOptions, audience: Audience) -> None:
        self.name = name
        self.options = options
        self.audience = audience
        self.behind: dict[Session, CatchUp] = {}
        self.past: dict[Session, Position] = {}
        self.away: set[Session] = set()
        self.placed: set[Session] = set()
        self.senders: dict[Session, str] = {}
        self.opening: asyncio.Future[None] | None = None
        self.waiting = 0
        self.delivered: Position | None = None
        self.presence: Presence | None = None
        self._publishing = False
        self._leaving: list[Session] = []

    def __len__(self) -> int:
        return len(self.audience) + len(self.behind)

    def __contains__(self, session: object) -> bool:
        return session in self.audience or session in self.behind

    def __iter__(self) -> Iterator[Session]:
        return chain(self.audience, self.behind)

    def came(self, session: Session, sender: str | None) -> None:
        """A session has become a member; `sender` is `None` if it may only listen."""
        if sender is not None:
            self.senders[session] = sender
        if self.presence is not None:
            self.presence.came()

    @property
    def present(self) -> int:
        """How many members others may see."""
        return len(self) - len(self.away)

    def leave(self, session: Session) -> None:
        """A member's page has gone. What is published reaches the member when it is back."""
        if session not in self.away:
            self.away.add(session)
            if self.presence is not None:
                self.presence.left(session)

    def come_back(self, session: Session) -> None:
        """It is there again."""
        if session in self.away:
            self.away.discard(session)
            if self.presence is not None:
                self.presence.came()
                self.presence.returned(session)

    def live(self, session: Session) -> None:
        """A member gets what is published from here on."""
        feed = self.behind.pop(session, None)
        if feed is not None:
            feed.end()
        session.readmit(self.name)
        self.audience.add(session)

    def follow(self, feed: CatchUp) -> None:
        """A member reads the history, from where its feed is on."""
        old = self.behind.pop(feed.session, None)
        if old is not None:
            old.end()
        self._quiet(feed.session)
        self.behind[feed.session] = feed
        if not feed.dormant:
            feed.session.follow(feed)

    def discard(self, session: Session) -> None:
        """End a membership."""
        self._quiet(session)
        feed = self.behind.pop(session, None)
        if feed is not None:
            feed.end()
            session.readmit(self.name)
        self.away.discard(session)
        self.placed.discard(session)
        self.senders.pop(session, None)
        if self.presence is not None:
            self.presence.went(session)

    def begin_publishing(self) -> None:
        """The audience is being walked through: nobody leaves it before `end_publishing`."""
        self._publishing = True

    def end_publishing(self) -> None:
        """Those leave the audience who have fallen behind meanwhile."""
        self._publishing = False
        leaving, self._leaving = self._leaving, []
        for session in leaving:
            self.audience.discard(session)

    def _quiet(self, session: Session) -> None:
        self.past.pop(session, None)
        if self._publishing:
            self._leaving.append(session)
        else:
            self.audience.discard(session)
