"""Async handlers of one session, running or waiting for their turn.

Rule: a session's async handlers run one after the other, in the order of their messages, unless declared
`concurrent`. Beyond the limit the client is not read, so that it feels the backpressure instead of memory.
Control (ping, ack, cancel) never comes through here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rtcore.errors import Rejected

if TYPE_CHECKING:
    from rtcore.handlers import Route
    from rtcore.session import Session
    from rtcore.wire.message import Message


class _Run(NamedTuple):
    task: asyncio.Task[None]
    route: Route
    message: Message


class Running:
    """The handlers of one session. `limit`: how many may run at once, and how many may wait unread."""

    __slots__ = ("_limit", "_runs", "_session", "_waiting")

    def __init__(self, session: Session, limit: int) -> None:
        self._session = session
        self._limit = limit
        self._runs: dict[object, _Run] = {}
        self._waiting: deque[tuple[Route, Message]] = deque()

    def __len__(self) -> int:
        return len(self._runs) + len(self._waiting)

    def run(self, route: Route, message: Message) -> None:
        """Begin a handler, or let it wait for its turn."""
        if not self._waiting and self._may_begin(route):
            self._begin(route, message)
            return
        if len(self._waiting) >= 4 * self._limit:
            # Only a client whose reading cannot be paused (it posts) comes this far.
            self._session.answer_error(message, Rejected("too_many_requests", f"{len(self)} of them"))
            return
        self._waiting.append((route, message))
        connection = self._session.connection
        if len(self._waiting) == self._limit and connection is not None:
            connection.link.pause_reading()

    def cancel(self, request: str) -> None:
        """Cancel the handler of a request by its message id; it is answered with `cancelled`."""
        for run in self._runs.values():
            if run.message.id == request:
                run.task.cancel()
                return
        for entry in self._waiting:
            if entry[1].id == request:
                self._waiting.remove(entry)
                self._session.answer_error(entry[1], Rejected("cancelled"))
                return

    def end(self) -> None:
        """The session is over: cancel all but the detached, and the one that ended it."""
        self._waiting.clear()
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        for run in self._runs.values():
            if not run.route.detached and run.task is not current:
                run.task.cancel()

    def _may_begin(self, route: Route) -> bool:
        if not self._runs:
            return True
        return route.concurrent and len(self._runs) < self._limit

    def _begin(self, route: Route, message: Message) -> None:
        key = object()
        task = self._session.manager.app.spawn(
            self._handle(key, route, message), name=f"handler {route.name}"
        )
        self._runs[key] = _Run(task, route, message)

    async def _handle(self, key: object, route: Route, message: Message) -> None:
        session = self._session
        inbound = session.manager.inbound
        try:
            result = await inbound.call(route, session, message)
        except asyncio.CancelledError:
            if session.closed is None:
                session.answer_error(message, Rejected("cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - a handler's failure is its caller's news, nobody else's
            inbound.failed(session, message, error)
        else:
            inbound.answer(session, message, result)
        finally:
            self._runs.pop(key, None)
            self._next()

    def _next(self) -> None:
        session, waiting = self._session, self._waiting
        if session.closed is not None:
            return
        before = len(waiting)
        while waiting and self._may_begin(waiting[0][0]):
            self._begin(*waiting.popleft())
        half = self._limit // 2
        if len(waiting) <= half < before and session.connection is not None:
            session.connection.link.resume_reading()
