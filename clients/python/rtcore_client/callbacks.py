"""A callback and its messages: called at once while it is plain, one after the other while it waits for something."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from rtcore_client import tracing
from rtcore_client.buffer import Buffer, Ended

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.tasks import Tasks


class Caller:
    """Gives messages to one callback, in order and one at a time.

    An async callback has a queue and a task of its own, which begins with the first message. A plain one that returns
    an awaitable has them until that is done: nobody else waits for it.

    Args:
        callback: plain or async.
        buffer: makes its queue.
        tasks: owner of the task.
        failed: called with what it raised.
        quiet: says that nobody is called any more: the client is being closed.
    """

    def __init__(
        self,
        callback: Callable[[Message], Any],
        buffer: Callable[[], Buffer],
        tasks: Tasks,
        failed: Callable[[Callable[..., Any], Exception], None],
        quiet: Callable[[], bool],
    ) -> None:
        self._callback = callback
        self._new_buffer = buffer
        self._buffer: Buffer | None = None
        self._tasks = tasks
        self._failed = failed
        self._quiet = quiet
        self._task: asyncio.Task[None] | None = None
        self._ended = False
        self._is_async = inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
            getattr(callback, "__call__", None)  # noqa: B004 - whether it is async, not whether it is callable
        )

    def give(self, message: Message) -> None:
        """Call it with a message, or let the message wait for its turn."""
        if self._ended:
            return
        if self._task is None and not self._is_async:
            result = self._call(message)
            if result is not None:
                self._begin(result)
            return
        if self._task is None:
            self._begin(None)
        if self._buffer is not None:
            self._buffer.put(message)

    def end(self) -> None:
        """No more messages; it finishes the one that it is at."""
        self._ended = True
        self.rest()

    def rest(self) -> None:
        """Forget what waits, and the task: it ends when it has finished the message that it is at."""
        buffer, self._buffer, self._task = self._buffer, None, None
        if buffer is not None:
            buffer.clear()
            buffer.end()

    def _begin(self, first: Awaitable[Any] | None) -> None:
        buffer = self._buffer = self._new_buffer()
        name = getattr(self._callback, "__qualname__", type(self._callback).__name__)
        self._task = self._tasks.spawn(self._work(buffer, first), name=f"subscriber {name}")

    async def _work(self, buffer: Buffer, first: Awaitable[Any] | None) -> None:
        if first is not None:
            await self._finish(first)
        while self._is_async or buffer:
            try:
                message = await buffer.get()
            except Ended:
                return
            if self._quiet():
                return
            result = self._call(message)
            if result is not None:
                await self._finish(result)
        if self._buffer is buffer:
            self._buffer = self._task = None  # it is plain again

    def _call(self, message: Message) -> Awaitable[Any] | None:
        """Call it; return what must be awaited, if anything."""
        try:
            result = tracing.deliver(message, self._callback)
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._failed(self._callback, error)
            return None
        return result if inspect.isawaitable(result) else None

    async def _finish(self, result: Awaitable[Any]) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._failed(self._callback, error)
