"""Acknowledgements: how many messages the client has received, said often enough and not more often.

Rule: at a quarter of the server's window, at 64 KiB, or after a second, whichever comes first; and only when there is
something to acknowledge. A transport that says it by itself (long polling) needs none.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rtcore.wire.hello import Place, Welcome
    from rtcore_client.session import Session

#: Bytes received.
ACK_BYTES: Final = 64 * 1024
#: Seconds.
ACK_AFTER: Final = 1.0
#: Messages, if the server does not say how long its window is.
WINDOW: Final = 100


class Acks:
    """When to acknowledge on the present link."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._every = WINDOW // 4
        self._acked = 0
        self._bytes = 0
        self._told: Place | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, welcome: Welcome) -> None:
        """A new link: its hello has said what was received, and may have said it too early."""
        window = welcome.limits.get("window", WINDOW)
        self._every = max(1, int(window) // 4)
        self._acked, self._bytes, self._told = 0, 0, None
        self.end()

    def due(self, received: int, size: int, *, confirms: bool) -> None:
        """A frame of `size` bytes came, after which so many messages have been received in all.

        Also while parts of one come: that they do is told, as a sign of life.
        """
        if confirms or (received == self._acked and self._session.line.assembly.place is None):
            return
        self._bytes += size
        if received - self._acked >= self._every or self._bytes >= ACK_BYTES:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ACK_AFTER, self._write)

    def end(self) -> None:
        """The link is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _write(self) -> None:
        self.end()
        line = self._session.line
        received, place = line.received, line.assembly.place
        if received > self._acked or place != self._told:
            self._acked, self._bytes, self._told = received, 0, place
            fields: dict[str, object] = {"n": received}
            if place is not None:
                fields["part"] = place.fields()
            self._session.control("ack", fields)
