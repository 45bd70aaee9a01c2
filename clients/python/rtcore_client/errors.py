"""Errors of the client, as a tree.

    RealtimeError
    ├── NetworkError       no transport reached the server (`NETWORK_ERROR`)
    │   └── Suspended      … max_reconnect_attempts times; the client goes on trying, on a slow timer
    ├── Refused            the server answered and does not take the connection, or has ended the session
    ├── RequestError       the server answered a message with an error
    ├── UnknownOutcome     sent, not confirmed, and the session is gone: it may have run
    ├── Timeout            no answer, or no room to send, within the time given
    ├── QueueFull          as many messages wait as may
    ├── NotConnected       the client is closed, or was never connected
    ├── WrongLoop          called in another event loop or thread than the client lives in
    ├── Stalled            a stream or an async callback takes no messages, and makes everybody wait
    └── CallbackError      a callback raised; the cause is the exception

Each has a stable `code`, a name in `rtcore.wire.codes` but for `NETWORK_ERROR`, `suspended`, `wrong_loop`, `stalled`
and `callback_failed`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from rtcore.wire.codes import CODES, Next, after_close

if TYPE_CHECKING:
    from rtcore.wire.message import Message


class RealtimeError(Exception):
    """The root of what the client raises and of what its `error` event carries.

    Attributes:
        code: stable; for programs.
        reason: one line; for people.
        retry: whether the same again may succeed.
        retry_after: seconds after which another try makes sense, where somebody said so.
        details: further facts from the server.
        failures: of `connect`: what became of each transport that was tried, in that order; each has its `__cause__`.
    """

    code = "internal"
    failures: Mapping[str, RealtimeError] = MappingProxyType({})

    def __init__(
        self,
        reason: str = "",
        *,
        code: str | None = None,
        retry: bool | None = None,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        if code is not None:
            self.code = code
        row = CODES.get(self.code)
        self.reason = reason or (row.meaning if row is not None else self.code)
        self.retry = retry if retry is not None else row is None or row.retry
        self.retry_after = retry_after
        self.details = dict(details or {})
        super().__init__(f"{self.code}: {self.reason}")

    def later(self, seconds: float) -> Self:
        """Return the same error for another caller, who may try again after so many seconds."""
        other = copy(self)
        other.retry_after = seconds
        other.__cause__ = self.__cause__
        return other

    def __copy__(self) -> Self:
        other = type(self).__new__(type(self), *self.args)
        other.__dict__.update(self.__dict__)
        return other


class NetworkError(RealtimeError):
    """No transport reached the server."""

    code = "NETWORK_ERROR"


class Suspended(NetworkError):
    """Every attempt failed. The client tries again on a slow timer, and at once when `connect()` is called."""

    code = "suspended"


class Refused(RealtimeError):
    """The server answered and does not take the connection, or has ended the session.

    Attributes:
        number: the close number, 0 if none came.
        next: what the client does about it.
    """

    def __init__(self, code: str, reason: str = "", *, number: int = 0, **more: Any) -> None:
        super().__init__(reason, code=code, **more)
        row = CODES.get(code)
        self.number = number or (row.number if row is not None else 0)
        self.next = after_close(self.number) if self.number else Next.RESUME


class RequestError(RealtimeError):
    """The server answered a message with an error; `code` says which."""

    @classmethod
    def parse(cls, payload: object) -> RequestError:
        """Make one of the payload of an `error` message, whatever is in it."""
        fields = payload if isinstance(payload, Mapping) else {}
        after = fields.get("retry_after")
        details = fields.get("details")
        return cls(
            str(fields.get("reason", "")),
            code=str(fields.get("code", "internal")),
            retry=bool(fields.get("retry", False)),
            retry_after=float(after) if isinstance(after, (int, float)) else None,
            details=details if isinstance(details, Mapping) else None,
        )


class UnknownOutcome(RealtimeError):
    """Sent, not confirmed, and the session is gone: nobody knows whether it has run.

    Send with `idempotent=True` what may run twice: it is then sent again in the new session.

    Attributes:
        messages: what it is about.
    """

    code = "unknown_outcome"

    def __init__(self, messages: Sequence[Message]) -> None:
        self.messages = tuple(messages)
        super().__init__(f"{CODES[self.code].meaning} ({_types(self.messages)})")


class Timeout(RealtimeError, TimeoutError):
    """No answer, or no room to send, within the time given."""

    code = "timeout"


class QueueFull(RealtimeError):
    """As many messages wait as may."""

    code = "queue_full"


class NotConnected(RealtimeError):
    """The client is closed, or was never connected.

    Attributes:
        messages: as an event: those that were queued when the client ended, and were never sent.
    """

    code = "not_connected"
    messages: tuple[Message, ...] = ()

    @classmethod
    def never_sent(cls, messages: Sequence[Message], why: RealtimeError) -> NotConnected:
        """Say what will never be sent, and why."""
        error = cls(f"{len(messages)} messages were never sent ({_types(messages)}): {why}")
        error.messages = tuple(messages)
        return error


class WrongLoop(RealtimeError, RuntimeError):
    """Called in another event loop or thread than the one that the client lives in; nothing was done."""

    code = "wrong_loop"

    @classmethod
    def of(cls, what: str, thread: str) -> WrongLoop:
        """Say what was called where, and what to do instead."""
        return cls(
            f"{what}: called in thread {thread!r} in another event loop than the client's, which is the one that"
            " `connect` was called in; use asyncio.run_coroutine_threadsafe(…, loop) with that loop",
            retry=False,
        )


class Stalled(RealtimeError):
    """A stream or an async callback takes no messages, and everybody waits for it.

    Attributes:
        consumer: its name.
    """

    code = "stalled"
    consumer = ""

    @classmethod
    def of(cls, consumer: str, policy: str) -> Stalled:
        """Say who it is and what happens now."""
        now = {
            "wait": "its policy lets everybody wait for it",
            "end": "it has ended, as its policy says",
            "drop_new": "until it is read again, new messages for it are dropped",
        }.get(policy, "until it is read again, its oldest messages are dropped")
        error = cls(f"{consumer} takes no messages: {now}", retry=False)
        error.consumer = consumer
        return error


class CallbackError(RealtimeError):
    """A callback raised. The client goes on; `__cause__` is the exception."""

    code = "callback_failed"


def _types(messages: Sequence[Message]) -> str:
    more = len(messages) - 5
    return ", ".join(message.type for message in messages[:5]) + (f" and {more} more" if more > 0 else "")
