"""Policies: what happens to messages of a class while their session cannot take them.

    drop_oldest   when the lanes are full, the oldest of the least urgent goes (the default)
    drop_new      when the lanes are full, the new one goes
    disconnect    when the lanes are full, the connection is given up, and may be resumed
    conflate      a newer message replaces the waiting one with the same key: only the latest matters
    merge         a newer message is joined with the waiting one with the same key: token deltas

A session that keeps up never meets its policy: nothing waits, so nothing is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Literal, get_args

import attrs

from rtcore.wire.message import Message

Kind = Literal["drop_oldest", "drop_new", "disconnect", "conflate", "merge"]
Key = Callable[[Message], Hashable]
#: Joins two payloads, the older first; `None` when these two cannot be joined.
Merge = Callable[[Any, Any], Any]

KINDS: tuple[Kind, ...] = get_args(Kind)


def by_type(message: Message) -> Hashable:
    """The key of a class in which one message stands for all of its type and room."""
    return message.type, message.room


def by_path(path: str) -> Key:
    """Make a key of the type, the room and one thing in the message.

    Args:
        path: `sender`, or where in the payload: `id`, `cursor.user`. What is missing counts as `None`.
    """
    names = path.split(".")

    def key(message: Message) -> Hashable:
        if names == ["sender"]:
            return message.type, message.room, message.sender
        value = message.payload
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return message.type, message.room, value if isinstance(value, Hashable) else repr(value)

    return key


def concatenate(path: str) -> Merge:
    """Make a merge that appends the text at `path` of the newer payload and takes the newer one's other fields.

    >>> concatenate("text")({"text": "Hel", "n": 1}, {"text": "lo", "n": 2})
    {'text': 'Hello', 'n': 2}
    """

    def merge(older: Any, newer: Any) -> Any:
        if not (isinstance(older, dict) and isinstance(newer, dict)):
            return None
        head, tail = older.get(path), newer.get(path)
        if not (isinstance(head, str) and isinstance(tail, str)):
            return None
        return {**newer, path: head + tail}

    return merge


@attrs.frozen(eq=False)
class Policy:
    """What to do with one class of messages.

    Attributes:
        kind: see the module.
        key: which messages stand for each other; for `conflate` and `merge`.
        merge: joins two payloads; for `merge`.
        max_bytes: a merged message does not grow beyond this; then the next one waits beside it.
    """

    kind: Kind = "drop_oldest"
    key: Key = by_type
    merge: Merge | None = None
    max_bytes: int = 64 * 1024

    def join(self, older: Message, newer: Message) -> Message | None:
        """Return the one message that stands for two, or `None` when both must wait."""
        if self.kind == "conflate":
            return newer
        if self.merge is None or older.size + newer.size > self.max_bytes:
            return None
        payload = self.merge(older.payload, newer.payload)
        if payload is None:
            return None
        return Message(
            newer.type, payload, id=newer.id, re=newer.re, room=newer.room, priority=newer.priority,
            sender=newer.sender, offset=newer.offset, epoch=newer.epoch, timestamp=newer.timestamp,
            version=newer.version, trace=newer.trace,
        )  # fmt: skip
