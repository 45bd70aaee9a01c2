"""Tombstones: how sessions ended, for clients that ask for one that is gone."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from rtcore.wire.server_line import Key

if TYPE_CHECKING:
    from rtcore.session import Session

#: Ended sessions whose end can still be explained.
TOMBSTONES: Final = 10_000

#: What a `welcome` says of an end; of any other, that nothing is known.
_REASONS: Final = {"session_expired": "expired", "evicted": "evicted"}


class Tombstones:
    """The last sessions that have ended, and what opened them: only who could have resumed one learns how it ended."""

    __slots__ = ("_ended",)

    def __init__(self) -> None:
        # Tuples of text, which the collector need not look at: there are ten thousand of them.
        self._ended: OrderedDict[str, tuple[str, str, str]] = OrderedDict()

    def add(self, session: Session, code: str) -> None:
        """A session has ended."""
        self._ended[session.id] = (_REASONS.get(code, "unknown"), *session.key)
        while len(self._ended) > TOMBSTONES:
            self._ended.popitem(last=False)

    def why(self, session_id: str, secret: str) -> str:
        """Say how a session ended, as one of the reasons of `welcome`; `unknown` also to whoever it was not."""
        ended, *key = self._ended.get(session_id, ("unknown", "", ""))
        return ended if Key(*key).opens(secret) else "unknown"
