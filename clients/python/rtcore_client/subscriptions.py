"""Who wants which messages.

A pattern is an exact type (`"chat:message"`), a prefix (`"chat:*"`) or `"*"`. Everybody whose pattern matches gets
the message, in the order in which it was sent; a plain callback at once, an async one from a queue of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from rtcore_client import tracing
from rtcore_client.buffer import Buffer, Ended

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.inbox import Inbox
    from rtcore_client.tasks import Tasks

Callback = Callable[["Message"], Any]
Failed = Callable[[Callable[..., Any], Exception], None]


def matches(pattern: str, type_: str) -> bool:
    """Say whether a pattern covers a message type.

    >>> matches("chat:*", "chat:message"), matches("chat", "chat:message"), matches("*", "x")
    (True, False, True)
    """
    return type_.startswith(pattern[:-1]) if pattern.endswith("*") else type_ == pattern


class Subscription:
    """One pattern and what happens to its messages: `give` returns what must be waited for, if anything."""

    def __init__(
        self,
        pattern: str,
        give: Callable[[Message], Awaitable[None] | None],
        end: Callable[[], None] = lambda: None,
        *,
        is_stream: bool = False,
    ) -> None:
        self.pattern = pattern
        self.give = give
        self.end = end
        self.is_stream = is_stream


class Subscriptions:
    """All of a client.

    Args:
        tasks: owner of the tasks of async callbacks.
        failed: called when a callback raised.
        limit: messages that wait for one async callback; beyond that everybody waits, and the inbox fills.
    """

    def __init__(self, tasks: Tasks, failed: Failed, limit: int) -> None:
        self._tasks = tasks
        self._failed = failed
        self._limit = limit
        self._all: list[Subscription] = []
        self._ended = False

    @property
    def patterns(self) -> tuple[str, ...]:
        """Every pattern, once, the oldest first."""
        return tuple(dict.fromkeys(one.pattern for one in self._all))

    def add(self, pattern: str, callback: Callback) -> Callable[[], None]:
        """Call `callback` with each message that matches; return how to end that."""
        if not pattern:
            raise ValueError("pattern: expected a message type, a prefix with * at its end, or *")
        if inspect.iscoroutinefunction(callback) or inspect.iscoroutinefunction(
            getattr(callback, "__call__", None)  # noqa: B004 - whether it is async, not whether it is callable
        ):
            subscription = self._queued(pattern, callback)
        else:
            subscription = Subscription(pattern, lambda message: self._call(callback, message))
        return self.enlist(subscription)

    def end_streams(self) -> None:
        """No more messages for now: who waits for one is told."""
        for subscription in tuple(self._all):
            if subscription.is_stream:
                subscription.end()

    def end(self) -> None:
        """No more messages for anybody; an async callback finishes the one that it is at."""
        self._ended = True
        for subscription in tuple(self._all):
            subscription.end()

    def enlist(self, subscription: Subscription) -> Callable[[], None]:
        """Add a subscription that was made elsewhere."""
        self._all.append(subscription)

        def unsubscribe() -> None:
            if subscription in self._all:
                self._all.remove(subscription)
            subscription.end()

        return unsubscribe

    async def run(self, inbox: Inbox) -> None:
        """Give out what was received, one message after the other, until `end`."""
        while not self._ended:
            await self.deliver(await inbox.get())

    async def deliver(self, message: Message) -> None:
        """Give one message to all whom it concerns. Waits for those whose queue is full."""
        for subscription in self._matching(message.type):
            waiting = subscription.give(message)
            if waiting is not None:
                await waiting

    def _matching(self, type_: str) -> Iterator[Subscription]:
        return (one for one in tuple(self._all) if matches(one.pattern, type_))

    def _call(self, callback: Callback, message: Message) -> Awaitable[None] | None:
        """Call a plain callback at once. One that returns an awaitable is awaited before the next message."""
        try:
            result = tracing.deliver(message, callback)
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._failed(callback, error)
            return None
        return self._finish(callback, result) if inspect.isawaitable(result) else None

    async def _finish(self, callback: Callback, result: Awaitable[Any]) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self._failed(callback, error)

    def _queued(self, pattern: str, callback: Callback) -> Subscription:
        """Give messages to an async callback one after the other, in a task of its own that begins with the first."""
        buffer = Buffer(self._limit)
        task: asyncio.Task[None] | None = None

        async def work() -> None:
            with contextlib.suppress(Ended):
                while not buffer.ended:
                    waiting = self._call(callback, await buffer.get())
                    if waiting is not None:
                        await waiting

        def give(message: Message) -> Awaitable[None] | None:
            nonlocal task
            if task is None:
                name = getattr(callback, "__qualname__", pattern)
                task = self._tasks.spawn(work(), name=f"subscriber {name}")
            return buffer.put(message)

        return Subscription(pattern, give, buffer.end)
