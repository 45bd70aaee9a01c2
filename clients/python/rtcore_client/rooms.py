"""The rooms that the client is in, so that a new session finds its way back into them.

A room that keeps history is rejoined from the last message that was seen, so that what was published meanwhile comes
after all; where the room no longer has it, a `gap` says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from rtcore_client.errors import RealtimeError
from rtcore_client.events import Gap

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.events import Events

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]


class Rooms:
    """Names of rooms, each with the place in its history that was reached.

    Args:
        ask: makes a request of the server.
        events: for gaps, and rooms that do not take us back.
    """

    def __init__(self, ask: Ask, events: Events) -> None:
        self._ask = ask
        self._events = events
        self._joined: dict[str, tuple[int, str] | None] = {}
        self._as: dict[str, str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The rooms that the client is in."""
        return tuple(self._joined)

    async def join(self, room: str, *, history: int = 0, name: str | None = None) -> Mapping[str, Any]:
        """Join; return what the server says: `room`, `members` and, where there is history, `offset` and `epoch`."""
        asked: dict[str, Any] = {"room": room}
        if history:
            asked["history"] = history
        if name is not None:
            asked["name"] = name
        answer = await self._ask("room:join", asked)
        if name is not None:
            self._as[room] = name
        self._joined.setdefault(room, None)
        self._reached(room, answer)
        return answer if isinstance(answer, Mapping) else {}

    async def leave(self, room: str) -> bool:
        """Leave; return whether the client was in the room."""
        self._joined.pop(room, None)
        self._as.pop(room, None)
        answer = await self._ask("room:leave", {"room": room})
        return bool(answer.get("left")) if isinstance(answer, Mapping) else False

    async def rejoin(self) -> None:
        """Join every room again, in a session that knows of none."""
        for room, cursor in tuple(self._joined.items()):
            asked: dict[str, Any] = {"room": room}
            if cursor is not None:
                asked["since"] = {"offset": cursor[0], "epoch": cursor[1]}
            if room in self._as:
                asked["name"] = self._as[room]
            try:
                answer = await self._ask("room:join", asked)
            except RealtimeError as error:
                if not error.retry:
                    self._joined.pop(room, None)
                self._events.emit("error", error)
            else:
                if isinstance(answer, Mapping) and answer.get("missed"):
                    self._events.emit("gap", Gap("history", 0, room))
                if cursor is None:
                    self._reached(room, answer)

    def saw(self, message: Message) -> None:
        """A message came; if it was published to a room of ours with history, that is how far we are."""
        room, offset, epoch = message.room, message.offset, message.epoch
        if room is None or offset is None or epoch is None or room not in self._joined:
            return
        cursor = self._joined[room]
        if cursor is None or cursor[1] != epoch or cursor[0] < offset:
            self._joined[room] = offset, epoch

    def _reached(self, room: str, answer: object) -> None:
        """The answer to a join names the newest message that was there; what was asked for has come before it."""
        if not isinstance(answer, Mapping):
            return
        offset, epoch = answer.get("offset"), answer.get("epoch")
        if isinstance(offset, int) and isinstance(epoch, str) and room in self._joined:
            self._joined[room] = offset, epoch
