"""How long to wait before the next attempt.

Full jitter: a uniform choice between nothing and a limit that doubles. It spreads a crowd that was disconnected
together better than any other rule ("Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays, in seconds.

    Args:
        base: the limit of the first delay.
        cap: no delay is longer, unless the server asks for it.
        uniform: returns a random number between two; for tests.
    """

    def __init__(
        self, base: float, cap: float, *, uniform: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._base = base
        self._cap = cap
        self._uniform = uniform

    def using(self, uniform: Callable[[float, float], float]) -> Backoff:
        """Return the same with other random numbers."""
        return Backoff(self._base, self._cap, uniform=uniform)

    def delay(self, attempt: int, *, base: float = 0.0, retry_after: float | None = None) -> float:
        """Return the pause before an attempt, counted from 0; never shorter than the server's advice.

        What the server advises is spread as well, upwards by a tenth. `base` raises the limit of the first delay.
        """
        limit = min(self._cap, max(self._base, base) * 2.0 ** min(attempt, 32))
        own = self._uniform(0.0, limit)
        if retry_after is None:
            return own
        return max(own, self.around(retry_after))

    def around(self, seconds: float) -> float:
        """Return a little more than `seconds`, so that not everybody comes back at once."""
        return seconds + self._uniform(0.0, seconds / 10)
