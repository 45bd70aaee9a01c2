"""Bytes that a socket has moved, as the system counts them, for links that say so (`rtcore.spi.transport.Moving`).

A large frame is a sign of life long before it is here, and so is an answer that the peer takes slowly. To count in
Python would cost each read and each write; to ask the system costs a microsecond, once in a heartbeat.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

from rtcore.spi.transport import Moved

#: Linux' `struct tcp_info`: where `tcpi_bytes_acked` and `tcpi_bytes_received` are (RFC 4898), since 4.1.
_PLACE: Final = 120
_COUNTS: Final = struct.Struct("=QQ")
_OPTION: Final = getattr(socket, "TCP_INFO", None)
NOTHING: Final = Moved(0, 0)


def moved(transport: Any) -> Moved:
    """Return what the socket of an asyncio transport has moved, ever; nothing where the system does not tell."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or _OPTION is None:
        return NOTHING
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, _OPTION, _PLACE + _COUNTS.size)
    except (OSError, ValueError):
        return NOTHING
    if len(info) < _PLACE + _COUNTS.size:
        return NOTHING
    taken, received = _COUNTS.unpack_from(info, _PLACE)
    return Moved(received, taken)
