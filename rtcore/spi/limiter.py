"""Rate limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rtcore.session import Session


@runtime_checkable
class Limiter(Protocol):
    """Says how fast a session may send. Called for every message: keep it under a microsecond."""

    name: str

    def take(self, session: Session, cost: float = 1.0) -> float:
        """Take `cost` messages' worth of the allowance.

        Returns:
            0.0 when they were taken; otherwise the seconds until they could be, and nothing was taken.
        """


@runtime_checkable
class GivingLimiter(Protocol):
    """Implement it if what was taken can be given back: where there are several limiters and another one refuses.

    Do not if it cannot: then a message that another limiter refuses has cost this one's allowance.
    """

    def give_back(self, session: Session, cost: float = 1.0) -> None:
        """Undo a `take` that was answered with 0.0 in the same turn of the loop, for the same session and cost."""


@runtime_checkable
class StatedLimiter(Protocol):
    """Implement it if every session may send at one known pace: `welcome` states it, and clients keep to it.

    Do not if the pace depends on who sends or on what.

    Attributes:
        rate: messages per second in the long run.
        burst: messages at once after a pause.
    """

    rate: float
    burst: float
