"""Which slow-consumer policy a message has: by the type of the message, or by what a feature says of its room.

Asked only when a message has to wait, so a session that keeps up never pays for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from rtcore.wire.policy import Policy, by_path, by_type, concatenate

if TYPE_CHECKING:
    from rtcore.settings.options import PolicySettings
    from rtcore.wire.message import Message

#: Classes whose policy is remembered; types and rooms come from clients, so their number must be bounded.
REMEMBERED: Final = 4096
_DEFAULT: Final = Policy()

Source = Callable[["Message"], Policy | None]


def from_settings(settings: PolicySettings) -> Policy:
    """Make a policy of its settings."""
    key = by_path(settings.key) if settings.key is not None else by_type
    merge = concatenate(settings.merge) if settings.merge is not None else None
    return Policy(settings.policy, key=key, merge=merge)


class Policies:
    """The policies of one app.

    Args:
        by_type: policies by message type, or by a prefix that ends with `*`. The longest match wins.
    """

    def __init__(self, by_type: Mapping[str, Policy]) -> None:
        self._patterns = sorted(by_type.items(), key=lambda entry: -len(entry[0]))
        self._sources: list[Source] = []
        self._known: dict[tuple[str, str | None], Policy] = {}

    def add(self, source: Source) -> None:
        """Ask this first: a feature that knows a room's policy. Its answer must depend on type and room alone."""
        self._sources.append(source)
        self._known.clear()

    def discard(self, source: Source) -> None:
        """Do not ask this any more."""
        if source in self._sources:
            self._sources.remove(source)
            self._known.clear()

    def find(self, message: Message) -> Policy:
        """Return the policy of a message."""
        key = (message.type, message.room)
        policy = self._known.get(key)
        if policy is None:
            policy = self._look(message)
            if len(self._known) < REMEMBERED:
                self._known[key] = policy
        return policy

    def _look(self, message: Message) -> Policy:
        for source in self._sources:
            policy = source(message)
            if policy is not None:
                return policy
        for pattern, policy in self._patterns:
            if message.type == pattern or (pattern.endswith("*") and message.type.startswith(pattern[:-1])):
                return policy
        return _DEFAULT
