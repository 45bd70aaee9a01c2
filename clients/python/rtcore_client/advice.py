"""Advice: when the server may be asked again. A `retry_after` is never undercut, however often `connect` is called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore_client.errors import RealtimeError
    from rtcore_client.info import State


class Advice:
    """The latest `retry_after` of a server, as a moment. It outlives `close`.

    Args:
        clock: seconds that never go back, and are the same in every event loop.

    Attributes:
        error: what the last attempts came to.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.error: RealtimeError | None = None
        self._clock = clock
        self._not_before = 0.0

    @property
    def left(self) -> float:
        """Seconds until the server may be asked again."""
        return max(0.0, self._not_before - self._clock())

    def note(self, retry_after: float | None) -> None:
        """The server has said so many seconds, or nothing."""
        if retry_after is not None:
            self._not_before = max(self._not_before, self._clock() + retry_after)

    def fulfil(self) -> None:
        """A server has taken the client: what was said before is over."""
        self._not_before = 0.0
        self.error = None

    def allow(self, state: State, patience: float) -> None:
        """Let somebody wait for a connection, unless all that would happen for long is that nobody tries.

        Args:
            state: of the client.
            patience: seconds that waiting for the advised moment may take.

        Raises:
            RealtimeError: what the last attempts came to; `retry_after` is what is left of the advice.
        """
        left = self.left
        if left > patience and self.error is not None and state in {"idle", "stopped", "suspended"}:
            raise self.error.later(left)

    async def wait(self) -> None:
        """Wait until the server may be asked again."""
        while left := self.left:  # noqa: ASYNC110 - a timer of the loop may be a little early
            await asyncio.sleep(left)
