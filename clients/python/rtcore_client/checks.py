"""Checks of a message where it is sent: what the wire cannot carry is the caller's news, at once and with its place.

The server would refuse it as well. But it might not be able to say which message it means, and its answer comes late.
"""

from __future__ import annotations

from typing import Final

from rtcore.wire.message import LANE, Message

#: Characters of a type, and of any other name.
TYPE_MAX: Final = 128
NAME_MAX: Final = 256
#: Whole numbers that every receiver can read.
WHOLE_MAX: Final = 2**53 - 1


def check(message: Message) -> None:
    """Check the fields of a message that a program gives; its payload is the codec's.

    Raises:
        TypeError: a field is of another type than it may be.
        ValueError: a field has a value that it cannot have.

    >>> check(Message("chat:message", {"any": "thing"}, room="lobby"))
    >>> check(Message(""))
    Traceback (most recent call last):
    ...
    ValueError: type: expected 1 to 128 characters, given 0: ''
    """
    _text("type", message.type, TYPE_MAX, least=1)
    if message.room is not None:
        _text("room", message.room, NAME_MAX, least=1)
    if message.priority not in LANE:
        raise ValueError(f"priority: expected one of {', '.join(LANE)}, given {message.priority!r:.100}")
    version = message.version
    if type(version) is not int:
        raise TypeError(f"version: expected a whole number, given {type(version).__name__}")
    if not 0 <= version <= WHOLE_MAX:
        raise ValueError(f"version: expected 0 to 2^53 - 1, given {version}")


def check_timeout(seconds: object) -> None:
    """Check how long a caller will wait.

    Raises:
        TypeError, ValueError: it is no number of seconds from 0 on.
    """
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool):
        raise TypeError(f"timeout: expected seconds, given {type(seconds).__name__}")
    if not seconds >= 0:
        raise ValueError(f"timeout: expected 0 seconds or more, given {seconds}")


def _text(field: str, value: object, most: int, *, least: int) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{field}: expected text, given {type(value).__name__}")
    if not least <= len(value) <= most:
        raise ValueError(f"{field}: expected {least} to {most} characters, given {len(value)}: {value!r:.60}")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValueError(
                f"{field}: half of a surrogate pair at character {error.start}, which is no text: {value!r:.60}"
            ) from error
