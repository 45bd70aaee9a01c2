"""Sessions on their way into rooms, and what they send there before they are in.

Rule: a client may ask to join and publish in one breath. To join takes a while (somebody is asked, a broker
subscribes); what is sent to the room meanwhile waits for that and is then published, or refused, in its order. Whoever
sends much of it is not read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from rtcore.connection import Unread
from rtcore.errors import Rejected

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.broker import Position
    from rtcore.wire.message import Message

    Published = Position | Awaitable[Position | None] | None

#: Messages after which their sender is not read, and how many what it has read already may bring.
PAUSE: Final = 16
HELD_MAX: Final = 1024


class Arrival:
    """One join, from when it was asked for to its answer. Await it once, or close it.

    One that is forgotten closes itself: whoever wraps it (a span, say) may be given up before it begins.
    """

    def __init__(self, arrivals: Arrivals, key: tuple[Session, str], join: Coroutine[Any, Any, Any]) -> None:
        self._arrivals = arrivals
        self._key = key
        self._join = join
        self._ended = False

    def __await__(self) -> Generator[Any, Any, Any]:
        try:
            return (yield from self._join.__await__())
        finally:
            self.close()

    def close(self) -> None:
        """It has ended, or will not begin. Again is harmless."""
        if not self._ended:
            self._ended = True
            self._join.close()
            self._arrivals.end(self._key)

    def __del__(self) -> None:
        self.close()


class _Held:
    """What one session has sent to one room, and how many joins it waits for."""

    def __init__(self) -> None:
        self.joins = 0
        self.messages: deque[tuple[Message, asyncio.Future[Published] | None]] = deque()


class Arrivals:
    """All of one node. `publish` is called with what was held, once its sender is in or stays out."""

    def __init__(self, publish: Callable[[Session, Message], Published]) -> None:
        self._publish = publish
        self._held: dict[tuple[Session, str], _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def begin(self, session: Session, room: str, join: Coroutine[Any, Any, Any]) -> Arrival:
        """From here on what the session sends to the room waits for this."""
        self._held.setdefault((session, room), _Held()).joins += 1
        return Arrival(self, (session, room), join)

    def holds(self, session: Session, room: str) -> bool:
        """Say whether the session is on its way into the room."""
        return (session, room) in self._held

    def hold(self, session: Session, room: str, message: Message) -> Awaitable[Position | None] | None:
        """Let a message wait; return what becomes of it, if its sender asked for that.

        Raises:
            Rejected: `too_many_requests`.
        """
        held = self._held[session, room].messages
        if len(held) >= HELD_MAX:
            raise Rejected(
                "too_many_requests", f"{len(held)} messages wait for the session to be in the room"
            )
        future: asyncio.Future[Published] | None = None
        if message.id is not None:
            future = asyncio.get_running_loop().create_future()
        held.append((message, future))
        if len(held) == PAUSE:
            session.stop_reading(Unread.JOINING)
        return _outcome(future) if future is not None else None

    def end(self, key: tuple[Session, str]) -> None:
        """A join has ended. With the last one what was held goes on its way."""
        held = self._held[key]
        held.joins -= 1
        if held.joins:
            return
        # Out of the way first: what is published now must not be held again.
        del self._held[key]
        session, _ = key
        for message, future in held.messages:
            self._go_on(session, message, future)
        if len(held.messages) >= PAUSE and not any(
            other is session and len(waiting.messages) >= PAUSE for (other, _), waiting in self._held.items()
        ):
            session.read_again(Unread.JOINING)

    def _go_on(self, session: Session, message: Message, future: asyncio.Future[Published] | None) -> None:
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
