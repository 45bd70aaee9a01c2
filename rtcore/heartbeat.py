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
from rtcore.deadlines import Deadlines, Moments
from rtcore.spi.moved import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rtcore.connection import Connection
    from rtcore.manager import RealtimeManager
    from rtcore.session import Session
    from rtcore.spi.transport import Moved

_log = logging.getLogger("rtcore.heartbeat")

#: Seconds between two looks at the clock.
TICK: Final = 0.25
#: Pings written in one tick at most, so that thousands that attached together do not stall the loop together.
PINGS: Final = 1000
#: Bytes that a peer's system must have taken to be a sign of life: it takes a ping for a peer that is frozen, too.
TAKEN: Final = 1024
#: Timeouts that a client is given at the most, if its connections die while something is half way.
PATIENCE: Final = 8
#: Reasons for not reading a client that does not read us: it may as well be dead.
UNREADING: Final = Unread.ANSWERS | Unread.REPLIES
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
        # By the clock on the wall: that is what credentials speak of.
        self._expiries: Moments[Connection] = Moments()
        self._acks: dict[Session, None] = {}
        self._acks_at = 0.0

    # -- what to watch ---------------------------------------------------------------------------------

    def hello_by(self, connection: Connection) -> None:
        """This connection must say hello."""
        self._hellos.add(ref(connection), now=self._manager.app.clock())

    def watch(self, connection: Connection) -> None:
        """This connection is attached: ping it if it can answer, find out when it is dead or its credentials are."""
        self._pings.add(ref(connection), now=self._manager.app.clock())
        session = connection.session
        if session is not None and session.identity.expires is not None:
            self._expiries.add(connection, at=session.identity.expires)

    def expire_later(self, session: Session, left: float, *, confirmed: bool) -> None:
        """This session is detached since `left`."""
        (self._ends if confirmed else self._early_ends).add((ref(session), left), now=left)

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
        for connection in self._expiries.due(now=time.time()):
            session = connection.session
            if not connection.ended and session is not None and session.hears(connection):
                connection.give_up("credentials_expired")
        manager.departures.tick(now)
        if now >= self._acks_at:
            self._acks_at = now + ACK_AFTER
            acks, self._acks = self._acks, {}
            for session in acks:
                session.write_ack()

    def _ping(self, connection: Connection, now: float) -> None:
        session = connection.session
        if connection.ended or session is None or not session.hears(connection):
            return
        connection.heard = False
        connection.moved = _moved(connection)
        connection.patience = session.patience
        connection.control("ping", {})
        self._pongs.add(ref(connection), now=now)

    def _expect_pong(self, connection: Connection, now: float) -> None:
        session = connection.session
        if connection.ended or session is None or not session.hears(connection):
            return
        if connection.heard or connection.unread & ~UNREADING:
            # Whom we do not read we cannot hear; one that does not read us either is dead all the same.
            if not session.is_half_way:
                session.patience = 1
            self._pings.add(ref(connection), now=now)
            return
        before, connection.moved = connection.moved, _moved(connection)
        if not connection.moved.received > before.received and connection.moved.taken < before.taken + TAKEN:
            connection.patience -= 1
            if connection.patience <= 0:
                if session.is_half_way:
                    session.patience = min(PATIENCE, session.patience * 2)
                connection.give_up("ping_timeout")
                return
        self._pongs.add(ref(connection), now=now)


def _moved(connection: Connection) -> Moved:
    """Return what the connection's link has moved, if it knows."""
    asked: Callable[[], Moved] | None = getattr(
        connection.link, "moved", None
    )  # see `rtcore.spi.transport.Moving`
    return asked() if asked is not None else NOTHING
