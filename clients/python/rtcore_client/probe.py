"""Whether the link still lives, found out in seconds; and when to ask by oneself.

A heartbeat takes its time. After a change of the network, or when the machine has slept, the link is most likely dead,
and nothing says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from rtcore_client.transports import LinkLost

if TYPE_CHECKING:
    from rtcore_client.connector import Connector
    from rtcore_client.quality import ConnectionQualityDetector
    from rtcore_client.session import Session
    from rtcore_client.transports import Link

#: Seconds that an answer may take at the least, and how many usual round trips.
PATIENCE: Final = 2.0
TRIPS: Final = 4
#: Seconds between two looks for a sign of life.
STEP: Final = 0.02
#: Seconds between two looks at the surroundings.
LOOK: Final = 5.0
#: Seconds by which a clock must have jumped for the machine to have slept.
JUMP: Final = 3.0
#: Addresses that nobody has (RFC 5737, RFC 3849): which of our own would packets to the world at large come from?
ELSEWHERE: Final = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class Probe:
    """Asks for a sign of life.

    Args:
        session: whose link it is.
        connector: finds another link.
        dead: called with a link that gives none.
        detector: knows how long an answer takes.
        patience: seconds that an answer may take at the most.
    """

    def __init__(
        self,
        session: Session,
        connector: Connector,
        dead: Callable[[Link, LinkLost], None],
        detector: ConnectionQualityDetector,
        patience: float,
    ) -> None:
        self._session = session
        self._connector = connector
        self._dead = dead
        self._detector = detector
        self._patience = patience

    async def ask(self) -> bool:
        """Return whether the link lives. If it does not, or there is none, another one is being sought at once."""
        session, loop = self._session, asyncio.get_running_loop()
        link = session.link
        if link is None:
            self._connector.hurry()
            return False
        await asyncio.sleep(STEP)  # what came before, and was not read yet, is no sign of life
        begun = loop.time()
        within = min(self._patience, max(PATIENCE, TRIPS * (self._detector.latency or 0.0)))
        session.control("ping", {})
        while session.link is link and session.heard < begun and loop.time() < begun + within:  # noqa: ASYNC110
            await asyncio.sleep(STEP)
        if session.link is not link:
            return session.link is not None  # it was lost meanwhile, or another one has taken its place
        # While the client does not read, because its program is behind, silence says nothing.
        if session.heard >= begun or session.inbox.full:
            return True
        self._dead(link, LinkLost("ping_timeout", f"a probe was not answered within {within:g} s"))
        self._connector.hurry()
        return False


class Watch:
    """Notices that the machine has slept, or that its way to the world is another one.

    Args:
        changed: called then.
        slept: returns the seconds that the machine has slept, or a clock that goes on while it does.
        way: returns what names the way.
    """

    def __init__(
        self,
        changed: Callable[[], object],
        *,
        slept: Callable[[], float] | None = None,
        way: Callable[[], object] | None = None,
    ) -> None:
        self._changed = changed
        self._slept = slept or seconds_asleep
        self._way = way or way_out

    async def run(self) -> None:
        """Look now and then, until this is cancelled."""
        loop = asyncio.get_running_loop()
        slept, way, then = self._slept(), self._way(), loop.time()
        while True:
            await asyncio.sleep(LOOK)
            was, (slept, way, now) = (slept, way, then), (self._slept(), self._way(), loop.time())
            # A clock that was set, or a loop that was busy for so long, look the same; a probe too many harms nobody.
            if abs(slept - was[0]) > JUMP or now - was[2] > LOOK + JUMP or way != was[1]:
                self._changed()
            then = now


def seconds_asleep() -> float:
    """Return a number that grows while the machine sleeps, and not while it is awake."""
    boot = getattr(time, "CLOCK_BOOTTIME", None)
    now = time.clock_gettime(boot) if boot is not None else time.time()
    return now - time.monotonic()


def way_out() -> tuple[str | None, ...]:
    """Return the addresses that packets to the world leave from, one per family; nothing is sent for that."""
    return tuple(_source(family, address) for family, address in ELSEWHERE)


def _source(family: socket.AddressFamily, address: str) -> str | None:
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect((address, 9))
        return str(asking.getsockname()[0])
    return None
