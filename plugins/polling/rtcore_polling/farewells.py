"""Last words to clients that were between two polls when their session ended.

Without them the next poll would learn only that there is no such session, and begin a new one: somebody who was kicked
would be back in a moment. Bounded in number, bytes and time; what is forgotten costs a client the reason, no more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from rtcore.connection import Connection

#: Sessions whose end is remembered.
COUNT_MAX: Final = 1000
#: Bytes of last words in all.
SIZE_MAX: Final = 16 * 1024 * 1024
#: Seconds for which they are kept.
KEPT: Final = 60.0


class _Farewell(NamedTuple):
    connection: Connection
    frames: list[bytes]
    size: int
    said: float


class Farewells:
    """By session id. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, _Farewell] = OrderedDict()
        self._size = 0

    def keep(self, connection: Connection, frames: list[bytes]) -> None:
        """Remember what the last frames of a connection were."""
        session = connection.session
        if session is None or not frames:
            return
        now = self._clock()
        size = sum(map(len, frames))
        self._kept[session.id] = _Farewell(connection, frames, size, now)
        self._size += size
        while (
            len(self._kept) > COUNT_MAX
            or self._size > SIZE_MAX
            or next(iter(self._kept.values())).said < now - KEPT
        ):
            self._size -= self._kept.popitem(last=False)[1].size
            if not self._kept:
                break

    def take(self, fields: Mapping[str, Any]) -> tuple[Connection, list[bytes]] | None:
        """Return the last frames for a poll that came too late, once, if it knows the session's secret."""
        name, secret = fields.get("session"), fields.get("secret")
        found = self._kept.get(name) if isinstance(name, str) else None
        if found is None or found.said < self._clock() - KEPT:
            return None
        session = found.connection.session
        if session is None or not isinstance(secret, str) or not session.knows(secret):
            return None
        del self._kept[str(name)]
        self._size -= found.size
        return found.connection, found.frames
