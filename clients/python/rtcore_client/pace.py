"""The pace: not to send what the server would refuse.

The welcome says how many messages per second a session may send. The same rule as on the server, GCRA (ITU-T I.371,
annex A.1), a little slower, because messages that left evenly may arrive less evenly.
"""

from __future__ import annotations

from typing import Final

#: Of the server's rate and burst; what is left is for the network's jitter.
SHARE: Final = 0.9


class Pace:
    """Says when the next message may go.

    Args:
        rate: messages per second that the server takes.
        burst: messages that it takes at once.

    >>> pace = Pace(rate=10, burst=10)
    >>> [pace.wait(0.0) or pace.spend(0.0) for _ in range(9)].count(None)
    9
    >>> round(pace.wait(0.0), 2)
    0.11
    """

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._interval = 1 / (rate * SHARE)
        self._tolerance = (max(1.0, burst * SHARE) - 1) * self._interval
        self._next = 0.0

    def wait(self, now: float) -> float:
        """Return the seconds until a message may go; 0 for now."""
        wait = self._next - now - self._tolerance
        return wait if wait > 1e-9 else 0.0

    def spend(self, now: float, messages: int = 1) -> None:
        """So many messages went."""
        self._next = max(self._next, now) + messages * self._interval
