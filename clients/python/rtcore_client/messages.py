"""`async for message in client.messages(…)`: messages as a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from rtcore_client.buffer import Buffer, Ended
from rtcore_client.subscriptions import Subscription

if TYPE_CHECKING:
    from types import TracebackType

    from rtcore.wire.message import Message
    from rtcore_client.subscriptions import Subscriptions


class MessageStream:
    """Messages that match a pattern, from now on, in order. It ends when the client is closed,
    or is told by the server not to come back.

    Bounded: when `maxsize` messages wait here the client stops to give out others, and soon to read, so that the
    server feels it; nothing is dropped here. `aclose()`, leaving `async with`, or forgetting the stream ends it.
    """

    def __init__(self, subscriptions: Subscriptions, pattern: str, maxsize: int) -> None:
        if maxsize < 1:
            raise ValueError(f"maxsize: expected 1 or more, given {maxsize}")
        # The subscription holds the buffer and not this object: a stream that is forgotten must be collected.
        self._buffer = Buffer(maxsize)
        subscription = Subscription(pattern, self._buffer.put, self._buffer.end, is_stream=True)
        self._unsubscribe = subscriptions.enlist(subscription)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        try:
            return await self._buffer.get()
        except Ended:
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
