"""Settings of rooms: bounds, and options by pattern.

[rooms]
rooms_per_session = 100

[rooms.options."chat:*"]
history = 100
members_limit = 500

[rooms.options."news:*"]
send = "server"

[rooms.options."cursors:*"]
policy = "conflate"
policy_key = "sender"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import attrs
from attrs import validators as v

from rtcore.policies import from_settings
from rtcore.settings.options import PolicySettings
from rtcore.wire.policy import Kind, Policy


@attrs.frozen(kw_only=True)
class RoomOptions:
    """What holds for the rooms of one pattern."""

    members_limit: int = attrs.field(
        default=0, validator=v.ge(0), metadata={"help": "Members on one node; 0: as many as there are."}
    )
    send: Literal["members", "server"] = attrs.field(
        default="members",
        metadata={"help": "Who may publish: members with the right to, or only the server."},
    )
    echo: bool = attrs.field(default=True, metadata={"help": "Whether a sender gets its own messages, too."})
    listed: bool = attrs.field(
        default=False, metadata={"help": "Whether `room:list` shows it to those who are not in it."}
    )
    presence: int = attrs.field(
        default=100,
        validator=v.ge(0),
        metadata={
            "help": "Members on one node up to which they are told of each other by name; 0: they never are."
        },
    )
    history: int = attrs.field(
        default=0, validator=v.ge(0), metadata={"help": "Messages that the broker remembers; 0: none."}
    )
    history_for: float = attrs.field(
        default=300.0, validator=v.gt(0), metadata={"help": "For how long.", "unit": "s"}
    )
    policy: Kind | None = attrs.field(
        default=None,
        metadata={
            "help": "What happens to its messages while a member cannot take them. Unset: as their type says."
        },
    )
    policy_key: str | None = attrs.field(
        default=None,
        metadata={
            "help": "For conflate and merge: which messages stand for each other: `sender`, or a path in the payload."
        },
    )
    policy_merge: str | None = attrs.field(
        default=None, metadata={"help": "For merge: the payload's field whose text is joined."}
    )

    def __attrs_post_init__(self) -> None:
        if self.policy is None and (self.policy_key is not None or self.policy_merge is not None):
            raise ValueError("policy_key and policy_merge need `policy`")
        self.slow()

    def slow(self) -> Policy | None:
        """Return the policy of these rooms' messages, if there is one of their own."""
        if self.policy is None:
            return None
        return from_settings(PolicySettings(policy=self.policy, key=self.policy_key, merge=self.policy_merge))


def _patterns(_: object, __: object, options: Mapping[str, RoomOptions]) -> None:
    for pattern in options:
        if not pattern or "*" in pattern[:-1]:
            raise ValueError(f'{pattern!r}: expected a room\'s name, a prefix such as "chat:*", or "*"')


@attrs.frozen(kw_only=True)
class Settings:
    """Bounds, and options by pattern."""

    rooms_per_session: int = attrs.field(
        default=100, validator=v.ge(1), metadata={"help": "Rooms that one session may be in."}
    )
    max_rooms: int = attrs.field(
        default=100_000, validator=v.ge(1), metadata={"help": "Rooms with a member on this node."}
    )
    options: Mapping[str, RoomOptions] = attrs.field(
        factory=dict,
        validator=_patterns,
        metadata={
            "help": 'Options by room: an exact name, a prefix ("chat:*") or "*"; the longest match wins.'
        },
    )


class Patterns:
    """Options by pattern, ready to be asked.

    >>> patterns = Patterns({"chat:*": RoomOptions(history=5), "chat:dull": RoomOptions()})
    >>> patterns.of("chat:1").history, patterns.of("chat:dull").history, patterns.of("news").history
    (5, 0, 0)
    """

    def __init__(self, options: Mapping[str, RoomOptions]) -> None:
        self._exact = {name: value for name, value in options.items() if not name.endswith("*")}
        self._prefixes = _longest_first(
            (name[:-1], value) for name, value in options.items() if name.endswith("*")
        )
        self._default = RoomOptions()
        self._policies = {id(value): value.slow() for value in options.values()}
        self.any_listed = any(value.listed for value in options.values())

    def of(self, room: str) -> RoomOptions:
        """Return what holds for a room."""
        exact = self._exact.get(room)
        if exact is not None:
            return exact
        return next((value for prefix, value in self._prefixes if room.startswith(prefix)), self._default)

    def policy(self, room: str) -> Policy | None:
        """Return what happens to a room's messages while a member cannot take them; `None`: as their type says."""
        return self._policies.get(id(self.of(room)))


def _longest_first(entries: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(entries, key=lambda entry: -len(entry[0]))
