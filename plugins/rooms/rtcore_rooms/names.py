"""Names of rooms and of their members, and messages that carry them.

Rule: a name is what people write, in any language: letters with their joiners, emoji, spaces within. What is refused is
listed here, character by character. Unicode's own tables would say otherwise in every second version of Python.
Names are compared as they are: who wants `é` of one character and of two to be one room normalises before sending.
"""

from __future__ import annotations

import re
from typing import Final

from rtcore.errors import Rejected
from rtcore.wire.message import Checked, Message

#: Characters of a room's name.
NAME_MAX: Final = 128


_SPACES: Final = " \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
#: What takes no room of its own: joiners, marks of direction, soft hyphens.
_JOINERS: Final = "\u00ad\u034f\u061c\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff"
#: Control characters (C0, DEL, C1), separators of lines and paragraphs, halves of characters, and what turns the
#: direction of the text around a name: who shows it would show something else.
_REFUSED: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufff9-\ufffb\ud800-\udfff]"
)
_SPACED: Final = re.compile(f"[{_SPACES}]|.*[{_SPACES}]$", re.DOTALL)
_SEEN: Final = re.compile(f"[^{_SPACES}{_JOINERS}]")


def wrong_with(name: str, most: int) -> str:
    r"""Say why nobody may be called this; an empty text if it is a good name of up to `most` characters.

    >>> wrong_with("salle d'attente 👨\u200d👩\u200d👧", 64), wrong_with("bell\a", 64)
    ('', 'U+0007 is a control character')
    """
    if not 0 < len(name) <= most:
        return f"expected 1 to {most} characters, given {len(name)}"
    if found := _REFUSED.search(name):
        return f"U+{ord(found[0]):04X} is a control character"
    if not _SEEN.search(name):
        return "there is nothing in it to be seen"
    if _SPACED.match(name):
        return "a space begins or ends it"
    return ""


def check_name(room: str) -> None:
    """Refuse a name that no room has.

    Raises:
        Rejected: `bad_room`.

    >>> check_name("chat:1")
    """
    if reason := wrong_with(room, NAME_MAX):
        raise Rejected("bad_room", f"a room's name: {reason}")


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
