"""What a link needs of the transport that made it."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Owner(Protocol):
    """`WebSocketTransport`, and whoever carries links of its own.

    Attributes:
        limit: bytes of a message.
        close_timeout: seconds that a peer has to answer a close.
        violations: peers that broke the protocol, so far.
    """

    limit: int
    close_timeout: float
    loop: asyncio.AbstractEventLoop
    violations: int

    def tune(self, transport: asyncio.Transport) -> None:
        """Set a socket up."""

    def gone(self, link: object) -> None:
        """A link's socket is closed, and its connection knows."""
