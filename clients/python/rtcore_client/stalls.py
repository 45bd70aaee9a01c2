"""Stalls: who takes nothing and makes everybody wait is found, told of by its name, and waited for no longer.

A stream that a program has forgotten to read, or an async callback that hangs, would otherwise stop all others in
silence: its messages fill the inbox, and then nothing is read any more, replies neither.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from rtcore_client.errors import Stalled
from rtcore_client.events import Gap
from rtcore_client.inbox import Inbox

if TYPE_CHECKING:
    from rtcore_client.buffer import Buffer
    from rtcore_client.events import Events

_log = logging.getLogger("rtcore_client")

#: Seconds between two looks, while the inbox is full.
LOOK: Final = 0.1
#: Seconds after which dropped messages are told of, at the latest: one event for all of that time.
TELL: Final = 1.0


class Stalls:
    """Watches over the buffers of one client.

    Args:
        events: for `error`, when a consumer is stalled, and `gap`, for what it drops.

    Attributes:
        unread: messages that stalled consumers have dropped, ever.
    """

    def __init__(self, events: Events) -> None:
        self.unread = 0
        self._events = events
        self._inbox: Inbox | None = None
        self._over: dict[Buffer, None] = {}
        self._untold: dict[Buffer, int] = {}
        self._look: asyncio.TimerHandle | None = None
        self._tell: asyncio.TimerHandle | None = None

    def begin(self, inbox: Inbox) -> None:
        """Messages come from this inbox from now on."""
        self._inbox = inbox
        inbox.on_full = self._look_soon

    def end(self) -> None:
        """No more messages."""
        for handle in (self._look, self._tell):
            if handle is not None:
                handle.cancel()
        self._look = self._tell = self._inbox = None
        self._over.clear()
        self._untold.clear()

    # -- for buffers ---------------------------------------------------------------------------------------

    def watch(self, buffer: Buffer) -> Inbox | None:
        """A buffer holds more than its bound; return the inbox whose room that takes."""
        self._over[buffer] = None
        return self._inbox

    def forget(self, buffer: Buffer) -> None:
        """A buffer has ended."""
        self._over.pop(buffer, None)

    def dropped(self, buffer: Buffer) -> None:
        """A stalled consumer has lost a message."""
        self.unread += 1
        self._untold[buffer] = self._untold.get(buffer, 0) + 1
        if self._tell is None:
            self._tell = asyncio.get_running_loop().call_later(TELL, self._tell_all)

    def recovered(self, buffer: Buffer) -> None:
        """A stalled consumer takes messages again."""
        _log.info("%s is read again; %d messages were dropped", buffer.name, buffer.dropped)
        self._tell_all()

    # -- inside --------------------------------------------------------------------------------------------

    def _look_soon(self) -> None:
        if self._look is None:
            self._look = asyncio.get_running_loop().call_later(LOOK, self._look_at_all)

    def _look_at_all(self) -> None:
        """While the inbox is full: who takes nothing?"""
        self._look = None
        now = asyncio.get_running_loop().time()
        for buffer in tuple(self._over):
            if not buffer.over:
                del self._over[buffer]
            elif not buffer.stalled and buffer.is_late(now):
                buffer.stall()
                self._events.emit("error", Stalled.of(buffer.name, buffer.policy))
        if self._inbox is not None and self._inbox.full:
            self._look_soon()

    def _tell_all(self) -> None:
        if self._tell is not None:
            self._tell.cancel()
            self._tell = None
        untold, self._untold = self._untold, {}
        for buffer, n in untold.items():
            self._events.emit("gap", Gap("stalled", n, consumer=buffer.name))
