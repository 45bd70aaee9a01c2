"""How good the connection is: round trips and losses, as heartbeats see them."""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

from rtcore_client.options import ConnectionType

Quality = Literal["excellent", "good", "fair", "poor"]

#: (quality, round trip in seconds at most, share of lost heartbeats at most), the best first.
_LEVELS: Final[tuple[tuple[Quality, float, float], ...]] = (
    ("excellent", 0.1, 0.0),
    ("good", 0.3, 0.05),
    ("fair", 1.0, 0.15),
)
_SUGGESTED: Final[dict[Quality, ConnectionType]] = {
    "excellent": "websocket",
    "good": "websocket",
    "fair": "sse",
    "poor": "polling",
}


class ConnectionQualityDetector:
    """Judges a connection by its last heartbeats. The client feeds it; a program may feed its own.

    Args:
        samples: how many of the last heartbeats count.

    >>> detector = ConnectionQualityDetector()
    >>> detector.record_latency(0.05)
    >>> detector.get_connection_quality(), detector.get_suggested_connection_type()
    ('excellent', 'websocket')
    >>> detector.record_packet_loss()
    >>> detector.get_connection_quality()
    'poor'
    """

    def __init__(self, samples: int = 20) -> None:
        # A latency, or None for a heartbeat that was lost.
        self._last: deque[float | None] = deque(maxlen=samples)

    def record_latency(self, seconds: float) -> None:
        """A round trip took so many seconds (50 ms are 0.05)."""
        self._last.append(max(0.0, seconds))

    def record_packet_loss(self) -> None:
        """A heartbeat was not answered."""
        self._last.append(None)

    def reset(self) -> None:
        """Forget everything: the connection is another one."""
        self._last.clear()

    @property
    def latency(self) -> float | None:
        """The median round trip, in seconds; `None` before the first."""
        known = sorted(value for value in self._last if value is not None)
        return known[len(known) // 2] if known else None

    @property
    def loss(self) -> float:
        """The share of heartbeats that were lost, 0 to 1."""
        return sum(value is None for value in self._last) / len(self._last) if self._last else 0.0

    def get_connection_quality(self) -> Quality:
        """Judge. Without any heartbeat: `good`."""
        if not self._last:
            return "good"
        latency, loss = self.latency, self.loss
        for quality, slowest, lossiest in _LEVELS:
            if latency is not None and latency <= slowest and loss <= lossiest:
                return quality
        return "poor"

    def get_suggested_connection_type(self) -> ConnectionType:
        """Return the most demanding transport that such a connection carries well."""
        return _SUGGESTED[self.get_connection_quality()]
