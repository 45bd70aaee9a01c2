"""The rooms that the client is in, so that a new session finds its way back into them.

A room that keeps history is rejoined from where everything had come, so that what is missing since then comes after
all, and nothing twice; where the room no longer has it, a `gap` says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from rtcore_client.cursor import Cursor
from rtcore_client.errors import RealtimeError
from rtcore_client.events import Gap

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.events import Events

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
AskFirst = Callable[[str, dict[str, Any]], Callable[[], Awaitable[Any]]]

#: Messages of a history that is too short for us: all that it has.
ALL: Final = 1_000_000
#: Says that a place in the history is not for us: our own message, where the room has no echo.
SKIP: Final = "room:skip"


class _Room:
    """One room.

    Attributes:
        cursor: how far we have come in its history; `None` as long as nothing says that it has one.
        had: the cursor when we last came back: what it knows may be sent again, and is not taken twice.
        is_joined: the server has said so; before that its first messages may come already.
        asked: joins that are not answered yet: the room is not forgotten before the last of them has failed.
        called: how the others see this client there, if it said that.
    """

    __slots__ = ("asked", "called", "cursor", "had", "is_joined")

    def __init__(self) -> None:
        self.asked = 0
        self.cursor: Cursor | None = None
        self.had: Cursor | None = None
        self.is_joined = False
        self.called: str | None = None


class Rooms:
    """Names of rooms, each with the place in its history that was reached.

    Args:
        ask: makes a request of the server.
        ask_first: the same, before anything that waits to be sent: it is queued when this returns, and what is
            returned waits for the answer.
        events: for gaps, and rooms that do not take us back.
    """

    def __init__(self, ask: Ask, ask_first: AskFirst, events: Events) -> None:
        self._ask = ask
        self._ask_first = ask_first
        self._events = events
        self._rooms: dict[str, _Room] = {}
        self._sessions = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The rooms that the client is in."""
        return tuple(name for name, room in self._rooms.items() if room.is_joined)

    async def join(self, name: str, *, history: int = 0, called: str | None = None) -> Mapping[str, Any]:
        """Join; return what the server says: `room`, `members` and, where there is history, `offset` and `epoch`."""
        asked: dict[str, Any] = {"room": name}
        room = self._rooms.setdefault(name, _Room())
        if history:
            asked["history"] = history
            room.had = None
        if called is not None:
            asked["name"] = called
        room.asked += 1
        try:
            answer = _mapping(await self._ask("room:join", asked))
        except BaseException:
            if room.asked == 1 and not room.is_joined and self._rooms.get(name) is room:
                del self._rooms[name]
            raise
        finally:
            room.asked -= 1
        if called is not None:
            room.called = called
        if not room.is_joined:
            room.is_joined = True
            self._stands(room, answer)
        return answer

    async def leave(self, name: str) -> bool:
        """Leave; return whether the client was in the room."""
        self._rooms.pop(name, None)
        return bool(_mapping(await self._ask("room:leave", {"room": name})).get("left"))

    def rejoin(self) -> list[Coroutine[Any, Any, None]]:
        """Join every room again, in a session that knows of none. All is asked when this returns.

        So what was sent to a room while there was no link finds its sender a member.

        Returns:
            What waits for the answers: each to be run.
        """
        self._sessions += 1
        return [
            self._returned(name, room, self._ask_first("room:join", self._wish(name, room)), self._sessions)
            for name, room in self._rooms.items()
            if room.is_joined
        ]

    def saw(self, message: Message) -> bool:
        """A message came. Say whether it is for the application: neither a mark of ours nor one that it had."""
        if message.type == SKIP and message.sender is None:
            self._take(message)
            return False
        return message.offset is None or self._take(message)

    # -- inside ------------------------------------------------------------------------------------------

    def _take(self, message: Message) -> bool:
        """Note how far that brings us in the room's history. False if we had it, and were to be sent it again."""
        offset, epoch = message.offset, message.epoch
        room = self._rooms.get(message.room or "")
        if room is None or offset is None or epoch is None:
            return True
        if room.cursor is None or room.cursor.epoch != epoch:
            # The life of a history begins at 1, and we were there; unless we are only just coming.
            room.cursor = Cursor(0 if room.is_joined and room.cursor is not None else offset - 1, epoch)
        for first, last in message.covers or ():
            room.cursor.take(first, last)
        room.cursor.take(offset, offset)
        had = room.had
        return had is None or had.epoch != epoch or not had.knows(offset)

    def _wish(self, name: str, room: _Room) -> dict[str, Any]:
        wish: dict[str, Any] = {"room": name}
        if room.called is not None:
            wish["name"] = room.called
        cursor = room.cursor
        if cursor is not None:
            room.had = cursor.copy()
            # `history` is for when the place is no longer there.
            wish |= {"since": {"offset": cursor.offset, "epoch": cursor.epoch}, "history": ALL}
        return wish

    async def _returned(
        self, name: str, room: _Room, answered: Callable[[], Awaitable[Any]], session: int
    ) -> None:
        """Wait for the answer to a rejoin."""
        try:
            answer = _mapping(await answered())
        except RealtimeError as error:
            if session != self._sessions:
                return  # that session is gone as well, and with the next one we have asked anew
            if not error.retry and self._rooms.get(name) is room:
                del self._rooms[name]
            self._events.emit("error", error)
            return
        if answer.get("missed"):
            self._events.emit("gap", Gap("history", 0, name))
        if room.had is None or answer.get("missed"):
            self._stands(room, answer)

    def _stands(self, room: _Room, answer: Mapping[str, Any]) -> None:
        """The answer to a join says where the history stands: what was before it is not missing to us."""
        offset, epoch = answer.get("offset"), answer.get("epoch")
        if not isinstance(offset, int) or not isinstance(epoch, str):
            return
        if room.cursor is None or room.cursor.epoch != epoch:
            room.cursor = Cursor(offset, epoch)
        else:
            room.cursor.reach(offset)


def _mapping(answer: object) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}
