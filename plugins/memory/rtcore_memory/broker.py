"""A broker for one process: publishing is a call.

Rule: everything happens before `publish` returns. Members have the publication in their outboxes, the history has
it, or neither: what no member's codec can express is not remembered.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable

from rtcore.spi.broker import Page, Position, Publication, Sink
from rtcore_memory.history import RoomHistory
from rtcore_memory.settings import Settings


class MemoryBroker:
    """See `rtcore.spi.broker.Broker` and `History`.

    Args:
        settings: the bounds.
        clock: seconds that never go back.
    """

    name = "memory"

    def __init__(self, settings: Settings, *, clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._sink: Sink | None = None
        self._subscribed: set[str] = set()
        # The room that was published to last is at the end.
        self._histories: OrderedDict[str, RoomHistory] = OrderedDict()
        self._bytes = 0
        self._run = secrets.token_hex(4)
        self._forgotten = 0

    @property
    def epoch(self) -> str:
        """The epoch of a history that begins now.

        All histories share one until any is forgotten: offsets that begin again must not look like the old ones.
        """
        return f"{self._run}-{self._forgotten}"

    async def start(self, sink: Sink) -> None:
        self._sink = sink

    async def stop(self) -> None:
        self._sink = None
        self._subscribed.clear()
        self._histories.clear()
        self._bytes = 0
        self._forgotten += 1

    def subscribe(self, room: str) -> None:
        self._subscribed.add(room)

    def unsubscribe(self, room: str) -> None:
        self._subscribed.discard(room)

    def publish(self, publication: Publication) -> Position | None:
        if publication.keep > 0 and self._settings.history_rooms:
            return self._remember(publication)
        self._deliver(publication)
        return None

    @property
    def remembers(self) -> bool:
        """It may keep some history."""
        return self._settings.history_rooms > 0 and self._settings.history_bytes > 0

    def history(self, room: str, *, since: Position | None = None, limit: int = 100) -> Page:
        held = self._histories.get(room) or RoomHistory(self.epoch)
        self._bytes -= held.expire(self._clock())
        return held.after(since, limit), held.position

    def _deliver(self, publication: Publication) -> None:
        if self._sink is not None and publication.room in self._subscribed:
            self._sink(publication)

    def _remember(self, publication: Publication) -> Position:
        room, message = publication.room, publication.message
        held = self._histories.get(room)
        if held is None:
            held = RoomHistory(self.epoch)
        message.offset, message.epoch = held.offset + 1, held.epoch
        try:
            self._deliver(publication)
        except BaseException:
            message.offset = message.epoch = None
            raise
        now = self._clock()
        self._histories[room] = held
        self._histories.move_to_end(room)
        self._bytes += held.append(publication, now)
        self._shrink(now)
        return held.position

    def _shrink(self, now: float) -> None:
        """Forget the quietest rooms: beyond the bounds at once, and one that has nothing left and no listener."""
        histories, settings = self._histories, self._settings
        while len(histories) > settings.history_rooms or self._bytes > settings.history_bytes:
            self._forget(next(iter(histories)))
        if not histories:
            return
        quietest, held = next(iter(histories.items()))
        self._bytes -= held.expire(now)
        if not held.entries:
            if quietest in self._subscribed:
                histories.move_to_end(quietest)
            else:
                self._forget(quietest)

    def _forget(self, room: str) -> None:
        self._bytes -= self._histories.pop(room).bytes
        self._forgotten += 1
