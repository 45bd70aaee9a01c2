"""Several limiters as one: a message must pass all of them, and one that does not has cost none of them anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rtcore.session import Session
from rtcore.spi.limiter import GivingLimiter, Limiter

Take = Callable[[Session], float]


def together(limiters: Sequence[Limiter]) -> tuple[Take, ...]:
    """Return what is called for each message, until one says how long to wait. One limiter is asked directly."""
    if len(limiters) < 2:
        return tuple(limiter.take for limiter in limiters)
    # Those that can give back come first: what the others have taken is lost when a later one refuses.
    steps = tuple(
        (limiter.take, limiter.give_back if isinstance(limiter, GivingLimiter) else None)
        for limiter in sorted(limiters, key=lambda limiter: not isinstance(limiter, GivingLimiter))
    )

    def take(session: Session) -> float:
        for place, (one, _) in enumerate(steps):
            wait = one(session)
            if wait:
                for _, give_back in steps[:place]:
                    if give_back is not None:
                        give_back(session)
                return wait
        return 0.0

    return (take,)
