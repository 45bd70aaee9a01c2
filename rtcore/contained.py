"""What code that was asked for an answer raises ends that question, and nothing else.

Out of a handler, an interceptor, an observer or an authenticator may come a `SystemExit`, which ends the event loop, a
`CancelledError` of some other task, which looks as if somebody had given up this one, or a `GeneratorExit`. They are
failures like any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from rtcore.errors import RtcoreError

T = TypeVar("T")


class Escaped(RtcoreError):
    """Code that was asked for an answer raised what would end more than itself; the cause is what it raised."""

    def __init__(self, what: str, error: BaseException) -> None:
        super().__init__(f"{what} raised {type(error).__name__}{f': {error}' if str(error) else ''}")


def was_cancelled() -> bool:
    """Say whether a `CancelledError` that was just caught is meant for the present task, and not its code's own."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def contained(answer: Awaitable[T], what: str) -> T:
    """Await an answer; what would end more than this one question becomes `Escaped`.

    Raises:
        Escaped: see there.
        asyncio.CancelledError: the present task was cancelled.
    """
    try:
        return await answer
    except Exception:
        raise
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError) and was_cancelled():
            raise
        raise Escaped(what, error) from error
