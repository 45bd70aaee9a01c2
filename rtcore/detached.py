"""Sessions without a connection: who waits for its client, and how much of that there may be.

Rule: the oldest go first, and each bound has a name that evictions are counted by. A message that several windows hold
is one object, so it is weighed once: what a broadcast left behind in ten thousand windows is not ten thousand times it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.settings import Options
    from rtcore.wire.message import Message


class _Waiting(NamedTuple):
    """What is to be undone when a session waits no longer: whom it counted for, and what it held.

    Attributes:
        subject: whom.
        held: messages.
        half: bytes of a message that is not all here.
    """

    subject: str | None
    held: tuple[Message, ...]
    half: int


class Detached:
    """The sessions that wait, the oldest first.

    Args:
        options: the bounds.
        evict: ends a session, which discards it here; called with the option whose bound was reached.

    Attributes:
        size: bytes of the messages in all their windows together, and of those that are half out or half here.
    """

    def __init__(self, options: Options, evict: Callable[[Session, str], None]) -> None:
        self._options = options
        self._evict = evict
        self._waiting: dict[Session, _Waiting] = {}
        self._by_subject: dict[str, dict[Session, None]] = {}
        # Each message that some window holds: how many hold it, and its bytes when the first of them came.
        self._held: dict[Message, list[int]] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._waiting)

    def add(self, session: Session) -> None:
        """A session has lost its connection. Others may have to go for it; or it goes itself."""
        identity = session.identity
        subject = None if identity.anonymous else identity.subject
        half = session.assembly.at if session.assembly is not None else 0
        self._waiting[session] = _Waiting(subject, self._hold(session), half)
        self.size += half
        options = self._options
        if subject is not None:
            mine = self._by_subject.setdefault(subject, {})
            mine[session] = None
            if len(mine) > options.max_detached_per_identity:
                self._evict(next(iter(mine)), "max_detached_per_identity")
        if len(self._waiting) > options.max_detached:
            self._evict(next(iter(self._waiting)), "max_detached")
        while self.size > options.max_detached_bytes:
            self._evict(next(iter(self._waiting)), "max_detached_bytes")

    def discard(self, session: Session) -> None:
        """A session has a connection again, or has ended. Harmless if it did not wait."""
        waiting = self._waiting.pop(session, None)
        if waiting is None:
            return
        self.size -= waiting.half
        for message in waiting.held:
            share = self._held[message]
            share[0] -= 1
            if not share[0]:
                self.size -= share[1]
                del self._held[message]
        if waiting.subject is not None:
            mine = self._by_subject[waiting.subject]
            del mine[session]
            if not mine:
                del self._by_subject[waiting.subject]

    def _hold(self, session: Session) -> tuple[Message, ...]:
        """Weigh what the session holds, which does not change until the session is discarded here."""
        held = tuple(session.window.held)
        if session.ahead is not None:
            held = (*held, *session.ahead.uncounted)
        shares = self._held
        for message in held:
            share = shares.get(message)
            if share is None:
                size = message.size
                shares[message] = [1, size]
                self.size += size
            else:
                share[0] += 1
        return held
