"""The carrier: the link that the session is on, the task that reads it, and the one that listens whether it lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from rtcore_client.tasks import end
from rtcore_client.transports import LinkLost

if TYPE_CHECKING:
    from rtcore_client.heartbeat import Heartbeat
    from rtcore_client.options import ConnectionType, Options
    from rtcore_client.session import Session
    from rtcore_client.tasks import Tasks
    from rtcore_client.transports import Link

#: Seconds: whatever the server says, no heart beats faster.
QUICKEST: Final = 0.05


class Carrier:
    """Runs one link after the other.

    Attributes:
        type: the transport of the present or the last link.
        attaches: how many links there were.
        changed: called with the transport when it is another one than before.
    """

    def __init__(self, session: Session, heartbeat: Heartbeat, tasks: Tasks, options: Options) -> None:
        self.type: ConnectionType | None = None
        self.attaches = 0
        self.changed: Callable[[ConnectionType], None] = lambda _type: None
        self._session = session
        self._heartbeat = heartbeat
        self._tasks = tasks
        self._options = options
        self._work: list[asyncio.Task[Any]] = []
        self._since = 0.0

    @property
    def lived(self) -> float:
        """Seconds since the session came to the present or the last link."""
        return asyncio.get_running_loop().time() - self._since

    def adopt(self, link: Link, old: Link | None) -> None:
        """The session has moved to a link. In the same turn the old one falls silent, whatever it still brings."""
        for task in self._work:
            task.cancel()
        if old is not None:
            self._tasks.spawn(old.close(), name=f"close {old.type}")
        self._work = [
            self._tasks.spawn(self._read(link), name=f"{link.type} reader"),
            self._tasks.spawn(self._listen(link), name="heartbeat"),
        ]
        self._since = asyncio.get_running_loop().time()
        self.attaches += 1
        changed, self.type = self.type != link.type, link.type
        if changed:
            self.changed(link.type)

    async def empty(self, *, last: str | None = None) -> bool:
        """Send what is queued, and a control item after it; take no longer than `timing.close`.

        Returns:
            Whether all of that was given to the network.
        """
        session, outbox = self._session, self._session.outbox
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.timing.close):
                outbox.flush()
                while session.link is not None and outbox.queue:
                    await outbox.moved()
                if session.link is not None:
                    await session.link.flush()
                if last is not None:
                    session.control(last, {})
                    if session.link is not None:
                        await session.link.flush()
                return session.link is not None
        return False

    def give_up(self, link: Link, lost: LinkLost) -> None:
        """This link is dead, though it has not ended."""
        self._lose(link, lost)

    async def release(self, link: Link | None, code: str = "bye") -> None:
        """End the tasks of the link, and the link."""
        work, self._work = self._work, []
        for task in work:
            await end(task)
        if link is not None:
            self._session.lose(link, LinkLost(code))
            await link.close()

    async def _read(self, link: Link) -> None:
        session = self._session
        try:
            while True:
                session.receive(link, await link.receive())
                if session.inbox.full:
                    await session.inbox.room()
                    session.heard = asyncio.get_running_loop().time()
        except LinkLost as lost:
            self._lose(link, lost)
        except Exception as error:
            self._lose(link, LinkLost("internal", f"{type(error).__name__}: {error}"))
            raise

    async def _listen(self, link: Link) -> None:
        welcome, options = self._session.welcome, self._options
        interval, timeout = options.heartbeat_interval, options.ping_timeout
        if welcome is not None:
            interval, timeout = min(interval, welcome.interval), min(timeout, welcome.timeout)
        self._lose(link, await self._heartbeat.run(max(interval, QUICKEST), max(timeout, QUICKEST)))

    def _lose(self, link: Link, lost: LinkLost) -> None:
        if self._session.lose(link, lost):
            self._tasks.spawn(link.close(), name=f"close {link.type}")
