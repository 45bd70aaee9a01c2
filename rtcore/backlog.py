"""How far behind a set of sessions is, and how to wait for it.

Rule: who is away is not waited for. One client that has gone must not hold up whoever speaks to all of them; what it
misses is kept, dropped or told as for any other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.session import Session


def furthest(members: Iterable[Session]) -> int:
    """Return how many messages wait for the one that is furthest behind of those who are here; looks at each."""
    # A copy, made in one step: another thread may ask.
    return max((member.backlog for member in tuple(members) if member.connection is not None), default=0)


async def caught_up(members: Iterable[Session], *, below: int) -> None:
    """Wait until fewer than `below` messages wait for each of those who are here, or it has gone."""
    for member in list(members):
        while member.connection is not None and member.backlog >= below:
            await member.moved()
