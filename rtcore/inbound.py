"""The way in: the chain that every message passes, and the handler that it reaches.

    trace → size → limit → validate → authorise → handler        (a tuple of calls, frozen at boot)

Rule: whatever goes wrong here is an answer to the sender. The message was counted before it came here; nothing
in this file changes a count, ends a session or reaches another one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from inspect import isasyncgen, isawaitable, isgenerator
from typing import TYPE_CHECKING, Any, Final

from rtcore.contained import contained
from rtcore.errors import Rejected
from rtcore.handlers import Route
from rtcore.limiting import together
from rtcore.spi.broker import Position
from rtcore.spi.interceptor import Stage
from rtcore.wire.errors import UndecodableError
from rtcore.wire.message import Checked, Message

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.interceptor import Interceptor
    from rtcore.spi.limiter import Limiter
    from rtcore.spi.rooms import Rooms
    from rtcore.telemetry import Counters, Tracing

_log = logging.getLogger("rtcore.handlers")

#: Message types whose handler is remembered. Types come from clients, so their number must be bounded.
REMEMBERED: Final = 4096

#: What handlers return, nearly always, and what is not to be awaited: `isawaitable` takes eight times as long.
PLAIN: Final = frozenset({type(None), dict, list, str, int, float, bool, Message, Checked})

Step = Callable[["Session", Message], Message | None]


class Inbound:
    """The chain and the handlers of one snapshot of the registry."""

    __slots__ = (
        "_after",
        "_before",
        "_counters",
        "_exact",
        "_known",
        "_limiters",
        "_prefixes",
        "_rooms",
        "_tracing",
    )

    def __init__(
        self,
        routes: Mapping[str, Route],
        interceptors: Sequence[Interceptor],
        limiters: Sequence[Limiter],
        *,
        counters: Counters,
        tracing: Tracing | None,
        rooms: Rooms | None,
    ) -> None:
        self._exact = {pattern: route for pattern, route in routes.items() if not pattern.endswith("*")}
        prefixes = [(pattern[:-1], route) for pattern, route in routes.items() if pattern.endswith("*")]
        self._prefixes = sorted(prefixes, key=lambda entry: -len(entry[0]))
        self._known: dict[str, Route | None] = dict(self._exact)
        self._before: tuple[Step, ...] = tuple(i.inbound for i in interceptors if i.stage < Stage.LIMIT)
        self._after: tuple[Step, ...] = tuple(i.inbound for i in interceptors if i.stage >= Stage.LIMIT)
        self._limiters = together(limiters)
        self._counters = counters
        self._tracing = tracing
        self._rooms = rooms

    def dispatch(self, session: Session, message: Message, *, limited: bool = True) -> None:
        """Bring one message to its handler. Never raises.

        One function, and not a row of them: each call costs 0.08 µs, and this is all that happens to a message.

        Args:
            session: whose message it is.
            message: it.
            limited: it has not passed the limiters, and what comes before them, yet.
        """
        try:
            if limited:
                for step in self._before:
                    if (stepped := step(session, message)) is not message:
                        if stepped is None:
                            self._swallowed(session, message)
                            return
                        message = _instead(message, stepped)
                for take in self._limiters:
                    wait = take(session)
                    if wait:
                        raise Rejected("rate_limited", retry_after=wait)
            for step in self._after:
                if (stepped := step(session, message)) is not message:
                    if stepped is None:
                        self._swallowed(session, message)
                        return
                    message = _instead(message, stepped)
            type_ = message.type
            route = self._known.get(type_) or self._find(type_)
            if route is None:
                if message.room is None or self._rooms is None:
                    raise Rejected("unknown_type", f"no handler for {type_[:128]!r}")
                result = self._rooms.publish_from(session, message)
                if session.manager.flusher.crowded:
                    session.manager.flusher.slow(session)
                if message.id is not None:
                    self._published(session, message, result)
            elif route.waits:
                session.run(route, message)
            else:
                if self._tracing is not None and self._tracing.sampled(message):
                    result = self._traced(route, session, message)
                else:
                    result = route.call(session, message)
                if result.__class__ not in PLAIN and is_to_be_awaited(result):
                    session.run(route.going_on(result), message)
                elif message.id is not None:
                    session.reply(message, result)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is its sender's news, nobody else's
            self.failed(session, message, error)

    def delay(self, session: Session, message: Message) -> float:
        """Bring a message that the limiters may delay and not refuse to its handler. Never raises.

        Returns:
            0.0 when that is done; else the seconds after which to call it again.
        """
        try:
            for take in self._limiters:
                wait = take(session)
                if wait:
                    return wait
            for step in self._before:
                if (stepped := step(session, message)) is not message:
                    if stepped is None:
                        self._swallowed(session, message)
                        return 0.0
                    message = _instead(message, stepped)
        except BaseException as error:  # noqa: BLE001 - see dispatch
            self.failed(session, message, error)
        else:
            self.dispatch(session, message, limited=False)
        return 0.0

    def call(self, route: Route, session: Session, message: Message) -> Any:
        """Call a handler, inside a span if this message is sampled."""
        if self._tracing is not None and route.begun is None and self._tracing.sampled(message):
            return self._traced(route, session, message)
        return route.call(session, message)

    def _traced(self, route: Route, session: Session, message: Message) -> Any:
        """Call a handler inside a span."""
        assert self._tracing is not None  # noqa: S101 - it has said that this message is sampled
        return self._tracing.handle(
            session, message, partial(route.call, session, message), pattern=route.pattern
        )

    def answer(self, session: Session, message: Message, result: Any) -> None:
        """Send what a handler returned, if it was asked for."""
        if session.closed is not None:
            return
        try:
            if result.__class__ not in PLAIN and is_to_be_awaited(result):
                raise TypeError("an async handler returned something to await: await it there")
            if message.id is not None:
                session.reply(message, result)
        except Exception as error:  # noqa: BLE001 - whatever a codec raises
            self.failed(session, message, error)

    def failed(self, session: Session, message: Message, error: BaseException) -> None:
        """Answer a message that was refused or whose handler raised. Details stay in the log."""
        if isinstance(error, Rejected):
            refusal = error
            self._counters.drop("rejected")
        elif isinstance(error, UndecodableError):
            refusal = Rejected("undecodable", f"the payload: {error}")
        else:
            refusal = Rejected(
                "handler_failed", f"the handler of {message.type[:128]!r} failed; the server's log says why"
            )
            _log.error("handler of %r failed (session %s)", message.type, session.id, exc_info=error)
        if session.closed is None:
            session.answer_error(message, refusal)

    def _swallowed(self, session: Session, message: Message) -> None:
        """An interceptor lets a message go no further. Whoever waits for the answer to a request is told."""
        self._counters.drop("rejected")
        if message.id is not None and session.answered != message.n and session.closed is None:
            session.answer_error(
                message, Rejected("forbidden", f"a request of type {message.type!r} is not taken")
            )

    def _find(self, type_: str) -> Route | None:
        """Find the handler whose pattern is the longest match, and remember it."""
        if type_ in self._known:
            return None  # it is known that there is none
        route = next((route for prefix, route in self._prefixes if type_.startswith(prefix)), None)
        if len(self._known) < REMEMBERED:
            self._known[type_] = route
        return route

    def _published(
        self, session: Session, message: Message, result: Position | Awaitable[Position | None] | None
    ) -> None:
        """Confirm a publication to whoever asked for it, once the broker has it."""
        if result is None or isinstance(result, Position):
            session.reply(message, _where(result))
            return

        async def confirm() -> None:
            try:
                position = await contained(result, "the broker")
            except Exception as error:  # noqa: BLE001 - the broker's failure is the publisher's news
                self.failed(session, message, error)
            else:
                self.answer(session, message, _where(position))

        session.manager.app.spawn(confirm(), name="publish")


def is_to_be_awaited(result: Any) -> bool:
    """Say whether what a handler has returned is to be awaited.

    Raises:
        TypeError: it is a generator, of which not a line would ever run.
    """
    if isgenerator(result) or isasyncgen(result):
        raise TypeError("a handler returned a generator: send the parts with `session.send`, then return")
    return isawaitable(result)


def _instead(message: Message, stepped: Message) -> Message:
    """Return what an interceptor has made of a message, as an answer to the same request."""
    if stepped.id is None:
        stepped.id = message.id
    stepped.n = message.n
    if stepped.sender is None:
        stepped.sender = message.sender
    return stepped


def _where(position: Position | None) -> dict[str, Any] | None:
    return None if position is None else {"offset": position.offset, "epoch": position.epoch}
