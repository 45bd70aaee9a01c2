"""Events of the client itself: who wants to hear of them, and what they carry."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import attrs

from rtcore_client.errors import CallbackError, RealtimeError

if TYPE_CHECKING:
    import asyncio

    from rtcore_client.tasks import Tasks

_log = logging.getLogger("rtcore_client")

#: What the callback is called with:
#:   connect     ConnectionInfo: the first welcome of a session
#:   reconnect   ConnectionInfo: a welcome after a disconnect; `resumed` says whether the session went on
#:   disconnect  str: a code, such as `going_away`, `ping_timeout`, `NETWORK_ERROR`
#:   transport   str: the transport that carries the session from now on
#:   session     NewSession: the session is another one than before, or its counts began again
#:   quality     str: excellent, good, fair or poor, when it changes
#:   gap         Gap: messages that will never arrive
#:   error       RealtimeError: what no caller is there to be told of
EventName = Literal["connect", "disconnect", "reconnect", "session", "error", "quality", "transport", "gap"]
EVENTS: Final[tuple[EventName, ...]] = get_args(EventName)


@attrs.frozen
class Gap:
    """Messages from the server that will never arrive.

    Attributes:
        reason: why (`rtcore.wire.codes.DROP_REASONS`, `RESUME_REASONS`); `stalled`: a consumer did not take them.
        n: how many.
        room: of which room, if they were all of one.
        consumer: the stream or async callback that did not take them; `None` if nobody has received them.
    """

    reason: str
    n: int
    room: str | None = None
    consumer: str | None = None


@attrs.frozen
class NewSession:
    """The client goes on in another session than before, or in the same with both counts begun again.

    What was sent and not confirmed, and requests that were open, have failed with `UnknownOutcome` or are repeated
    (`idempotent`); the rooms are joined again.

    Attributes:
        session_id: of the session that the client is in.
        previous: of the one before.
        reason: why: what the server said (`rtcore.wire.codes.RESUME_REASONS`), or the code that ended the one before;
            `closed` if it was the program.
    """

    session_id: str
    previous: str
    reason: str


class Events:
    """Callbacks by event. One that raises is logged and becomes an `error`; it never harms the client.

    Attributes:
        quiet: the client is being closed: nobody hears of anything but its end.
    """

    def __init__(self, tasks: Tasks) -> None:
        self.quiet = False
        self._tasks = tasks
        self._callbacks: dict[str, list[Callable[[Any], Any]]] = {name: [] for name in EVENTS}

    def on(self, event: EventName, callback: Callable[[Any], Any]) -> Callable[[], None]:
        """Call `callback` at each such event; return how to end that.

        Raises:
            ValueError: no such event.
        """
        if event not in self._callbacks:
            raise ValueError(f"event: expected one of {', '.join(EVENTS)}, given {event!r}")
        callbacks = self._callbacks[event]
        callbacks.append(callback)

        def off() -> None:
            if callback in callbacks:
                callbacks.remove(callback)

        return off

    def emit(self, event: EventName, value: object) -> Collection[asyncio.Task[None]]:
        """Call everybody who wants to hear of this. An async callback becomes a task; they are returned."""
        tasks: list[asyncio.Task[None]] = []
        if self.quiet:
            return tasks
        if event == "error" and not self._callbacks["error"]:
            _log.warning("%s", value)
        for callback in tuple(self._callbacks[event]):
            try:
                result = callback(value)
            except Exception as error:  # noqa: BLE001 - whatever an application raises
                self.callback_failed(callback, error, quiet=event == "error")
            else:
                if inspect.isawaitable(result):
                    work = self._wait(callback, result, quiet=event == "error")
                    tasks.append(self._tasks.spawn(work, name=f"on-{event}"))
        return tasks

    def callback_failed(self, callback: Callable[..., Any], error: Exception, *, quiet: bool = False) -> None:
        """Log what a callback raised and tell of it. `quiet`: it was an error callback; that would go on for ever."""
        name = getattr(callback, "__qualname__", type(callback).__name__)
        _log.error("callback %s failed", name, exc_info=error)
        if not quiet:
            told = CallbackError(f"{name}: {type(error).__name__}: {error}")
            told.__cause__ = error
            self.emit("error", told)

    def failed(self, error: BaseException) -> None:
        """A task of the client failed."""
        self.emit(
            "error",
            error if isinstance(error, RealtimeError) else RealtimeError(f"{type(error).__name__}: {error}"),
        )

    async def _wait(self, callback: Callable[..., Any], result: Any, *, quiet: bool) -> None:
        try:
            await result
        except Exception as error:  # noqa: BLE001 - whatever an application raises
            self.callback_failed(callback, error, quiet=quiet)
