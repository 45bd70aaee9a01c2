"""Who is here: the members of one room that gave a name, and those who watch them come and go.

    room:join {room, name} ─▶ named            room:members {room, watch} ─▶ the names, then each joined and left

Rule: nobody is named who did not ask for it, and nobody is told who did not. A change costs one message to those who
watch, and only while the room has no more members than its `presence`. Beyond that the room is crowded: those who
watch are told so once, and nobody is named until it is well below that again, so that one who comes and goes at the
limit does not make everybody ask for the list each time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rtcore.errors import PayloadError
from rtcore.wire.message import Message
from rtcore_rooms.names import wrong_with

if TYPE_CHECKING:
    from rtcore.delivery import Audience
    from rtcore.session import Session

#: Characters of a member's name.
MEMBER_NAME_MAX: Final = 64
#: The share of `presence` at which a crowded room is a room with names again.
CALM: Final = 0.75


class Presence:
    """The names of one room of this node.

    Args:
        room: its name.
        limit: members up to which they are named; at least 1.
        members: how many are here, named or not; those whose page has gone are not.
        watchers: where those who watch go; theirs alone.
    """

    __slots__ = ("_away", "_crowded", "_limit", "_members", "_names", "_room", "_watchers")

    def __init__(self, room: str, limit: int, *, members: Callable[[], int], watchers: Audience) -> None:
        self._room = room
        self._limit = limit
        self._members = members
        self._watchers = watchers
        self._names: dict[Session, str] = {}
        self._away: dict[Session, str] = {}
        self._crowded = members() > limit

    def came(self) -> None:
        """There is one member more."""
        if not self._crowded and self._members() > self._limit:
            self._crowded = True
            self._tell("room:crowded", {"crowded": True})

    def name(self, session: Session, name: str) -> None:
        """A member is called this from now on."""
        known = None if self._crowded else self._seen().get(session.sender)
        self._names.pop(session, None)
        self._names[session] = (
            name  # the last in order: of two sessions of one person the newer one's name holds
        )
        if known != name:
            self._joined(session, name)

    def went(self, session: Session) -> None:
        """A session is no member any more."""
        self._watchers.discard(session)
        if self._away.pop(session, None) is None:
            self._gone(session)

    def left(self, session: Session) -> None:
        """A member's page has gone: as if it had left, but its name waits for it, and so does what it watches."""
        name = self._names.get(session)
        self._gone(session)
        if name is not None:
            self._away[session] = name

    def returned(self, session: Session) -> None:
        """Its page is back."""
        name = self._away.pop(session, None)
        if name is not None:
            self.name(session, name)

    def _gone(self, session: Session) -> None:
        name = self._names.pop(session, None)
        if self._crowded:
            if self._members() <= self._limit * CALM:
                self._crowded = False
                self._tell("room:crowded", {"crowded": False})
        elif name is not None:
            # Another session of the same person may still be here, perhaps under another name.
            other = self._seen().get(session.sender)
            if other is None:
                self._tell("room:left", {"member": session.sender}, exclude=session)
            elif other != name:
                self._joined(session, other)

    def watch(self, session: Session) -> None:
        """Tell this member from now on."""
        self._watchers.add(session)

    def unwatch(self, session: Session) -> None:
        """Tell it no more."""
        self._watchers.discard(session)

    def watches(self, session: Session) -> bool:
        """Whether it is told."""
        return session in self._watchers

    def who(self) -> list[dict[str, str]] | None:
        """Return member and name of everybody who has one, in the order in which they came; `None` in a crowd."""
        if self._crowded:
            return None
        return [{"member": member, "name": name} for member, name in self._seen().items()]

    def _seen(self) -> dict[str, str]:
        """Names by member, who may be several sessions. Looks at all: not in a crowd."""
        return {session.sender: name for session, name in self._names.items()}

    def _joined(self, session: Session, name: str) -> None:
        self._tell("room:joined", {"member": session.sender, "name": name}, exclude=session)

    def _tell(self, type: str, payload: dict[str, Any], *, exclude: Session | None = None) -> None:
        if len(self._watchers) and not (self._crowded and type != "room:crowded"):
            told = Message(type, {**payload, "members": self._members()}, room=self._room)
            self._watchers.publish(told, exclude=exclude)


def check_member_name(name: str) -> None:
    """Refuse a name that no member has.

    Raises:
        PayloadError: says what was expected.

    >>> check_member_name("Ada")
    """
    if reason := wrong_with(name, MEMBER_NAME_MAX):
        expected = f"a name of 1 to {MEMBER_NAME_MAX} characters"
        raise PayloadError("name", expected, f"{name[:40]!r}: {reason}")
