"""Who wants which messages.

A pattern is an exact type (`"chat:message"`), a prefix (`"chat:*"`) or `"*"`. Everybody whose pattern matches gets
the message, in the order in which it was sent; a plain callback at once, an async one from a queue of its own.

Rule: giving out never waits. Whoever is slow has a buffer, and the inbox's room is the bound of all (`stalls`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from rtcore_client.buffer import Buffer, Overflow
from rtcore_client.callbacks import Caller

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.home import Home
    from rtcore_client.inbox import Inbox
    from rtcore_client.options import Options
    from rtcore_client.stalls import Stalls
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
    """One pattern, what happens to its messages, and how that ends.

    Attributes:
        rest: called when the client is closed, after which it may begin again; a stream ends then.
    """

    def __init__(
        self,
        pattern: str,
        give: Callable[[Message], None],
        end: Callable[[], None] = lambda: None,
        *,
        rest: Callable[[], None] = lambda: None,
        is_stream: bool = False,
    ) -> None:
        self.pattern = pattern
        self.give = give
        self.end = end
        self.rest = rest
        self.is_stream = is_stream


class Subscriptions:
    """All of a client. They outlive `close`: the next `connect` finds them.

    Args:
        home: the client's loop.
        tasks: owner of the tasks of async callbacks.
        stalls: watches over those who are slow.
        failed: called when a callback raised.
        options: bounds and patience.

    Attributes:
        quiet: nothing is given out: the client is being closed.
    """

    def __init__(self, home: Home, tasks: Tasks, stalls: Stalls, failed: Failed, options: Options) -> None:
        self.home = home
        self.quiet = False
        self._tasks = tasks
        self._stalls = stalls
        self._failed = failed
        self._options = options
        self._all: list[Subscription] = []

    @property
    def patterns(self) -> tuple[str, ...]:
        """Every pattern, once, the oldest first."""
        return tuple(dict.fromkeys(one.pattern for one in tuple(self._all)))

    def add(self, pattern: str, callback: Callback) -> Callable[[], None]:
        """Call `callback` with each message that matches; return how to end that."""
        _check(pattern)

        def buffer() -> Buffer:
            patience = self._options.timing.callback
            name = f"the callback {getattr(callback, '__qualname__', type(callback).__name__)} of {pattern!r}"
            return self.buffer(name, self._options.limits.subscriber, patience=patience)

        caller = Caller(callback, buffer, self._tasks, self._failed, lambda: self.quiet)
        return self.enlist(Subscription(pattern, caller.give, caller.end, rest=caller.rest))

    def buffer(
        self, name: str, maxsize: int, *, policy: Overflow = "drop_oldest", patience: float | None = None
    ) -> Buffer:
        """Make a queue for a consumer that may be slow."""
        given = self._options.timing.stream if patience is None else patience
        return Buffer(name, maxsize, self._stalls, policy=policy, patience=given)

    def enlist(self, subscription: Subscription) -> Callable[[], None]:
        """Add a subscription that was made elsewhere; return how to end it, from whatever thread."""
        _check(subscription.pattern)
        self._all.append(subscription)

        def unsubscribe() -> None:
            if subscription in self._all:
                self._all.remove(subscription)
            self.home.call(subscription.end)

        return unsubscribe

    def end_streams(self) -> None:
        """No more messages for now: who waits for one is told."""
        for subscription in tuple(self._all):
            if subscription.is_stream:
                self._all.remove(subscription)
                subscription.end()

    def rest(self) -> None:
        """The client is closed: streams end, callbacks wait for the next `connect`; what waits for them is nobody's."""
        self.quiet = True
        self.end_streams()
        for subscription in tuple(self._all):
            subscription.rest()
        self._stalls.end()

    async def run(self, inbox: Inbox) -> None:
        """Give out what was received, one message after the other, for as long as nothing is quiet."""
        self._stalls.begin(inbox)
        while not self.quiet:
            self.deliver(await inbox.get())

    def deliver(self, message: Message) -> None:
        """Give one message to all whom it concerns."""
        for subscription in self._matching(message.type):
            if self.quiet:
                return
            subscription.give(message)

    def _matching(self, type_: str) -> Iterator[Subscription]:
        return (one for one in tuple(self._all) if matches(one.pattern, type_))


def _check(pattern: str) -> None:
    if not pattern:
        raise ValueError("pattern: expected a message type, a prefix with * at its end, or *")
