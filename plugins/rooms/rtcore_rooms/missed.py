"""What a member has missed: the part of a room's history that it is sent before anything new.

Rule: history and live messages meet without a hole and without a copy. Who catches up has everything up to what this
node has delivered last; from there on nothing waits until it is a member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rtcore.errors import Rejected
from rtcore.wire.errors import WireError
from rtcore.wire.message import Message

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.broker import History, Position
    from rtcore_rooms.promptly import Patience
    from rtcore_rooms.room import Room

#: Says that a place in the history is not for whoever gets it: its own message, where there is no echo.
SKIP: Final = "room:skip"
#: Looks at the history until it is seen to join what is live; more than one only while others publish meanwhile.
CATCH_UPS: Final = 10


class Missed:
    """Sends members what they have missed.

    Attributes:
        history: the broker, if it remembers anything.
    """

    def __init__(self) -> None:
        self.history: History | None = None

    async def send(
        self, session: Session, here: Room, since: Position | None, newest: int, patience: Patience
    ) -> Position | None:
        """Send what was missed, until what this node has delivered last is part of it.

        A broker that answers later may bring a publication while it looks: then it is asked for the rest.
        """
        broker = self.history
        if not here.options.history or broker is None:
            return None
        goes_on = since is not None
        limit = here.options.history if goes_on else min(newest, here.options.history)
        for _ in range(CATCH_UPS):
            try:
                missed, top = await patience(broker.history(here.name, since=since, limit=limit))
            except LookupError as error:
                raise Rejected("gap", f"the history no longer reaches back to there: {error}") from error
            for publication in missed:
                if publication.exclude != session.id:
                    _post(session, publication.message)
                elif goes_on:
                    skip(session, publication.message)
            since, limit = top, here.options.history
            if here.delivered is None or here.delivered[0] != top.epoch or here.delivered[1] <= top.offset:
                return top
        raise Rejected("gap", "the room is faster than its history can be read; join without it")


def skip(session: Session, message: Message) -> None:
    """Tell a member that keeps a cursor of a place that is not for it, or it would take it for a hole."""
    if session.covers:
        session.post(Message(SKIP, room=message.room, offset=message.offset, epoch=message.epoch))


def _post(session: Session, message: Message) -> None:
    try:
        session.post(message)
    except (TypeError, WireError):
        # One that this client's codec cannot express is no reason to stay outside.
        session.dropped(message, "unencodable")
