"""Senders: what a `send` or `request` goes through until its message is on the wire, and how it gives up.

Rule: awaiting is backpressure. A sender waits for room in the queue up to its `timeout`, whether there is a link or
not; with `timeout=0` it is told at once that there is none.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rtcore_client import tracing
from rtcore_client.checks import check, check_timeout
from rtcore_client.errors import NotConnected, QueueFull, Timeout

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore_client.connector import Connector
    from rtcore_client.outgoing import Outgoing
    from rtcore_client.session import Session

T = TypeVar("T")

#: Priorities that do not stand in line: what is less urgent gives its place.
_URGENT: Final = frozenset({"critical", "high"})


class Sender:
    """Brings messages into the session, and lets their senders feel how much it takes.

    Args:
        session: takes them.
        connector: knows whether there is any use in waiting.
        codec: that messages are checked with before the first welcome.
    """

    def __init__(self, session: Session, connector: Connector, codec: Codec) -> None:
        self._session = session
        self._connector = connector
        self._codec = codec

    async def send(self, message: Outgoing, *, timeout: float, confirm: bool) -> None:
        """Return when the message has left or is queued; with `confirm`, when the server has it."""
        check_timeout(timeout)
        waits = timeout > 0
        if (self._submit(message, waits=waits) or not waits) and not confirm:
            return
        await self._patiently(self._finish(message, confirm=confirm), message, timeout)

    async def request(self, message: Outgoing, *, timeout: float) -> Any:
        """Return the payload of the reply."""
        check_timeout(timeout)
        reply = self._session.requests.add(message)
        try:
            left = self._submit(message, waits=timeout > 0)
        except BaseException:
            self._forget(message, reply)
            raise
        return await self._reply(message, reply, left=left, timeout=timeout)

    def request_first(self, message: Outgoing) -> Callable[[], Awaitable[Any]]:
        """Queue a request before everything that waits; return what waits for its reply, when it is called.

        It waits for as long as its session lives: what the server has to send again may be long, and comes before.
        It must be called, or the reply is waited for by nobody.
        """
        reply = self._session.requests.add(message)
        try:
            self._prepare(message)
        except BaseException:
            self._forget(message, reply)
            raise
        self._session.outbox.submit_first(message)
        message.is_queued = True
        return partial(self._reply, message, reply, left=False, timeout=math.inf)

    async def _reply(
        self, message: Outgoing, reply: asyncio.Future[Any], *, left: bool, timeout: float
    ) -> Any:
        try:
            return await self._patiently(self._answer(message, reply, left=left), message, timeout)
        except (Timeout, asyncio.CancelledError):
            if message.has_departed:
                self._session.cancel(message)
            raise
        finally:
            self._forget(message, reply)

    def _forget(self, message: Outgoing, reply: asyncio.Future[Any]) -> None:
        self._session.requests.discard(message)
        reply.cancel()

    def _submit(self, message: Outgoing, *, waits: bool) -> bool:
        """Queue a message. False if its sender must wait for that, or for what is before it.

        Raises:
            NotConnected, TypeError, ValueError, RequestError, QueueFull: see `RealtimeClient.send`.
        """
        self._prepare(message)
        return self._enqueue(message, waits=waits) and not self._session.outbox.backlogged

    def _prepare(self, message: Outgoing) -> None:
        check(message)
        self._alive()
        tracing.start_send(message)
        self._session.check(message, self._codec)

    def _alive(self) -> None:
        if self._connector.state in {"idle", "stopped", "closed"}:
            raise NotConnected(f"the client is {self._connector.state}")

    def _enqueue(self, message: Outgoing, *, waits: bool, woken: bool = False) -> bool:
        """Queue a message, after those that have waited for longer. False if there is no room."""
        outbox = self._session.outbox
        if waits and not woken and outbox.is_awaited and message.priority not in _URGENT:
            return False
        try:
            outbox.submit(message)
        except QueueFull:
            if not waits:
                raise
            return False
        message.is_queued = True
        return True

    async def _finish(self, message: Outgoing, *, confirm: bool) -> None:
        outbox, again = self._session.outbox, False
        while not message.is_queued:
            await outbox.room(again=again)
            self._alive()  # what is queued after the end would wait for ever
            again = True
            self._enqueue(message, waits=True, woken=True)
        if self._session.link is not None:
            await message.departed()
        if confirm:
            await message.confirmed()

    async def _answer(self, message: Outgoing, reply: asyncio.Future[Any], *, left: bool) -> Any:
        if not left:
            await self._finish(message, confirm=False)
        return await reply

    async def _patiently(self, work: Awaitable[T], message: Outgoing, seconds: float) -> T:
        """Wait so long. A message that is still queued when its sender gives up is never sent."""
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            self._session.outbox.withdraw(message)
            raise Timeout(f"{message.type}: nothing within {seconds:g} s; {self._fate(message)}") from None
        except asyncio.CancelledError:
            self._session.outbox.withdraw(message)
            raise

    def _fate(self, message: Outgoing) -> str:
        if message.has_departed:
            return "it was sent and may have run"
        waiting = len(self._session.outbox.queue)
        return f"it was not sent: {waiting} messages wait, and the client is {self._connector.state}"
