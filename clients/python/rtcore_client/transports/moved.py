"""Bytes that a socket has moved, as the system counts them: a large frame is a sign of life long before it is here."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any, Final

#: Linux' `struct tcp_info`: `tcpi_bytes_acked` and `tcpi_bytes_received` (RFC 4898), since 4.1.
_PLACE: Final = 120
_COUNTS: Final = struct.Struct("=QQ")
#: Bytes that the system may hold unsent.
UNSENT: Final = 16 * 1024
#: Bytes that a peer's system must have taken to be a sign of life: it takes a ping for a peer that is frozen, too.
TAKEN: Final = 1024


class Moved:
    """What one socket has moved since it was last asked. Where the system does not tell it is nothing.

    Args:
        sock: of a transport's `get_extra_info("socket")`; `None` if there is none.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self._taken, self._received = self._counts()

    def since(self) -> bool:
        """Say whether bytes came, or enough of ours were taken, since the last time."""
        taken, received = self._counts()
        moved = received > self._received or taken >= self._taken + TAKEN
        self._taken, self._received = taken, received
        return moved

    def _counts(self) -> tuple[int, int]:
        option = getattr(socket, "TCP_INFO", None)
        if self._sock is None or option is None:
            return 0, 0
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, option, _PLACE + _COUNTS.size)
        except (OSError, ValueError):
            return 0, 0
        return _COUNTS.unpack_from(info, _PLACE) if len(info) >= _PLACE + _COUNTS.size else (0, 0)


def hold_little(sock: Any) -> None:
    """Let the system hold little of what it has not sent: what is there cannot be overtaken."""
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if sock is not None and option is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, UNSENT)
