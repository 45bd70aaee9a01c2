"""A message on its way out, and what its sender waits for."""

from __future__ import annotations

import asyncio

from rtcore.wire.message import Message


class Outgoing(Message, eq=False, gc=True):  # a failure may lead back to it
    """A message with a fate.

    queued ──counted out──▶ departed ──acknowledged──▶ confirmed        (`fail` from anywhere)

    Attributes:
        is_queued: the session has it.
        idempotent: may run twice: it is sent again when its outcome is unknown.
        withdrawn: its sender gave up while it was queued; it is never sent.
    """

    idempotent: bool = False
    withdrawn: bool = False
    is_queued: bool = False
    has_departed: bool = False
    is_confirmed: bool = False
    failure: Exception | None = None
    _departed: asyncio.Future[None] | None = None
    _confirmed: asyncio.Future[None] | None = None

    def depart(self) -> None:
        """It was counted out."""
        self.has_departed = True
        _resolve(self._departed)

    def confirm(self) -> None:
        """The server has received it."""
        self.is_confirmed = True
        _resolve(self._confirmed)

    def fail(self, error: Exception) -> bool:
        """It will not be confirmed. False if nobody waits to hear that."""
        self.failure = error
        waited = _refuse(self._departed, error)
        return _refuse(self._confirmed, error) or waited

    def release(self) -> None:
        """There is no link to wait for: its sender goes on, and it stays queued."""
        _resolve(self._departed)

    def requeue(self) -> None:
        """It goes back to where it waits."""
        self.has_departed = self.is_confirmed = False
        self.n = 0

    async def departed(self) -> None:
        """Wait until it was counted out, or failed, or there is no link to wait for."""
        if self.failure is not None:
            raise self.failure
        if not self.has_departed:
            if self._departed is None:
                self._departed = asyncio.get_running_loop().create_future()
            await self._departed

    async def confirmed(self) -> None:
        """Wait until the server has received it, or it failed."""
        if self.failure is not None:
            raise self.failure
        if not self.is_confirmed:
            if self._confirmed is None:
                self._confirmed = asyncio.get_running_loop().create_future()
            await self._confirmed


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _refuse(future: asyncio.Future[None] | None, error: Exception) -> bool:
    if future is None or future.done():
        return False
    future.set_exception(error)
    return True
