"""The core: what a client is made of from `connect` to `close`. The next `connect` makes another one.

outlives it   events, subscriptions, rooms, tasks, the server's advice       given
ends with it  session, links, connector, heartbeat, HTTP                     made here
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rtcore_client.attach import Attacher
from rtcore_client.backoff import Backoff
from rtcore_client.carrier import Carrier
from rtcore_client.chain import Chain
from rtcore_client.connector import Connector
from rtcore_client.endpoint import Endpoint
from rtcore_client.errors import NotConnected, UnknownOutcome
from rtcore_client.heartbeat import Heartbeat
from rtcore_client.outgoing import Outgoing
from rtcore_client.probe import Probe, Watch
from rtcore_client.quality import ConnectionQualityDetector
from rtcore_client.sender import Sender
from rtcore_client.session import Session

if TYPE_CHECKING:
    from rtcore_client.advice import Advice
    from rtcore_client.events import Events
    from rtcore_client.options import Options
    from rtcore_client.subscriptions import Subscriptions
    from rtcore_client.tasks import Tasks
    from rtcore_client.transports import Link, LinkLost

_log = logging.getLogger("rtcore_client")


class Core:
    """One life of a client.

    Args:
        options: the client's.
        events, tasks, subscriptions, advice: what outlives it.
        backoff: the pauses between attempts.
        previous: the session of the life before.

    Attributes:
        session, connector, carrier, sender, detector: its parts.
    """

    def __init__(
        self,
        options: Options,
        *,
        events: Events,
        tasks: Tasks,
        subscriptions: Subscriptions,
        advice: Advice,
        backoff: Backoff,
        previous: str | None,
    ) -> None:
        self._options = options
        self._events = events
        self._tasks = tasks
        self._subscriptions = subscriptions
        self.detector = ConnectionQualityDetector()
        self.session = session = Session(options, events, previous=previous)
        self._attacher = Attacher(session, options, Endpoint.parse(options.url), tasks)
        heartbeat = Heartbeat(session, self.detector, events)
        self.carrier = Carrier(session, heartbeat, tasks, options)
        self.carrier.changed = heartbeat.begin_anew
        self.connector = Connector(
            session,
            attacher=self._attacher,
            advice=advice,
            chain=Chain(options.preference),
            backoff=backoff,
            carrier=self.carrier,
            heartbeat=heartbeat,
            detector=self.detector,
            events=events,
            tasks=tasks,
            options=options,
        )
        self.connector.stopped = subscriptions.end_streams
        self.sender = Sender(session, self.connector, self._attacher.codec)
        self._probe = Probe(session, self.connector, self._dead, self.detector, options.ping_timeout)
        self._begun = False
        self._watching: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Begin with the first call; return when the session is attached. See `RealtimeClient.connect`."""
        self._attacher.open()
        if not self._begun:
            self._begun = True
            self._tasks.spawn(self._subscriptions.run(self.session.inbox), name="deliver")
        if self._watching is None or self._watching.done():
            watch = Watch(lambda: self._tasks.spawn(self.probe(), name="probe"))
            self._watching = self._tasks.spawn(watch.run(), name="watch")
        await self.connector.connect()

    async def probe(self) -> bool:
        """Find out whether the link lives; seek another if it does not."""
        if self.connector.state in {"idle", "stopped", "closed", "paused"}:
            return False
        return await self._probe.ask()

    def _dead(self, link: Link, lost: LinkLost) -> None:
        """A link is dead, and so may be every connection that is kept for requests."""
        self.carrier.give_up(link, lost)
        self._attacher.renew()

    async def pause(self) -> None:
        """Give up the link until the next `connect`; the session waits at the server."""
        if self.connector.state in {"idle", "stopped", "closed", "paused"}:
            return
        connected = self.connector.state == "connected"
        await self.connector.pause()
        if self._watching is not None:
            self._watching.cancel()
        if connected:
            await self.carrier.empty()
        await self.carrier.release(self.session.link, "paused")
        await self._attacher.close()
        if connected:
            self._events.emit("disconnect", "paused")

    async def close(self, spare: asyncio.Task[Any] | None) -> None:
        """Send what is queued, say goodbye, end everything but the task `spare`, which waits for this."""
        connected = self.connector.state == "connected"
        await self.connector.close()
        gone = connected and await self.carrier.empty(last="bye")
        await self.carrier.release(self.session.link)
        for error in self.session.outbox.fail(NotConnected("the client was closed")):
            if not (
                gone and isinstance(error, UnknownOutcome)
            ):  # what has left before the goodbye is most likely there
                _log.warning("%s", error)  # nobody is called any more
        self._subscriptions.rest()
        if connected:
            self._events.quiet = False
            hearing = self._events.emit("disconnect", "bye")
            self._events.quiet = True
            if hearing and self._options.timing.close:
                await asyncio.wait(hearing, timeout=self._options.timing.close)
        await self._tasks.cancel(spare)
        await self._attacher.close()

    def request_first(self, type: str, payload: Any) -> Callable[[], Awaitable[Any]]:
        """Make a request before everything that waits; see `Sender.request_first`."""
        message = Outgoing(type, payload, id=self.session.requests.next_id())
        return self.sender.request_first(message)
