"""What a link needs of the transport that made it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Owner(Protocol):
    """`WebSocketTransport`, and whoever carries links of its own.

    Attributes:
        limit: bytes of a message.
        high_water: bytes that may wait for a socket before the kernel's lanes are the place to wait.
        close_timeout: seconds that a peer has to answer a close.
        violations: peers that broke the protocol, so far.
    """

    limit: int
    high_water: int
    close_timeout: float
    loop: asyncio.AbstractEventLoop
    violations: int

    def gone(self, link: object) -> None:
        """A link's socket is closed, and its connection knows."""
