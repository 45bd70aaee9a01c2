"""Async handlers of one session, running or waiting for their turn.

Rule: a session's async handlers run one after the other, in the order of their messages; those declared
`concurrent` run beside them, and none waits for them. Beyond the limit messages are held (`rtcore.held`), so that the
client feels the backpressure instead of memory. Control (ping, ack, cancel) never comes through here.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from rtcore.connection import Unread
from rtcore.contained import was_cancelled
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
    """The handlers of one session. `limit`: how many may run at once, and how many may wait before others are held."""

    __slots__ = ("_beside", "_limit", "_ordered", "_runs", "_session", "_turn")

    def __init__(self, session: Session, limit: int) -> None:
        self._session = session
        self._limit = limit
        self._runs: dict[object, _Run] = {}
        self._turn = False  # an ordered one runs
        self._ordered: deque[tuple[Route, Message]] = deque()
        self._beside: deque[tuple[Route, Message]] = deque()

    def __len__(self) -> int:
        return len(self._runs) + self._waiting

    @property
    def _waiting(self) -> int:
        return len(self._ordered) + len(self._beside)

    def run(self, route: Route, message: Message) -> None:
        """Begin a handler, or let it wait for its turn."""
        queue = self._beside if route.concurrent else self._ordered
        if not queue and len(self._runs) < self._limit and (route.concurrent or not self._turn):
            self._begin(route, message)
            return
        queue.append((route, message))
        if self._waiting >= self._limit:
            self._session.stop_reading(Unread.HANDLERS)

    def cancel(self, request: str) -> bool:
        """Cancel a request's handler by its message id; it is answered with `cancelled`. False if it is not here."""
        for key, run in self._runs.items():
            if run.message.id == request and not self._session.is_former(run.message):
                if self._cancel(run):
                    self._session.answer_error(run.message, Rejected("cancelled"))
                    self._ended(key)
                return True
        for queue in (self._ordered, self._beside):
            for entry in queue:
                if entry[1].id == request and not self._session.is_former(entry[1]):
                    queue.remove(entry)
                    entry[0].forget()
                    self._session.answer_error(entry[1], Rejected("cancelled"))
                    self.go_on()
                    return True
        return False

    def end(self) -> int:
        """The session is over: cancel all but the detached, and the one that ended it; return how many had waited."""
        waiting = self._waiting
        for route, _ in (*self._ordered, *self._beside):
            route.forget()
        self._ordered.clear()
        self._beside.clear()
        try:
            current = asyncio.current_task()
        except RuntimeError:
            current = None
        for run in self._runs.values():
            if not run.route.detached and run.task is not current:
                self._cancel(run)
        return waiting

    def _cancel(self, run: _Run) -> bool:
        """Cancel a task; say whether it had not begun: then it never runs a line, its `finally` neither."""
        unborn = inspect.getcoroutinestate(run.task.get_coro()) == inspect.CORO_CREATED  # type: ignore[arg-type]
        run.task.cancel()
        if unborn:
            run.route.forget()
        return unborn

    def _begin(self, route: Route, message: Message) -> None:
        key = object()
        task = self._session.manager.app.own(self._handle(key, route, message), name=f"handler {route.name}")
        self._runs[key] = _Run(task, route, message)
        if not route.concurrent:
            self._turn = True

    async def _handle(self, key: object, route: Route, message: Message) -> None:
        session = self._session
        inbound = session.manager.inbound
        try:
            result = await inbound.call(route, session, message)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and was_cancelled():
                if session.closed is None:
                    session.answer_error(message, Rejected("cancelled"))
                raise
            inbound.failed(session, message, error)
        else:
            inbound.answer(session, message, result)
        finally:
            self._ended(key)

    def _ended(self, key: object) -> None:
        run = self._runs.pop(key, None)
        if run is not None and not run.route.concurrent:
            self._turn = False
        self.go_on()

    def go_on(self) -> None:
        """Begin what may begin now, and read the client again once little waits."""
        if self._session.closed is not None:
            return
        while len(self._runs) < self._limit and not self._session.swamped:
            if self._ordered and not self._turn:
                self._begin(*self._ordered.popleft())
            elif self._beside:
                self._begin(*self._beside.popleft())
            else:
                break
        if self._waiting <= self._limit // 2:
            self._session.read_again(Unread.HANDLERS)
