"""Names of rooms, and messages that carry them."""

from __future__ import annotations

from typing import Final

from rtcore.errors import Rejected
from rtcore.wire.message import Checked, Message

#: Characters of a room's name.
NAME_MAX: Final = 128


def check_name(room: str) -> None:
    """Refuse a name that no room has.

    Raises:
        Rejected: `bad_room`.

    >>> check_name("chat:1")
    """
    if not 0 < len(room) <= NAME_MAX or not room.isprintable() or room != room.strip():
        raise Rejected("bad_room", f"a room's name has 1 to {NAME_MAX} printable characters")


def addressed(message: Message, room: str) -> Message:
    """Return a message as it goes to a room's members: its payload as it came, and no trace of the request."""
    return Checked(
        message.type,
        None if message.raw is not None else message.payload,
        room=room,
        priority=message.priority,
        sender=message.sender,
        timestamp=message.timestamp,
        version=message.version,
        trace=message.trace,
        raw=message.raw,
        raw_codec=message.raw_codec,
    )
