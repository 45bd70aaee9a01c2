"""Calls from other threads: done in the loop's thread, in their order, or refused at once; never half.

Everything of a server happens in the thread of its loop. A program has others: a driver's callbacks, workers, a log
handler. What they call may change nothing by itself, for the loop may be at the same thing; so the call is handed over:

    a thread ── call ──▶ take: checked, kept in order ──▶ the loop's next turn ──▶ done
                           │ LIMIT of them wait, and the loop does none for PATIENCE seconds, or the app is over
                           ▼
                         refused: WrongThread

Rule: in the loop's own thread this costs one comparison. What was taken is done, also when the app stops meanwhile;
what cannot be done later, because its answer is wanted, is refused with what to use instead. A thread does not wait for
its call to be done: it may hold a lock that the loop needs, as a log handler does.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from functools import partial
from inspect import isawaitable
from threading import get_ident
from typing import Any, Final, NamedTuple

from rtcore.contained import was_cancelled
from rtcore.errors import WrongThread
from rtcore.wire.message import Message

_log = logging.getLogger("rtcore.threads")

#: Calls that may wait for the loop. A thread that is faster than it waits for room.
LIMIT: Final = 10_000
#: Calls done in one turn of the loop, so that a thread cannot keep it from everything else.
SLICE: Final = 256
#: Seconds for which a thread waits for room while the loop does nothing: it may be waiting for that thread.
PATIENCE: Final = 1.0


class _Call(NamedTuple):
    what: str
    thread: str
    context: Context
    call: Callable[[], object]


class Threads:
    """What other threads have called and the loop has not done yet. `manager.threads`.

    Attributes:
        owner: the identifier of the loop's thread while the app runs; 0 before, -1 after.
    """

    def __init__(self) -> None:
        self.owner = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spawn: Callable[..., asyncio.Task[Any]] = asyncio.create_task
        self._last = 0
        self._calls: deque[_Call] = deque()
        self._changed = threading.Condition()
        self._scheduled = False

    # -- the app's life --------------------------------------------------------------------------------

    def start(self, loop: asyncio.AbstractEventLoop, spawn: Callable[..., asyncio.Task[Any]]) -> None:
        """The app runs in this loop, in the thread that calls this; `spawn` begins its tasks."""
        with self._changed:
            self._loop, self._spawn, self._scheduled = loop, spawn, False
            self.owner = self._last = get_ident()

    def finish(self) -> None:
        """Do everything that was taken so far, and not what comes meanwhile; called in the loop's thread."""
        self._do_some(len(self._calls))

    def stop(self) -> None:
        """Take nothing more, and do what was taken; called in the loop's thread."""
        with self._changed:
            self._loop, self.owner = None, -1
            self._changed.notify_all()
        self.finish()

    # -- for what may be called from any thread ------------------------------------------------------------

    def take(self, what: str, call: Callable[..., object], /, *args: Any, **fields: Any) -> bool:
        """Take a call of another thread. False if it is to be done here: in the loop's thread, or before there is one.

        Args:
            what: its name, for people.
            call: it; what it raises is logged.
            args, fields: its arguments; the payload of a message is copied.

        Raises:
            TypeError: the payload of a message cannot be sent.
            WrongThread: the app is over, or as many calls wait as may and the loop does none of them.
        """
        here = get_ident()
        if self.owner in (here, 0) or (self.owner < 0 and here == self._last):
            return False
        for one in args:
            if isinstance(one, Message):
                one.copy_payload()  # what is sent is what it is now, whatever the thread does with it
        kept = _Call(what, threading.current_thread().name, copy_context(), partial(call, *args, **fields))
        with self._changed:
            while self._loop is not None and len(self._calls) >= LIMIT:
                if not self._changed.wait(PATIENCE):
                    raise WrongThread(
                        f"{what}: {LIMIT} calls of other threads wait, and the loop has done none of them for"
                        f" {PATIENCE:g} s; is it waiting for this thread? `app.from_thread` waits for each call"
                    )
            loop = self._loop
            if loop is None or loop.is_closed():
                raise WrongThread(f"{what}: called in thread {kept.thread!r}, and the app has stopped")
            if not self._scheduled:
                loop.call_soon_threadsafe(self._turn)
                self._scheduled = True
            self._calls.append(kept)
        return True

    def only_here(self, what: str, instead: str) -> None:
        """Refuse a call of another thread or another loop's: what waits or answers belongs to the app's loop.

        Raises:
            WrongThread: says what to use instead.
        """
        here = get_ident()
        if here == self.owner or self.owner <= 0:
            return
        raise WrongThread(
            f"{what}: called in thread {threading.current_thread().name!r}, not in the app's; use {instead}"
        )

    def run(
        self, call: Callable[..., Any], /, *args: Any, timeout: float | None = None, **fields: Any
    ) -> Any:
        """Do a call in the loop, after what this thread has called before; see `App.from_thread`."""
        if get_ident() == self.owner:
            raise WrongThread("from_thread: called in the app's own thread, where it would wait for itself")
        if self.owner <= 0:
            raise WrongThread("from_thread: the app does not run")
        answer: Future[Any] = Future()
        self.take("from_thread", self._answer, answer, partial(call, *args, **fields))
        try:
            return answer.result(timeout)
        finally:
            answer.cancel()  # nobody waits any more

    # -- in the loop -------------------------------------------------------------------------------------

    def _turn(self) -> None:
        self._do_some(SLICE)
        with self._changed:
            self._scheduled = bool(self._calls) and self._loop is not None
            if self._scheduled and self._loop is not None:
                self._loop.call_soon(self._turn)

    def _do_some(self, most: int) -> None:
        with self._changed:
            some = [self._calls.popleft() for _ in range(min(most, len(self._calls)))]
            self._changed.notify_all()
        for one in some:
            try:
                one.context.run(one.call)
            except BaseException:  # noqa: BLE001 - what one call raises ends nothing else
                _log.exception("%s, called in thread %r, failed", one.what, one.thread)

    def _answer(self, answer: Future[Any], call: Callable[[], Any]) -> None:
        """Do a call for a thread that waits for what it returns, and for that, if it is to be awaited."""
        if answer.cancelled():
            return
        try:
            result = call()
            if isawaitable(result):
                self._await(answer, result)
                return
        except BaseException as error:  # noqa: BLE001 - it is the thread's, whatever it is
            _settle(answer, error=error)
        else:
            _settle(answer, result)

    def _await(self, answer: Future[Any], awaitable: Awaitable[Any]) -> None:
        async def wait() -> None:
            try:
                _settle(answer, await awaitable)
            except BaseException as error:
                _settle(answer, error=error)
                if was_cancelled():
                    raise

        loop = self._loop
        if loop is None:
            if inspect.iscoroutine(awaitable):
                awaitable.close()
            raise WrongThread("from_thread: the app has stopped")
        task = self._spawn(wait(), name="from a thread")
        answer.add_done_callback(
            lambda _: loop.call_soon_threadsafe(task.cancel) if answer.cancelled() else None
        )


def _settle(answer: Future[Any], result: Any = None, *, error: BaseException | None = None) -> None:
    """Settle an answer, unless its thread has given up."""
    if not answer.set_running_or_notify_cancel():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
