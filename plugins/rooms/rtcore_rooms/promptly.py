"""Beginning a coroutine at once, for what nearly never has to wait for anything.

A task costs 20 µs and a turn of the loop; a join whose authorizers are plain functions, and whose room keeps no
history, has nothing to wait for. So it is begun where it was asked for. Before it first waits it moves into a task:
what it waits for is somebody else's code, and may ask which task it is in (`asyncio.timeout` does).
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

T = TypeVar("T")


class Patience:
    """How a coroutine waits: `await patience(answer)`. In a task that is all it does.

    Args:
        begun: the coroutine has been begun outside of a task.
    """

    __slots__ = ("_outside",)

    def __init__(self, *, begun: bool = False) -> None:
        self._outside = begun

    async def __call__(self, answer: Awaitable[T]) -> T:
        """Wait for an answer, in a task."""
        if self._outside:
            self._outside = False
            try:
                await _into_a_task()
            except BaseException:
                close = getattr(answer, "close", None)
                if close is not None:
                    close()  # nobody will wait for it
                raise
        return await answer


#: For what is awaited as usual.
IN_A_TASK: Final = Patience()


def begin(
    work: Callable[[Patience], Coroutine[Any, Any, T]],
) -> tuple[T | None, Coroutine[Any, Any, T] | None]:
    """Begin what `work` returns.

    Returns:
        What it came to, and `None`; or `None`, and what is to be awaited for it.

    Raises:
        Exception: what it raises at once.
    """
    coroutine = work(Patience(begun=True))
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value, None
    return None, coroutine


@types.coroutine
def _into_a_task() -> Generator[None]:
    """Stop here, until a task goes on with it."""
    yield
