"""The order of what one session asks of one room: to join, to leave, and what it sends there.

Rule: it happens in the order in which it was asked for. A client may ask to join and publish in one breath, and leave
before the join is answered. To join takes a while (somebody is asked, a broker subscribes); what follows waits for
that: a leave ends what the join has made, and a message is published, or refused, as its place says. What its sender
sends beyond that is held by its session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from rtcore.connection import Unread

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.broker import Position
    from rtcore.wire.message import Message

    Published = Position | Awaitable[Position | None] | None

#: Messages after which their sender's session holds what follows.
PAUSE: Final = 16


class _Mark:
    """The place of a step among what waits. It outlives a step that is forgotten."""

    __slots__ = ("ended",)

    def __init__(self) -> None:
        self.ended = False


class Step:
    """One join or leave, from when it was asked for to its answer. Await it once, or close it.

    One that is forgotten closes itself: whoever wraps it (a span, say) may be given up before it begins.
    """

    def __init__(
        self, arrivals: Arrivals, key: tuple[Session, str], work: Coroutine[Any, Any, Any], mark: _Mark
    ) -> None:
        self._arrivals = arrivals
        self._key = key
        self._work = work
        self._mark = mark

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from self._work.__await__())
        finally:
            if not self._mark.ended:
                self._mark.ended = True
                # Behind the answer, which is sent in this turn: nothing of the room comes before it.
                asyncio.get_running_loop().call_soon(self._arrivals.go_on, self._key)

    def close(self) -> None:
        """It will not begin. Again, and after its end, is harmless."""
        if not self._mark.ended:
            self._mark.ended = True
            self._work.close()
            self._arrivals.go_on(self._key)

    def __del__(self) -> None:
        self.close()


class _Held:
    """What waits of one session and one room, in order: steps, and messages with those who wait for their outcome."""

    __slots__ = ("entries", "messages")

    def __init__(self) -> None:
        self.entries: deque[_Mark | tuple[Message, asyncio.Future[Published] | None]] = deque()
        self.messages = 0


class Arrivals:
    """All of one node. `publish` is called with what was held, once its turn has come."""

    def __init__(self, publish: Callable[[Session, Message], Published]) -> None:
        self._publish = publish
        self._held: dict[tuple[Session, str], _Held] = {}
        self._going: set[tuple[Session, str]] = set()

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, session: Session, room: str, work: Coroutine[Any, Any, Any]) -> Step:
        """From here on what the session asks of the room, and sends to it, waits for this.

        Of several steps the later one is not awaited before the earlier one has ended: a session's handlers have an
        order.
        """
        key, mark = (session, room), _Mark()
        self._held.setdefault(key, _Held()).entries.append(mark)
        return Step(self, key, work, mark)

    def holds(self, session: Session, room: str) -> bool:
        """Say whether something that the session has asked of the room is under way."""
        return (session, room) in self._held

    def hold(self, session: Session, room: str, message: Message) -> Awaitable[Position | None] | None:
        """Let a message wait; return what becomes of it, if its sender asked for that."""
        held = self._held[session, room]
        future: asyncio.Future[Published] | None = None
        if message.id is not None:
            future = asyncio.get_running_loop().create_future()
        held.entries.append((message, future))
        held.messages += 1
        if held.messages >= PAUSE:
            session.stop_reading(Unread.JOINING)
        return _outcome(future) if future is not None else None

    def go_on(self, key: tuple[Session, str]) -> None:
        """A step has ended: what was held goes on its way, up to the next one that has not."""
        held = self._held.get(key)
        if held is None or key in self._going:
            return
        session, _ = key
        self._going.add(key)
        try:
            while held.entries:
                entry = held.entries[0]
                if not isinstance(entry, _Mark):
                    held.entries.popleft()
                    held.messages -= 1
                    self._give_on(session, *entry)
                elif entry.ended:
                    held.entries.popleft()
                else:
                    break
        finally:
            self._going.discard(key)
        if not held.entries:
            del self._held[key]
        if session.unread & Unread.JOINING and not any(
            other is session and waiting.messages >= PAUSE for (other, _), waiting in self._held.items()
        ):
            session.read_again(Unread.JOINING)

    def _give_on(self, session: Session, message: Message, future: asyncio.Future[Published] | None) -> None:
        if session.closed is not None:
            session.manager.counters.drop("expired_session")
            if future is not None:
                future.cancel()
            return
        try:
            published = self._publish(session, message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is its sender's news
            if future is None:
                session.manager.inbound.failed(session, message, error)
            elif not future.done():
                future.set_exception(error)
        else:
            if future is not None and not future.done():
                future.set_result(published)


async def _outcome(future: asyncio.Future[Published]) -> Position | None:
    published = await future
    return await published if isawaitable(published) else published
