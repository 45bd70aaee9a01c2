"""The tasks of an app: each has an owner, a name and an end, and the failure of one is never lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from rtcore.contained import Escaped

_log = logging.getLogger("rtcore.app")

T = TypeVar("T")


class Tasks:
    """Tasks that end with their app."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run something in a task. A `SystemExit` that it raises is its failure, and does not end the event loop."""
        task = self.own(_to_itself(coro, name), name)
        # One that is cancelled before it has begun never awaits what it is for.
        task.add_done_callback(lambda _: coro.close())
        return task

    def own(self, coro: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Do the same for what lets no such thing out: a frame less for each handler."""
        task = asyncio.get_running_loop().create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def end(self, by: float) -> None:
        """Cancel all but the present one, and wait for their ends; what does not end is logged and left behind.

        Args:
            by: in the loop's seconds.
        """
        loop, cancelled = asyncio.get_running_loop(), set[asyncio.Task[Any]]()
        # More than once: what a task does when it is cancelled may begin another one. Not the task that stops the app.
        while tasks := self._tasks - {asyncio.current_task()}:
            left = by - loop.time()
            if left <= 0 and tasks <= cancelled:
                names = ", ".join(sorted(task.get_name() for task in tasks))
                _log.error("left behind, for they do not end when they are cancelled: %s", names)
                self._tasks -= tasks
                break
            for task in tasks - cancelled:
                task.cancel()
            cancelled |= tasks
            await asyncio.wait(tasks, timeout=max(left, 0.0))

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("task %r failed", task.get_name(), exc_info=task.exception())


async def _to_itself(coro: Coroutine[Any, Any, T], name: str) -> T:
    """Let a failure be a failure of its task."""
    try:
        return await coro
    except (SystemExit, KeyboardInterrupt) as error:
        raise Escaped(f"task {name!r}", error) from error
