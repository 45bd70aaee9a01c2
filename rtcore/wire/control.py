"""Control items: what two endpoints say about the session rather than through it.

Rule: control is never counted and never waits behind data. An item is control when its encoded form is an
*array* (a name and a map of fields), a message when it is a *map*; that can be seen in the first byte, so an
item that cannot be decoded is still counted rightly. Unknown fields are ignored; an unknown name is answered
with `error` `bad_control` and otherwise ignored, so that a newer peer does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

#: The version of the wire that this package speaks.
VERSION: Final = 1


class Control(NamedTuple):
    """A control item: `["ack", {"n": 5}]`."""

    name: str
    fields: Mapping[str, Any] = {}


class Undecodable(NamedTuple):
    """An item that is a message by its first byte and could not be decoded. It is counted.

    `id` is the message's, if that can be read all the same: whoever waits for an answer to it gets one.
    """

    reason: str
    id: str | None = None


#: Who sends what; the fields are in docs/wire.md.
CLIENT_CONTROLS: Final = ("hello", "ack", "ping", "pong", "bye", "away", "cancel", "poll", "part", "send")
SERVER_CONTROLS: Final = ("welcome", "ack", "ping", "pong", "part", "flow", "close", "error", "move")
