"""Where a client lives: the one event loop that everything of it happens in.

Rule: a call from another thread or loop works or is refused at once. A future that is awaited in one loop and settled
in another is never woken, so nothing that waits may be begun elsewhere.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from rtcore_client.errors import WrongLoop


class Home:
    """The loop of one client, from its first `connect` to its `close`.

    Attributes:
        loop: it; `None` while the client lives nowhere.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None

    def enter(self, what: str) -> None:
        """Go on if this is the client's loop; make it that if it has none, or one that is closed.

        Raises:
            WrongLoop: the client lives in another loop.
        """
        here = asyncio.get_running_loop()
        if self.loop is here:
            return
        if self.loop is not None and not self.loop.is_closed():
            raise WrongLoop.of(what, threading.current_thread().name)
        self.loop = here

    def leave(self) -> None:
        """The client is closed: it may live elsewhere next."""
        self.loop = None

    def call(self, function: Callable[[], None]) -> None:
        """Call a function in the client's loop: now if this is it, soon if it is another thread's."""
        loop = self.loop
        if loop is None or loop.is_closed() or loop is _running():
            function()
        else:
            loop.call_soon_threadsafe(function)


def _running() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
