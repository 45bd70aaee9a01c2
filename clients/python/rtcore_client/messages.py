"""`async for message in client.messages(…)`: messages as a stream."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Self, get_args

from rtcore_client.buffer import Ended, Overflow
from rtcore_client.errors import Stalled
from rtcore_client.subscriptions import Subscription

if TYPE_CHECKING:
    from types import TracebackType

    from rtcore.wire.message import Message
    from rtcore_client.subscriptions import Subscriptions


class MessageStream:
    """Messages that match a pattern, from now on, in order. It ends when the client is closed, or is told by the server
    not to come back; `aclose()`, leaving `async with`, or forgetting the stream end it as well.

    Bounded: `maxsize` messages wait here, and more as long as the client's inbox has room; then the client stops to
    read, so that the server feels it. A stream from which nothing was taken for `patience` seconds by then is stalled:
    an `error` event names it, and until it is read again it drops by its policy. `gap` events and `dropped` say how
    much.

    Attributes:
        name: pattern and place in the program, for people.
        dropped: messages that it has lost, ever.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        pattern: str,
        *,
        maxsize: int,
        policy: Overflow,
        patience: float | None,
    ) -> None:
        if maxsize < 1:
            raise ValueError(f"maxsize: expected 1 or more, given {maxsize}")
        if policy not in get_args(Overflow):
            raise ValueError(f"policy: expected one of {', '.join(get_args(Overflow))}, given {policy!r}")
        if patience is not None and not patience >= 0:
            raise ValueError(f"patience: expected 0 or more seconds, given {patience}")
        self.name = f"messages({pattern!r}) of {_caller()}"
        self._home = subscriptions.home
        # The subscription holds the buffer and not this object: a stream that is forgotten must be collected.
        self._buffer = buffer = subscriptions.buffer(self.name, maxsize, policy=policy, patience=patience)
        self._unsubscribe = subscriptions.enlist(
            Subscription(pattern, buffer.put, buffer.end, is_stream=True)
        )

    @property
    def dropped(self) -> int:
        return self._buffer.dropped

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """Return the next message.

        Raises:
            StopAsyncIteration: there will be none.
            Stalled: with the policy `end`: too long nothing was taken, and everything that was kept is read.
            WrongLoop: the client lives in another event loop.
        """
        self._home.enter("a stream of messages")
        try:
            return await self._buffer.get()
        except Ended:
            if self._buffer.stalled:
                raise Stalled.of(self.name, self._buffer.policy) from None
            raise StopAsyncIteration from None

    async def aclose(self) -> None:
        """End the subscription. What waits can still be read."""
        self._unsubscribe()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        unsubscribe = getattr(self, "_unsubscribe", None)
        if unsubscribe is not None:
            unsubscribe()


def _caller() -> str:
    """Return file and line of the program that makes a stream: the first frame outside of this package."""
    frame = sys._getframe(1)  # noqa: SLF001 - `inspect.stack` reads the source files
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("rtcore_client."):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
