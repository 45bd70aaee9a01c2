"""What a start has opened, and how it is closed again: in the reverse order, step by step, each within its time.

Rule: a step that hangs is cancelled and named in the log, and the next one goes on as if it had ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from typing import Any, Final, TypeVar

_log = logging.getLogger("rtcore.app")

T = TypeVar("T")

#: Seconds for a step when those before it have taken all the time.
LEAST: Final = 0.25


class Steps(AsyncExitStack):
    """An exit stack with a deadline.

    Attributes:
        end_by: when they have to be undone, in the loop's seconds; `None` while nobody waits for it.
    """

    end_by: float | None = None

    async def enter(self, name: str, context: AbstractAsyncContextManager[Any]) -> None:
        """Enter a context, which is left as one step."""
        await context.__aenter__()
        self.push_async_exit(partial(self._leave, name, context))

    def undo(self, name: str, step: Callable[[], Awaitable[None]]) -> None:
        """Do this as one step."""
        self.push_async_callback(self.step, name, step)

    async def step(self, name: str, step: Callable[[], Awaitable[T]]) -> T | None:
        """Take one step now."""
        if self.end_by is None:
            return await step()
        limit = asyncio.timeout_at(max(self.end_by, asyncio.get_running_loop().time() + LEAST))
        try:
            async with limit:
                return await step()
        except TimeoutError:
            if not limit.expired():
                raise
            _log.error("the stop takes too long; cancelled: %s", name)
        return None

    async def _leave(self, name: str, context: AbstractAsyncContextManager[Any], *error: Any) -> bool | None:
        return await self.step(name, partial(context.__aexit__, *error))
