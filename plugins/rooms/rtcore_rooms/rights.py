"""Rights: every authorizer must agree, and what one answers other than by its contract agrees to nothing."""

from __future__ import annotations

from collections.abc import Iterable
from inspect import isawaitable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.auth import Authorizer
    from rtcore_rooms.promptly import Patience


async def ask(
    authorizers: Iterable[Authorizer], session: Session, action: str, resource: str, patience: Patience
) -> None:
    """Ask each authorizer in turn.

    Raises:
        Rejected: one of them refuses.
        TypeError: one has answered with something: `return False` is no refusal, and must not be taken for consent.
    """
    for authorizer in authorizers:
        answer: object = authorizer.authorize(session, action, resource)
        if answer is None:
            continue
        if isawaitable(answer):
            answer = await patience(answer)
        if answer is not None:
            raise TypeError(
                f"authorizer {authorizer.name!r}: {action} of {resource!r}: given {answer!r}; "
                "return None to allow, raise Rejected to refuse"
            )
