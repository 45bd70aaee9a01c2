"""Last words to clients that were between two polls when their session ended.

Without them the next poll would learn only that there is no such session, and begin a new one: somebody who was kicked
would be back in a moment. Bounded in number, bytes and time; what is forgotten costs a client the reason, no more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rtcore_polling.answer import Dress

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.wire.server_line import Key

#: Sessions whose end is remembered.
COUNT_MAX: Final = 1000
#: Bytes of last words in all.
SIZE_MAX: Final = 16 * 1024 * 1024
#: Seconds for which they are kept.
KEPT: Final = 60.0


class Farewell(NamedTuple):
    """The last frames of a session, how they are written, whose they are, their bytes, and when that was."""

    frames: Sequence[bytes]
    dress: Dress
    key: Key
    size: int
    said: float


class Farewells:
    """By session id. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Farewell] = OrderedDict()
        self._size = 0

    def keep(self, connection: Connection, frames: Sequence[bytes]) -> None:
        """Remember what the last frames of a connection were, and nothing else of it."""
        session = connection.session
        if session is None or not frames:
            return
        now = self._clock()
        size = sum(map(len, frames))
        self._kept[session.id] = Farewell(frames, Dress.of(connection), session.key, size, now)
        self._size += size
        while (
            len(self._kept) > COUNT_MAX
            or self._size > SIZE_MAX
            or next(iter(self._kept.values())).said < now - KEPT
        ):
            self._size -= self._kept.popitem(last=False)[1].size
            if not self._kept:
                break

    def take(self, fields: Mapping[str, Any]) -> Farewell | None:
        """Return what to answer a poll that came too late, once, if it knows the session's secret."""
        name, secret = fields.get("session"), fields.get("secret")
        found = self._kept.get(name) if isinstance(name, str) else None
        if found is None or found.said < self._clock() - KEPT:
            return None
        if not isinstance(secret, str) or not found.key.opens(secret):
            return None
        del self._kept[str(name)]
        self._size -= found.size
        return found
