"""Pages that have said that they go, and may be back: each has a grace before it counts as gone.

    page ── away {within} ──▶ waits ── attach ──▶ nobody has noticed
                                └── the grace is over ──▶ `rtcore_session_left`; the session itself lives for its ttl

Rule: the first word of an attach counts, and the next attach takes it back. So what a page says as it goes is worth
nothing once the next page is here, whichever arrives first: the fences of `send` and of connections see to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

from rtcore.wire.errors import BadControlError

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.session import Session

#: Seconds that a client may ask for.
WITHIN_MAX: Final = 3600.0


class Departures:
    """Those of one node."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._due: dict[Session, float] = {}
        self._order: list[tuple[float, int, ref[Session]]] = []
        self._count = count()

    def begin(self, session: Session, fields: Mapping[str, Any]) -> None:
        """The page behind a session goes, and has so many seconds to be back: the fields of an `away`.

        Raises:
            BadControlError: `within` is no number of seconds.
        """
        within = fields.get("within", self._app.options.away_grace)
        if type(within) not in {int, float} or not 0 <= within <= WITHIN_MAX:
            raise BadControlError(
                f"away: `within`: expected seconds from 0 to {WITHIN_MAX:g}, given {within!r:.40}"
            )
        if session not in self._due:
            due = self._due[session] = self._app.clock() + within
            heappush(self._order, (due, next(self._count), ref(session)))

    def end(self, session: Session) -> None:
        """It is back, or over. Harmless if it had not gone."""
        if self._due:
            self._due.pop(session, None)

    def tick(self, now: float) -> None:
        """Tell the observers of those whose grace is over at `now`, seconds of `app.clock`."""
        order = self._order
        while order and order[0][0] <= now:
            due, _, reference = heappop(order)
            session = reference()
            if session is not None and self._due.get(session) == due:
                del self._due[session]
                self._app.observe("rtcore_session_left", session=session)
