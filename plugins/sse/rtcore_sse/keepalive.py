"""Comments for streams that are silent, without a timer for each of them."""

from __future__ import annotations

import asyncio
from itertools import cycle
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rtcore_sse.link import StreamLink

#: Streams are looked at in so many groups, one after the other, so that no turn of the loop has them all.
GROUPS: Final = 16


class KeepAlive:
    """Looks at each stream once per interval (seconds). A stream that was silent since gets a comment."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._groups: tuple[set[StreamLink], ...] = tuple(set() for _ in range(GROUPS))
        self._turn = cycle(self._groups)

    def add(self, link: StreamLink) -> None:
        """Look after a stream."""
        next(self._turn).add(link)

    def discard(self, link: StreamLink) -> None:
        """A stream is over."""
        for group in self._groups:
            group.discard(link)

    def links(self) -> list[StreamLink]:
        """Return the streams that are open."""
        return [link for group in self._groups for link in group]

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for group in self._groups:
                await asyncio.sleep(self._interval / GROUPS)
                for link in list(group):
                    link.keep_alive()
