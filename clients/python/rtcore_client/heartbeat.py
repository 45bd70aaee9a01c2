"""The client's own heartbeat: it measures round trips, and finds a link that is dead without having ended.

Rule: a ping goes out every interval. Nothing at all by the way down within the timeout after one, not even a byte of a
frame: the link is dead. While the client does not read, because callbacks are behind, or what it sends is still on
its way, silence says nothing. A link that dies while something is half way gets more patience the next time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rtcore_client.transports.base import LinkLost

if TYPE_CHECKING:
    from rtcore_client.events import Events
    from rtcore_client.options import ConnectionType
    from rtcore_client.quality import ConnectionQualityDetector, Quality
    from rtcore_client.session import Session

#: Timeouts that a link is given at the most.
PATIENCE: Final = 8


class Heartbeat:
    """Pings on the session's link, whichever it is.

    Attributes:
        answered: how many pings were.
        patience: timeouts that a link is given.
    """

    def __init__(self, session: Session, detector: ConnectionQualityDetector, events: Events) -> None:
        self._session = session
        self._detector = detector
        self._events = events
        self._quality: Quality | None = None
        self._sent: dict[int, float] = {}
        self._number = 0
        self.answered = 0
        self.patience = 1
        session.on_pong = self._pong

    async def run(self, interval: float, timeout: float) -> LinkLost:
        """Ping until the link is dead; return what it died of. Cancel it when the link ends otherwise."""
        loop = asyncio.get_running_loop()
        self._sent.clear()
        while True:
            at = loop.time()
            self._number += 1
            self._sent[self._number] = at
            self._session.control("ping", {"t": self._number})
            if await self._is_silent(at, timeout):
                if self._session.is_half_way:
                    self.patience = min(PATIENCE, self.patience * 2)
                self._detector.record_packet_loss()
                self._judge()
                return LinkLost(
                    "ping_timeout", f"nothing was heard for {loop.time() - self._session.heard:.1f} s"
                )
            if not self._session.is_half_way:
                self.patience = 1
            self._sent.pop(self._number, None)
            await asyncio.sleep(max(0.0, interval - timeout))

    def begin_anew(self, type_: ConnectionType) -> None:
        """The session moved to another transport: what was measured on the one before says nothing of it."""
        self._detector.reset()
        self._events.emit("transport", type_)

    async def _is_silent(self, at: float, timeout: float) -> bool:
        """Wait for a sign of life since `at`. True if there is none."""
        session, loop = self._session, asyncio.get_running_loop()
        left = self.patience
        while True:
            await self._listen(timeout)
            if session.heard >= at or session.inbox.full or session.link is None:
                return False
            if session.link.moved():
                continue
            # An answer waits behind a POST that is under way, and takes its time after it.
            behind = session.link.free_since + timeout - loop.time()
            if behind > 0:
                await asyncio.sleep(behind)
                if session.heard >= at:
                    return False
                continue
            left -= 1
            if left <= 0:
                return True

    async def _listen(self, timeout: float) -> None:
        """Wait so long; once more if the loop itself was held up meanwhile, for then silence may be our own."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await asyncio.sleep(timeout)
        if loop.time() - begun > timeout * 1.5:
            await asyncio.sleep(timeout)

    def _pong(self, t: object) -> None:
        sent = self._sent.pop(t, None) if isinstance(t, int) else None
        if sent is not None:
            self.answered += 1
            self._detector.record_latency(asyncio.get_running_loop().time() - sent)
            self._judge()

    def _judge(self) -> None:
        quality = self._detector.get_connection_quality()
        if quality != self._quality:
            self._quality = quality
            self._events.emit("quality", quality)
