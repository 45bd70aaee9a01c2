"""Tasks with an owner, a name and an end. An exception in one is never lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final

_log = logging.getLogger("rtcore_client")

#: Times that a task is cancelled, a second apart: a callback may swallow the first.
PATIENCE: Final = 3


class Tasks:
    """The tasks of one client.

    Attributes:
        failed: called with what a task raised, after it was logged.
    """

    def __init__(self) -> None:
        self.failed: Callable[[BaseException], None] = lambda _error: None
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Start a task; it is cancelled with the others by `cancel`."""
        task = asyncio.get_running_loop().create_task(work, name=f"rtcore-client:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def cancel(self, spare: asyncio.Task[Any] | None = None) -> None:
        """Cancel all and wait for their ends. Not this one, and not `spare`; what will not end is left."""
        spared = (asyncio.current_task(), spare)
        for _ in range(PATIENCE):
            mine = self._others(spared)
            if not mine:
                break
            for task in mine:
                task.cancel()
            await asyncio.wait(mine, timeout=1.0)
        if left := self._others(spared):
            _log.error("these tasks do not end: %s", ", ".join(task.get_name() for task in left))
        await asyncio.sleep(0)  # the callbacks of those that ended take them out of the set

    def owns(self, task: asyncio.Task[Any] | None) -> bool:
        """Say whether this is one of these tasks, and not over."""
        return task in self._tasks

    def forget(self) -> None:
        """The loop that they ran in is closed."""
        self._tasks.clear()

    def _others(self, spared: tuple[asyncio.Task[Any] | None, ...]) -> list[asyncio.Task[Any]]:
        return [task for task in self._tasks if task not in spared and not task.done()]

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            _log.error("task %s failed", task.get_name(), exc_info=error)
            self.failed(error)


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait for its end; what it raised has gone to its owner."""
    if task is None or task is asyncio.current_task():
        return
    task.cancel()
    await asyncio.wait((task,))
