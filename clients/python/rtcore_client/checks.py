"""Checks of a message where it is sent: what the wire cannot carry is the caller's news, at once and with its place.

The server would refuse it as well. But it might not be able to say which message it means, and its answer comes late.
What a `Message` is made of it checks itself, and its payload is the codec's; here is what is left.
"""

from __future__ import annotations

from typing import Final

from rtcore.wire.message import Message

#: Whole numbers that every receiver can read.
WHOLE_MAX: Final = 2**53 - 1


def check(message: Message) -> None:
    """Check the fields of a message that a program gives.

    Raises:
        ValueError: a field has a value that it cannot have.

    >>> check(Message("chat:message", {"any": "thing"}, room="lobby"))
    >>> check(Message("chat:message", room=""))
    Traceback (most recent call last):
    ...
    ValueError: room: expected 1 to 256 characters, given ''
    """
    if not message.type.isascii():
        _whole("type", message.type)
    room = message.room
    if room is not None and not (room and room.isascii()):
        if not room:
            raise ValueError("room: expected 1 to 256 characters, given ''")
        _whole("room", room)
    if not 0 <= message.version <= WHOLE_MAX:
        raise ValueError(f"version: expected 0 to 2^53 - 1, given {message.version}")


def check_timeout(seconds: object) -> None:
    """Check how long a caller will wait.

    Raises:
        TypeError, ValueError: it is no number of seconds from 0 on.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"timeout: expected seconds, given a {type(seconds).__name__}")
    if not seconds >= 0:
        raise ValueError(f"timeout: expected 0 seconds or more, given {seconds}")


def _whole(field: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{field}: half of a surrogate pair at character {error.start}, which is no text: {value!r:.60}"
        ) from error
