"""The heartbeat: everything that happens because time has passed.

Pings and half-open connections, hellos that do not come, sessions whose client stays away, acks that are due,
credentials that ran out. One ticker for the node; equal timers wait in queues (`rtcore.deadlines`), so a connection
costs no task and no timer of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from itertools import islice
from typing import TYPE_CHECKING, Final
from weakref import ref

from rtcore.connection import Unread
from rtcore.deadlines import Deadlines

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.manager import RealtimeManager
    from rtcore.session import Session

_log = logging.getLogger("rtcore.heartbeat")

#: Seconds between two looks at the clock.
TICK: Final = 0.25
#: Pings written in one tick at most, so that thousands that attached together do not stall the loop together.
PINGS: Final = 1000
#: Seconds, at most, between signs of life to clients that are not read: their pings are not either.
REASSURE: Final = 1.0
#: Seconds after which an ack is written, however few messages it is for; DESIGN: a quarter window, 64 KiB or this.
ACK_AFTER: Final = 0.75


class Heartbeat:
    """The node's ticker. `tick` is all of it; `run` calls it.

    The queues hold weak references: a connection that is gone does not wait in memory for its deadline.
    """

    def __init__(self, manager: RealtimeManager) -> None:
        options = manager.options
        self._manager = manager
        self._hellos: Deadlines[ref[Connection]] = Deadlines(options.hello_timeout)
        self._pings: Deadlines[ref[Connection]] = Deadlines(options.heartbeat_interval)
        self._pongs: Deadlines[ref[Connection]] = Deadlines(options.ping_timeout)
        self._ends: Deadlines[tuple[ref[Session], float]] = Deadlines(options.session_ttl)
        # A session that its client may never have heard of is not kept for long.
        self._early_ends: Deadlines[tuple[ref[Session], float]] = Deadlines(
            min(options.hello_timeout, options.session_ttl)
        )
        self._acks: dict[Session, None] = {}
        self._acks_at = 0.0
        self._unread: dict[Connection, None] = {}
        self._reassure_at = 0.0

    # -- what to watch ---------------------------------------------------------------------------------

    def hello_by(self, connection: Connection) -> None:
        """This connection must say hello."""
        self._hellos.add(ref(connection), now=self._manager.app.clock())

    def watch(self, connection: Connection) -> None:
        """This connection is attached: ping it if it can answer, find out when it is dead or its credentials are."""
        self._pings.add(ref(connection), now=self._manager.app.clock())

    def expire_later(self, session: Session, left: float, *, confirmed: bool) -> None:
        """This session is detached since `left`."""
        (self._ends if confirmed else self._early_ends).add((ref(session), left), now=left)

    def reassure(self, connection: Connection) -> None:
        """This client is not read for now, because its session holds as much as it may: let it hear that we live."""
        self._unread[connection] = None

    def ack_later(self, session: Session) -> None:
        """This session has messages to acknowledge."""
        self._acks[session] = None

    # -- what falls due --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            try:
                self.tick(self._manager.app.clock())
            except Exception:  # noqa: BLE001 - see below
                # A link or a plugin that breaks its contract must not end the pings of all the others.
                _log.exception("a tick failed")

    def tick(self, now: float) -> None:
        """Do what is due at `now`, seconds of `app.clock`."""
        manager = self._manager
        for reference in self._hellos.due(now=now):
            if (connection := reference()) is not None:
                manager.greeter.too_late(connection)
        for reference in self._pongs.due(now=now):
            if (connection := reference()) is not None:
                self._expect_pong(connection, now)
        living = (
            connection for reference in self._pings.due(now=now) if (connection := reference()) is not None
        )
        for connection in islice(living, PINGS):
            self._ping(connection, now)
        for ends in (self._early_ends, self._ends):
            for session_reference, left in ends.due(now=now):
                if (session := session_reference()) is not None:
                    manager.expire(session, left)
        manager.departures.tick(now)
        if self._unread and now >= self._reassure_at:
            self._reassure_at = now + min(REASSURE, manager.options.ping_timeout / 2)
            self._unread = {c: None for c in self._unread if not c.ended and c.unread & Unread.HELD}
            for connection in self._unread:
                if not connection.paused:
                    connection.control("ping", {})
        if now >= self._acks_at:
            self._acks_at = now + ACK_AFTER
            acks, self._acks = self._acks, {}
            for session in acks:
                session.write_ack()

    def _ping(self, connection: Connection, now: float) -> None:
        session = connection.session
        if connection.ended or session is None or not session.hears(connection):
            return
        expires = session.identity.expires
        if expires is not None and expires <= time.time():
            connection.give_up("credentials_expired")
            return
        connection.heard = False
        connection.control("ping", {})
        self._pongs.add(ref(connection), now=now)

    def _expect_pong(self, connection: Connection, now: float) -> None:
        session = connection.session
        if connection.ended or session is None or not session.hears(connection):
            return
        if connection.heard or connection.unread & ~Unread.ANSWERS:
            # Whom we do not read we cannot hear; one that does not read us either is dead all the same.
            self._pings.add(ref(connection), now=now)
            return
        connection.give_up("ping_timeout")
