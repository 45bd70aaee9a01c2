"""What clients ask of rooms: `room:join`, `room:leave`, `room:list`, `room:members`.

To send to a room a client needs no request: any message whose `room` is set, and whose type has no handler, is a
publication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from rtcore.errors import Rejected
from rtcore.session import Session
from rtcore.spi.broker import Position
from rtcore.spi.handler import Handler
from rtcore.spi.rooms import Rooms
from rtcore_rooms import promptly
from rtcore_rooms.arrivals import Step
from rtcore_rooms.promptly import IN_A_TASK, Patience
from rtcore_rooms.rights import ask
from rtcore_rooms.service import RoomService

if TYPE_CHECKING:
    from rtcore.app import App

#: Rooms in one answer to `room:list`.
LIST_MAX: Final = 1000


@dataclass
class Since:
    """A place in a room's history."""

    offset: int
    epoch: str


@dataclass
class Join:
    """The payload of `room:join`."""

    room: str
    since: Since | None = None
    history: int = 0
    name: str | None = None


@dataclass
class Leave:
    """The payload of `room:leave`."""

    room: str


@dataclass
class List:
    """The payload of `room:list`, which may also be missing."""

    prefix: str = ""
    limit: int = LIST_MAX


@dataclass
class Members:
    """The payload of `room:members`. `watch` is as it was if it says nothing."""

    room: str
    watch: bool | None = None


class Requests:
    """The handlers."""

    def __init__(self, app: App) -> None:
        self._app = app

    def handlers(self) -> Sequence[Handler]:
        """Return one per type."""
        return [
            Handler("room:join", self.join),
            Handler("room:leave", self.leave),
            Handler("room:list", self.list),
            Handler("room:members", self.members),
        ]

    def join(self, session: Session, wish: Join) -> dict[str, Any] | Step | None:
        """Join; what was missed and asked for is read after the answer, and what the session sends there waits."""
        arrivals = self._rooms.arrivals
        if arrivals.holds(session, wish.room):
            return arrivals.begin(session, wish.room, self._join(session, wish, IN_A_TASK))
        answer, rest = promptly.begin(partial(self._join, session, wish))
        return answer if rest is None else arrivals.begin(session, wish.room, rest)

    async def _join(self, session: Session, wish: Join, patience: Patience) -> dict[str, Any]:
        rooms = self._rooms
        since = Position(wish.since.offset, wish.since.epoch) if wish.since is not None else None
        joined = await rooms.join_with_history(
            session, wish.room, since=since, newest=max(0, wish.history), name=wish.name, patience=patience
        )
        rooms.asked(session, wish.room)
        answer: dict[str, Any] = {"room": wish.room, "members": rooms.present(wish.room)}
        if joined.top is not None and joined.place is not None:
            answer |= {"offset": joined.top.offset, "epoch": joined.top.epoch, "since": joined.place.offset}
        if joined.missed:
            # Better in the room with a hole than outside of it; the client is told, and starts afresh.
            answer["missed"] = True
        if joined.waiting:
            answer["waiting"] = joined.waiting
        return answer

    def leave(self, session: Session, wish: Leave) -> dict[str, Any] | Step:
        """Leave, after the join that was asked for before; say whether the session was in the room."""
        arrivals = self._rooms.arrivals
        if arrivals.holds(session, wish.room):
            return arrivals.begin(session, wish.room, self._leave(session, wish))
        return self._left(session, wish)

    async def _leave(self, session: Session, wish: Leave) -> dict[str, Any]:
        return self._left(session, wish)

    def _left(self, session: Session, wish: Leave) -> dict[str, Any]:
        return {"room": wish.room, "left": self._rooms.leave(session, wish.room)}

    async def list(self, session: Session, wish: List | None) -> dict[str, Any]:
        """List the rooms that the session may see."""
        wish = wish or List()
        await ask(self._app.registry.authorizers, session, "room:list", wish.prefix, IN_A_TASK)
        rooms = self._rooms
        mine = set(rooms.of(session))
        found = sorted(rooms.listed(session, wish.prefix))
        shown = [
            {"room": name, "members": members, "joined": name in mine}
            for name, members in found[: max(0, min(wish.limit, LIST_MAX))]
        ]
        return {"rooms": shown, "total": len(found)}

    async def members(self, session: Session, wish: Members) -> dict[str, Any]:
        """Say who is in a room of the session's own, and, from the answer on, who comes and goes."""
        rooms = self._rooms
        rooms.presence(session, wish.room)  # no authorizer is asked by somebody who is not in the room
        await ask(self._app.registry.authorizers, session, "room:members", wish.room, IN_A_TASK)
        presence = rooms.presence(session, wish.room)
        found: dict[str, Any] = {
            "room": wish.room,
            "member": session.sender,
            "members": rooms.present(wish.room),
            "watching": False,
        }
        if presence is None:
            return found
        if wish.watch:
            presence.watch(session)
        elif wish.watch is False:
            presence.unwatch(session)
        found["watching"] = presence.watches(session)
        who = presence.who()
        if who is not None:
            found["who"] = who
        return found

    @property
    def _rooms(self) -> RoomService:
        rooms = self._app.get(Rooms)
        if not isinstance(rooms, RoomService):
            raise Rejected("no_rooms", "another plugin provides the rooms")
        return rooms
