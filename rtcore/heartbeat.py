"""The heartbeat: everything that happens because time has passed.

Pings and half-open connections, hellos that do not come, sessions whose client stays away, acks that are due,
credentials that ran out. One ticker for the node; equal timers wait in queues (`rtcore.deadlines`), so a connection
costs no task and no timer of its own.
"""

from __future__ import annotations

import asyncio
import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from rtcore.deadlines import Deadlines

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.manager import RealtimeManager
    from rtcore.session import Session

#: Seconds between two looks at the clock.
TICK: Final = 0.25
#: Pings written in one tick at most, so that thousands that attached together do not stall the loop together.
PINGS: Final = 1000
#: Seconds after which an ack is written, however few messages it is for; DESIGN: a quarter window, 64 KiB or this.
ACK_AFTER: Final = 0.75


class Heartbeat:
    """The node's ticker. `tick` is all of it; `run` calls it."""

    def __init__(self, manager: RealtimeManager) -> None:
        options = manager.options
        self._manager = manager
        self._hellos: Deadlines[Connection] = Deadlines(options.hello_timeout)
        self._pings: Deadlines[Connection] = Deadlines(options.heartbeat_interval)
        self._pongs: Deadlines[Connection] = Deadlines(options.ping_timeout)
        self._ends: Deadlines[tuple[Session, float]] = Deadlines(options.session_ttl)
        # A session that its client may never have heard of is not kept for long.
        self._early_ends: Deadlines[tuple[Session, float]] = Deadlines(
            min(options.hello_timeout, options.session_ttl)
        )
        self._acks: list[Session] = []
        self._acks_at = 0.0

    # -- what to watch ---------------------------------------------------------------------------------

    def hello_by(self, connection: Connection) -> None:
        """This connection must say hello."""
        self._hellos.add(connection, now=self._manager.app.clock())

    def watch(self, connection: Connection) -> None:
        """This connection is attached: ping it, and find out when it is dead."""
        if not connection.one_way:
            self._pings.add(connection, now=self._manager.app.clock())

    def expire_later(self, session: Session, left: float, *, confirmed: bool) -> None:
        """This session is detached since `left`."""
        (self._ends if confirmed else self._early_ends).add((session, left), now=left)

    def ack_later(self, session: Session) -> None:
        """This session has messages to acknowledge."""
        self._acks.append(session)

    # -- what falls due --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self.tick(self._manager.app.clock())

    def tick(self, now: float) -> None:
        """Do what is due at `now`, seconds of `app.clock`."""
        manager = self._manager
        for connection in self._hellos.due(now=now):
            manager.greeter.too_late(connection)
        for connection in self._pongs.due(now=now):
            self._expect_pong(connection, now)
        for connection in islice(self._pings.due(now=now), PINGS):
            self._ping(connection, now)
        for ends in (self._early_ends, self._ends):
            for session, left in ends.due(now=now):
                manager.expire(session, left)
        if now >= self._acks_at:
            self._acks_at = now + ACK_AFTER
            acks, self._acks = self._acks, []
            for session in acks:
                session.write_ack()

    def _ping(self, connection: Connection, now: float) -> None:
        session = connection.session
        if connection.ended or session is None or not session.hears(connection):
            return
        expires = session.identity.expires
        if expires is not None and expires <= time.time():
            connection.close("credentials_expired")
            connection.lost("credentials_expired")
            return
        connection.heard = False
        connection.control("ping", {})
        self._pongs.add(connection, now=now)

    def _expect_pong(self, connection: Connection, now: float) -> None:
        session = connection.session
        if connection.ended or session is None or not session.hears(connection):
            return
        if connection.heard:
            self._pings.add(connection, now=now)
            return
        connection.close("ping_timeout")
        connection.lost("ping_timeout")
