"""The rooms that the client is in, so that a new session finds its way back into them, and holes are filled.

Rule: a message of a room with history reaches the application once. What is missing is asked for from where everything
had come: in a new session, when the session goes on and has lost something, and when a hole stays. Only what the room's
history no longer has is a `gap`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final

from rtcore_client.cursor import Cursor
from rtcore_client.errors import RealtimeError, RequestError
from rtcore_client.events import Gap

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.events import Events

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
AskFirst = Callable[[str, dict[str, Any]], Callable[[], Awaitable[Any]]]
Answered = Callable[[], Awaitable[Any]]

#: Messages of a history that is too short for us: all that it has.
ALL: Final = 1_000_000
#: Says that a place in the history is not for us: our own message, where the room has no echo.
SKIP: Final = "room:skip"
#: Says who has left a room; of ourselves, if the payload has `you`.
LEFT: Final = "room:left"
#: Seconds before a room is asked again that could not take us back now; they double, up to the second one.
PAUSE: Final = 1.0
PAUSE_MAX: Final = 30.0
#: Seconds for which a hole may stay, since what is urgent overtakes; then what is in it is asked for, once.
PATIENCE: Final = 5.0


class _Room:
    """One room.

    Attributes:
        cursor: how far we have come in its history; `None` as long as nothing says that it has one.
        is_joined: the server has said so; before that its first messages may come already.
        asked: joins that are not answered yet: the room is not forgotten before the last of them has failed.
        called: how the others see this client there, if it said that.
        hole: the offset before the hole that we look at, to see whether it stays.
        sought: the offset before the hole that was asked for last: once is enough.
    """

    __slots__ = ("asked", "called", "cursor", "hole", "is_joined", "sought")

    def __init__(self) -> None:
        self.asked = 0
        self.cursor: Cursor | None = None
        self.is_joined = False
        self.called: str | None = None
        self.hole: int | None = None
        self.sought: int | None = None


class Rooms:
    """Names of rooms, each with the place in its history that was reached.

    Args:
        ask: makes a request of the server.
        ask_first: the same, before anything that waits to be sent: it is queued when this returns, and what is
            returned waits for the answer.
        events: for gaps, and rooms that do not take us back.
        spawn: runs what waits for an answer.

    Attributes:
        miss: told of each gap.
    """

    def __init__(
        self,
        ask: Ask,
        ask_first: AskFirst,
        events: Events,
        spawn: Callable[[Coroutine[Any, Any, None]], object] = asyncio.ensure_future,
    ) -> None:
        self._ask = ask
        self._ask_first = ask_first
        self._events = events
        self._spawn = spawn
        self.miss: Callable[[Gap], object] = lambda gap: events.emit("gap", gap)
        self._rooms: dict[str, _Room] = {}
        self._sessions = 0
        # What the session has lost, rooms that may have it, and why it was lost.
        self._lost = 0
        self._seeking = 0
        self._reason = ""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The rooms that the client is in."""
        return tuple(name for name, room in self._rooms.items() if room.is_joined)

    async def join(
        self,
        name: str,
        *,
        history: int = 0,
        since: Mapping[str, Any] | None = None,
        called: str | None = None,
    ) -> Mapping[str, Any]:
        """Join; return what the server says: `room`, `members` and, with a history, `offset`, `epoch`, `since`."""
        asked: dict[str, Any] = {"room": name}
        if since is not None:
            asked["since"] = _place(since)
        if history:
            asked["history"] = history
        if called is not None:
            asked["name"] = called
        room = self._rooms.setdefault(name, _Room())
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
        _stands(room, answer)
        room.is_joined = True
        return answer

    async def leave(self, name: str) -> bool:
        """Leave; return whether the client was in the room."""
        self._rooms.pop(name, None)
        return bool(_mapping(await self._ask("room:leave", {"room": name})).get("left"))

    def end(self) -> None:
        """The client is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- coming back -------------------------------------------------------------------------------------

    def rejoin(self) -> None:
        """Join every room again, in a session that knows of none. All is asked when this returns.

        So what was sent to a room while there was no link finds its sender a member.
        """
        self._sessions += 1
        for name, room in self._rooms.items():
            if room.is_joined:
                answered = self._ask_first("room:join", self._wish(name, room))
                self._spawn(self._back(name, room, answered))

    def heal(self, n: int, reason: str) -> None:
        """The session goes on, but has lost `n` messages: ask each history for what we lack of it.

        What is lost and in none of them is a `gap`, once all have answered.
        """
        self._lost += n
        self._reason = reason
        for name, room in self._rooms.items():
            if room.is_joined and room.cursor is not None:
                self._seek(name, room)
        self._found(0)

    # -- messages ----------------------------------------------------------------------------------------

    def saw(self, message: Message) -> bool:
        """A message came. Say whether it is for the application: neither a mark of ours nor one that it had."""
        if message.type == LEFT and message.sender is None:
            self._left(message)
        offset, epoch = message.offset, message.epoch
        room = self._rooms.get(message.room or "")
        is_mark = message.type == SKIP and message.sender is None
        if room is None or offset is None or epoch is None:
            return not is_mark
        cursor = room.cursor
        if cursor is None or cursor.epoch != epoch:
            # The life of a history begins at 1, and we were there; unless we are only just coming.
            cursor = room.cursor = Cursor(0 if room.is_joined and cursor is not None else offset - 1, epoch)
            room.hole = room.sought = None
        is_new = not cursor.knows(offset)
        for first, last in message.covers or ():
            cursor.take(first, last)
        cursor.take(offset, offset)
        if cursor.ahead and cursor.offset not in {room.hole, room.sought}:
            room.hole = cursor.offset
            self._look_later()
        return is_new and not is_mark

    def told(self, fields: Mapping[str, Any]) -> None:
        """The server says that something will not come: if it says up to where, there is no hole any more."""
        room = self._rooms.get(str(fields.get("room", "")))
        offset, epoch = fields.get("offset"), fields.get("epoch")
        if room is None or not isinstance(offset, int) or not isinstance(epoch, str):
            return
        if room.cursor is None or room.cursor.epoch != epoch:
            room.cursor = Cursor(offset, epoch)
        else:
            room.cursor.reach(offset)

    # -- inside ------------------------------------------------------------------------------------------

    def _left(self, message: Message) -> None:
        """If it is we who have left: the server has ended our membership, and we do not come back by ourselves."""
        try:
            fields = _mapping(message.payload)
        except ValueError:
            return
        name = message.room or ""
        room = self._rooms.get(name)
        if fields.get("you") is not True or room is None:
            return
        room.is_joined = False
        if not room.asked:
            del self._rooms[name]
        reason = fields.get("reason") or "the server has ended the membership"
        self._events.emit("error", RequestError(f"{name}: {reason}", code="not_a_member"))

    def _wish(self, name: str, room: _Room) -> dict[str, Any]:
        wish: dict[str, Any] = {"room": name}
        if room.called is not None:
            wish["name"] = room.called
        cursor = room.cursor
        if cursor is not None:
            # `history` is for when the place is no longer there.
            wish |= {"since": {"offset": cursor.offset, "epoch": cursor.epoch}, "history": ALL}
        return wish

    async def _returned(self, name: str, room: _Room, answered: Answered) -> int:
        """Wait until a room has taken us back; return how many messages were lost on their way, and not only waited."""
        session, pause, again = self._sessions, PAUSE, False
        # What comes with the answer may be seen before it.
        had = room.cursor.copy() if room.cursor is not None else None
        # In a session that is gone as well we have asked anew with the next one; and a room may have been left.
        while session == self._sessions and self._rooms.get(name) is room:
            try:
                if again:
                    answered = self._ask_first("room:join", self._wish(name, room))
                return self._take_answer(name, room, had, _mapping(await answered()))
            except RequestError as error:
                if session != self._sessions or self._rooms.get(name) is not room:
                    break
                self._events.emit("error", error)
                if not error.retry:
                    del self._rooms[name]
                    break
                await asyncio.sleep(error.retry_after or pause)
                pause, again = min(2 * pause, PAUSE_MAX), True
            except RealtimeError:
                break  # the session is gone, or the client: that says nothing of the room
        return 0

    async def _back(self, name: str, room: _Room, answered: Answered) -> None:
        await self._returned(name, room, answered)

    def _seek(self, name: str, room: _Room) -> None:
        """Ask for what is missing of a room that we are in."""
        assert room.cursor is not None  # noqa: S101 - the caller looked
        room.sought, room.hole = room.cursor.offset, None
        try:
            answered = self._ask_first("room:join", self._wish(name, room))
        except RealtimeError:
            return  # the client is stopped, or closed
        self._seeking += 1
        self._spawn(self._sought(name, room, answered))

    async def _sought(self, name: str, room: _Room, answered: Answered) -> None:
        found = 0
        try:
            found = await self._returned(name, room, answered)
        finally:
            self._seeking -= 1
            self._found(found)

    def _found(self, n: int) -> None:
        self._lost = max(0, self._lost - n)
        if self._seeking == 0 and self._lost:
            lost, self._lost = self._lost, 0
            self.miss(Gap(self._reason, lost))

    def _take_answer(self, name: str, room: _Room, had: Cursor | None, answer: Mapping[str, Any]) -> int:
        """Take the answer to a join of a room that we know; return what `_returned` returns."""
        since, offset = answer.get("since"), answer.get("offset")
        lost = n = 0
        if had is not None and answer.get("epoch") == had.epoch:
            if isinstance(offset, int):
                # What waited for us at the server was not lost.
                lost = max(0, had.lacks(offset) - int(answer.get("waiting") or 0))
            if isinstance(since, int):
                n = had.lacks(since)
        _stands(room, answer)
        if answer.get("missed"):
            self.miss(Gap("history", n, name))
        return lost

    def _look_later(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PATIENCE, self._look)

    def _look(self) -> None:
        """Ask for what is in holes that were there some time ago."""
        self._timer = None
        for name, room in self._rooms.items():
            hole, room.hole = room.hole, None
            if hole is None or room.cursor is None or not room.cursor.ahead:
                continue
            if room.cursor.offset == hole and room.is_joined:
                self._seek(name, room)
            elif room.sought != room.cursor.offset:
                room.hole = room.cursor.offset
                self._look_later()


def _stands(room: _Room, answer: Mapping[str, Any]) -> None:
    """The answer to a join says from where on everything comes."""
    epoch = answer.get("epoch")
    since = answer.get("since", answer.get("offset"))
    if not isinstance(since, int) or not isinstance(epoch, str):
        return
    if room.cursor is None or room.cursor.epoch != epoch:
        room.cursor = Cursor(since, epoch)
        return
    if answer.get("missed") or not room.is_joined:
        room.cursor.reach(since)
    room.cursor.begin(since)


def _place(since: Mapping[str, Any]) -> dict[str, Any]:
    """Return a place in a history as it is asked for.

    Raises:
        ValueError: it is none.
    """
    offset, epoch = since.get("offset"), since.get("epoch")
    if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0 or not isinstance(epoch, str):
        raise ValueError(
            f'since: expected {{"offset": a number from 0 on, "epoch": a text}}, given {dict(since)!r}'
        )
    return {"offset": offset, "epoch": epoch}


def _mapping(answer: object) -> Mapping[str, Any]:
    return answer if isinstance(answer, Mapping) else {}
