"""A clock that moves when it is told to, and an event loop that lives by it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class FakeClock:
    """Seconds under a test's control: `App(clock=clock)`, or `clock.run(…)` for everything that sleeps.

    >>> clock = FakeClock()
    >>> clock.advance(2.5)
    >>> clock() == clock.time() == 1002.5
    True
    """

    def __init__(self, start: float = 1000.0) -> None:
        self._now = start

    def __call__(self) -> float:
        return self._now

    def time(self) -> float:
        """Return the seconds; they begin at `start`."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: it would go back.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds} seconds")
        self._now += seconds

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in a loop that lives by this clock: when all that is left is to wait, time jumps.

        Sockets work, but time does not wait for them: with nothing to read at this very moment, it jumps.

        >>> clock = FakeClock(0.0)
        >>> clock.run(asyncio.sleep(3600, "an hour later"))
        'an hour later'
        >>> clock.time()
        3600.0
        """
        with asyncio.Runner(loop_factory=lambda: _Loop(self)) as runner:
            return runner.run(main)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        super().__init__(_Selector(clock))

    def time(self) -> float:
        return self._clock.time()


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, moves the clock to it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(None if timeout is None else 0)
        if not ready and timeout is not None and timeout > 0:
            self._clock.advance(timeout)
        return ready
