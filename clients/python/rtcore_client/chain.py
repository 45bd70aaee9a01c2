"""Which transport to try, in which order: preference, what worked, what keeps breaking."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rtcore_client.options import ConnectionType

#: A link that lives for less is short, in seconds.
SHORT: Final = 10.0
#: So many short ones in a row, each ended by the network, and the transport is left alone for a while.
STRIKES: Final = 3
#: That while, in seconds.
PENALTY: Final = 60.0


class Chain:
    """The fallback chain, with its memory.

    Args:
        preference: the types that may be used, the preferred first.
        clock: seconds.
    """

    def __init__(
        self, preference: Sequence[ConnectionType], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._preference = tuple(preference)
        self._clock = clock
        self._worked: ConnectionType | None = None
        self._strikes: dict[ConnectionType, int] = {}
        self._until: dict[ConnectionType, float] = {}

    def order(self, first: ConnectionType | None = None) -> list[ConnectionType]:
        """Return what to try in turn: `first` if it is given, what worked last, then by preference; penalties last."""
        start = first if first in self._preference else self._worked
        order = sorted(self._preference, key=lambda one: one != start)
        return sorted(order, key=lambda one: self._is_penalised(one) and one != first)

    def better(self, than: ConnectionType) -> list[ConnectionType]:
        """Return what is preferred to the present transport and not left alone just now, the best first."""
        rank = self._preference.index(than) if than in self._preference else len(self._preference)
        return [one for one in self._preference[:rank] if not self._is_penalised(one)]

    def prefer(self, type_: ConnectionType) -> None:
        """A program has chosen: this type comes first from now on."""
        self._preference = (type_, *(one for one in self._preference if one != type_))
        self._until.pop(type_, None)
        self._strikes.pop(type_, None)

    def worked(self, type_: ConnectionType) -> None:
        """A session was welcomed by this type."""
        self._worked = type_

    def lost(self, type_: ConnectionType, lived: float) -> None:
        """A link of this type was cut by the network after so many seconds."""
        if lived >= SHORT:
            self._strikes.pop(type_, None)
            return
        strikes = self._strikes[type_] = self._strikes.get(type_, 0) + 1
        if strikes >= STRIKES:
            self._strikes.pop(type_)
            self._until[type_] = self._clock() + PENALTY

    def _is_penalised(self, type_: ConnectionType) -> bool:
        return self._until.get(type_, 0.0) > self._clock()
