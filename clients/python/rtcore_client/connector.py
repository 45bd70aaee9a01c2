"""The connector: the one task that keeps the session on a link, or tries to.

    connecting ──welcome──▶ connected ──lost──▶ reconnecting ──welcome──▶ connected
                                                     │ max_reconnect_attempts failed
                                                     ▼
                                                 suspended: a slow timer, or connect()
    stopped: the server said not to come back. closed: the program did. paused: the program wants no link for now.

Rule: what the server says goes before what we think: its close code decides between resume, afresh and stop, and its
`retry_after` is never undercut, whoever is in a hurry.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Literal

from rtcore.wire.codes import Next
from rtcore_client.attempts import Attempts
from rtcore_client.errors import NotConnected, RealtimeError, Refused, Suspended
from rtcore_client.failures import AttachFailed, error_of
from rtcore_client.tasks import end
from rtcore_client.transports import LinkLost
from rtcore_client.wish import Wish

if TYPE_CHECKING:
    from rtcore_client.advice import Advice
    from rtcore_client.attach import Attacher
    from rtcore_client.backoff import Backoff
    from rtcore_client.carrier import Carrier
    from rtcore_client.chain import Chain
    from rtcore_client.events import Events
    from rtcore_client.heartbeat import Heartbeat
    from rtcore_client.info import State
    from rtcore_client.options import ConnectionType, Options
    from rtcore_client.quality import ConnectionQualityDetector
    from rtcore_client.session import Session
    from rtcore_client.tasks import Tasks
    from rtcore_client.transports import Link

_log = logging.getLogger("rtcore_client")

#: Links in a row that ended with frames that cannot be understood, after which both counts begin anew.
BROKEN: Final = 3
_BROKEN_CODES: Final = frozenset({"malformed_frame", "message_too_big", "bad_control"})


class Connector:
    """Keeps the session attached.

    Attributes:
        state: see the module.
        reconnects: how often.
        info: makes what the events `connect` and `reconnect` carry.
        stopped: called when the server said not to come back.
    """

    def __init__(
        self,
        session: Session,
        *,
        attacher: Attacher,
        advice: Advice,
        chain: Chain,
        backoff: Backoff,
        carrier: Carrier,
        heartbeat: Heartbeat,
        detector: ConnectionQualityDetector,
        events: Events,
        tasks: Tasks,
        options: Options,
    ) -> None:
        self.state: State = "idle"
        self.reconnects = 0
        self._session = session
        self._attacher = attacher
        self._attempts = Attempts(attacher)
        self._advice = advice
        self._chain = chain
        self._backoff = backoff
        self._carrier = carrier
        self._heartbeat = heartbeat
        self._detector = detector
        self._events = events
        self._tasks = tasks
        self._options = options
        self._task: asyncio.Task[None] | None = None
        self._hurried = False
        self._waiters: list[asyncio.Future[None]] = []
        self._wishes: deque[Wish] = deque(maxlen=16)
        self._nudged = asyncio.Event()
        self._greeted = False
        self.info: Callable[[], object] = lambda: None
        self.stopped: Callable[[], None] = lambda: None
        self._broken = 0
        attacher.adopt = self._adopt
        session.on_move = self._move

    # -- for the client ----------------------------------------------------------------------------------

    async def connect(self) -> None:
        """Return when the session is attached; begin to attach it if nobody does.

        Raises:
            NetworkError: no transport reached the server; `Suspended` if the client goes on trying.
            Refused: the server does not want this client.
            NotConnected: the client was closed or paused meanwhile.
        """
        if self.state == "connected":
            return
        self._advice.allow(self.state, self._options.timing.open)
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        if self._task is None or self._task.done():
            if self.state == "paused":
                self.state = "reconnecting"
            else:
                self.state, self._greeted = "connecting", False
            self._task = self._tasks.spawn(self._run(), name="connector")
        self._nudged.set()
        await waiter

    def hurry(self) -> None:
        """The network may be another one: try again now, and begin anew with what may hang."""
        self._hurried = True
        self._nudged.set()
        self._attempts.hurry()

    async def switch(self, type_: ConnectionType) -> None:
        """Prefer this type from now on, and move the session to it while the old link goes on.

        Raises:
            NetworkError: it could not be; the session stays where it is.
        """
        self._chain.prefer(type_)
        if self.state == "connected" and self._carrier.type != type_:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._wish(Wish([type_], done))
            await done

    async def close(self) -> None:
        """Attach no more. The link, if there is one, is left to the caller: there may be more to say."""
        await self._halt("closed")

    async def pause(self) -> None:
        """Attach no more until `connect`. The link is left to the caller."""
        await self._halt("paused")

    async def _halt(self, state: Literal["closed", "paused"]) -> None:
        self.state = state
        await end(self._task)
        self._give_up_wishes(LinkLost("NETWORK_ERROR", f"the client was {state}"))
        self._refuse(NotConnected(f"the client was {state}"))

    # -- the loop ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._keep_attached()
        except Exception as error:
            # A bug: nobody will attach any more, so nobody may wait for it.
            self._stop(RealtimeError(f"{type(error).__name__}: {error}"))
            raise

    async def _keep_attached(self) -> None:
        attempt = 0
        first: ConnectionType | None = None
        await self._advice.wait()
        while True:
            before = self._moved()
            try:
                await self._attempts.until_attached(self._chain.order(first))
                lost = await self._stay()
                first = (
                    self._detector.get_suggested_connection_type() if lost.code == "ping_timeout" else None
                )
            except LinkLost as failed:
                lost = failed
            self._advice.note(
                lost.retry_after if lost.retry_after is None else self._backoff.around(lost.retry_after)
            )
            if self._ends(lost):
                return
            # A link that brought nothing and soon broke is a failure too, or a server that welcomes and breaks
            # would be asked for ever without a pause.
            attempt = 0 if self._moved() != before else attempt + 1
            advice = self._session.welcome.reconnect if self._session.welcome is not None else {}
            if attempt > max(self._options.max_reconnect_attempts, advice.get("attempts", 0)):
                self._suspend(lost)
                pause = self._backoff.around(self._options.timing.suspended_delay)
                asked = await self._pause(max(pause, lost.retry_after or 0.0))
            else:
                asked = await self._pause(
                    self._backoff.delay(attempt, base=advice.get("delay", 0.0), retry_after=lost.retry_after)
                )
            if asked:
                attempt = 0

    def _moved(self) -> tuple[int, int, int]:
        """Return what changes when a link is of use: messages either way, or a heartbeat's answer."""
        line = self._session.line
        return line.received, line.window.confirmed, self._heartbeat.answered

    async def _stay(self) -> LinkLost:
        """Wait until the link is lost. Meanwhile do what is wished, and climb where one can."""
        pause = self._options.timing.climb
        while True:
            lost = self._session.lost
            if lost is None:
                raise LinkLost("NETWORK_ERROR", "never attached")
            if not self._wishes:
                self._nudged.clear()
                await self._until(lost, self._backoff.around(pause))
            if lost.done():
                return await self._left(lost.result())
            wish = self._wishes.popleft() if self._wishes else Wish(self._better())
            if not wish.order:
                continue
            failure: LinkLost | None = LinkLost("NETWORK_ERROR", "the client was closed meanwhile")
            try:
                failure = await self._race(self._attempts.once(wish.order), lost)
            finally:
                wish.settle(failure)
            timing = self._options.timing
            pause = timing.climb if failure is None else min(pause * 2, timing.max_climb)

    def _better(self) -> list[ConnectionType]:
        """Return what is worth a climb: nothing while the connection is bad, whatever carries it."""
        if self._carrier.type is None or self._detector.get_connection_quality() == "poor":
            return []
        return self._chain.better(self._carrier.type)

    async def _race(
        self, attach: Coroutine[Any, Any, None], lost: asyncio.Future[LinkLost]
    ) -> LinkLost | None:
        """Attach elsewhere while the old link goes on; give up if it is lost first. Returns why it failed.

        That the old link is superseded by this very attach is no loss: the welcome is on its way.
        """
        task = asyncio.create_task(attach, name="rtcore-client:climb")
        try:
            await asyncio.wait((task, lost), return_when=asyncio.FIRST_COMPLETED)
            if lost.done() and self._is_ours(lost.result().refusal):
                await asyncio.wait((task,))
        finally:
            await end(task)
        if task.cancelled():
            return LinkLost("NETWORK_ERROR", "the link was lost meanwhile")
        error = task.exception()
        if error is None:
            return None
        if isinstance(error, LinkLost):
            return error
        raise error

    async def _until(self, lost: asyncio.Future[LinkLost], seconds: float) -> None:
        """Wait for a loss, a nudge or the time."""
        nudge = asyncio.create_task(self._nudged.wait(), name="rtcore-client:nudge")
        try:
            await asyncio.wait((lost, nudge), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(nudge)

    async def _pause(self, seconds: float) -> bool:
        """Wait before the next attempt. True if somebody asked for it now."""
        self._nudged.clear()
        if not self._hurried:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._nudged.wait()
        asked = self._nudged.is_set() or self._hurried
        self._hurried = False
        await self._advice.wait()
        return asked

    # -- links come and go -------------------------------------------------------------------------------

    def _adopt(self, link: Link, old: Link | None) -> None:
        """The session has moved to a link."""
        self._carrier.adopt(link, old)
        self._hurried = False
        self._advice.fulfil()
        self._chain.worked(link.type)
        was, self.state = self.state, "connected"
        # Who was connected and is in another session now has to hear of it, too.
        if was != "connected" or self._session.began_anew:
            first, self._greeted = not self._greeted, True
            self.reconnects += not first
            self._events.emit("connect" if first else "reconnect", self.info())
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _left(self, lost: LinkLost) -> LinkLost:
        """The link is lost: end what belonged to it and tell."""
        self.state = "reconnecting"
        _log.debug("lost %s: %s", self._carrier.type, lost)
        if lost.refusal is None and self._carrier.type is not None:
            self._chain.lost(self._carrier.type, self._carrier.lived)
        self._broken = self._broken + 1 if lost.code in _BROKEN_CODES else 0
        if self._broken >= BROKEN:
            self._attacher.forget = True
        self._give_up_wishes(lost)
        await self._carrier.release(None)
        self._events.emit("disconnect", lost.code)
        return lost

    def _move(self, within: float) -> None:
        """The server drains: attach again within so many seconds, wherever that leads."""
        delay = random.uniform(0.0, within)  # noqa: S311 - a spread
        asyncio.get_running_loop().call_later(delay, self._wish, Wish(self._chain.order()))

    def _wish(self, wish: Wish) -> None:
        if self.state != "connected":
            wish.settle(LinkLost("NETWORK_ERROR", "not connected"))
            return
        self._wishes.append(wish)
        self._nudged.set()

    def _give_up_wishes(self, lost: LinkLost) -> None:
        while self._wishes:
            self._wishes.popleft().settle(lost)

    # -- ends --------------------------------------------------------------------------------------------

    def _ends(self, lost: LinkLost) -> bool:
        """Do what a loss asks for. True if it is the end."""
        refusal = lost.refusal
        if isinstance(refusal, Refused):
            if refusal.next is Next.AFRESH:
                self._session.forget(refusal.code)
            elif refusal.next is Next.STOP and not self._is_ours(refusal):
                self._stop(error_of(lost))
                return True
        if not self._options.auto_reconnect:
            self._stop(error_of(lost))
            return True
        return False

    def _is_ours(self, refusal: RealtimeError | None) -> bool:
        """Another connection took the session, and it was this client's own newer hello."""
        if refusal is None or refusal.code != "superseded":
            return False
        line, number = self._session.line, refusal.details.get("attach")
        return line.is_mine(number) if isinstance(number, int) else line.attach > line.attached

    def _stop(self, error: RealtimeError) -> None:
        self.state, self._advice.error = "stopped", error
        self._session.forget(error.code)
        self._refuse(error)
        untold = self._session.outbox.fail(error)
        for told in (error, *untold):
            self._events.emit("error", told)
        self.stopped()

    def _suspend(self, lost: LinkLost) -> None:
        pause = self._options.timing.suspended_delay
        why = lost.reason if isinstance(lost, AttachFailed) else str(lost)
        error = error_of(lost, Suspended, f"{why}; the next attempt is in {pause:g} s or so")
        self._advice.error = error
        if self.state != "suspended":
            self.state = "suspended"
            self._events.emit("error", error)
        self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_exception(error)
