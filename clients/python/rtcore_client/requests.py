"""Requests that wait for their reply."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Collection, Iterator
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from rtcore_client.errors import RequestError

if TYPE_CHECKING:
    from rtcore.wire.message import Message
    from rtcore_client.outgoing import Outgoing


#: Requests that were given up and are not answered yet: the oldest is told of no more.
GIVEN_UP_MAX: Final = 1000


class Requests:
    """Pending requests by id.

    Ids are unique: no other client has the same, nor another program that goes on with the session. A request that is
    sent again, because it may run twice, keeps its id, so that its handler can tell.
    """

    def __init__(self) -> None:
        self._pending: dict[str, tuple[Outgoing, asyncio.Future[Any]]] = {}
        self._given_up: dict[str, Outgoing] = {}
        self._name = secrets.token_urlsafe(6)
        self._numbers = count(1)

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, message: object) -> bool:
        """Say whether a request still waits for its reply."""
        pending = self._pending.get(getattr(message, "id", None) or "")
        return pending is not None and pending[0] is message

    def __iter__(self) -> Iterator[Outgoing]:
        return iter([message for message, _ in self._pending.values()])

    def next_id(self) -> str:
        """Return an id that no request of this client has had."""
        return f"{self._name}.{next(self._numbers)}"

    def add(self, message: Outgoing) -> asyncio.Future[Any]:
        """Expect a reply; its payload becomes the result, an error an exception."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[message.id or ""] = message, future
        return future

    def discard(self, message: Outgoing) -> None:
        """Nobody waits for this reply any more."""
        self._pending.pop(message.id or "", None)

    @property
    def given_up(self) -> Collection[Outgoing]:
        """Requests that the server has or is about to have, whose answer nobody waits for any more."""
        return self._given_up.values()

    def give_up(self, message: Outgoing) -> None:
        """Nobody waits for the answer to this request, which was sent; remember it until there is one."""
        self._given_up[message.id or ""] = message
        if len(self._given_up) > GIVEN_UP_MAX:
            del self._given_up[next(iter(self._given_up))]

    def forget_given_up(self) -> None:
        """The session that they were sent in is gone, and they with it."""
        self._given_up.clear()

    def settle(self, answer: Message) -> bool:
        """Give an answer to who waits for it. False if nobody does: it is late, or of a count that has begun again."""
        name = answer.re or ""
        self._given_up.pop(name, None)
        message, future = self._pending.pop(name, (None, None))
        if message is None or future is None:
            return False
        if not future.done():
            _settle(future, answer)
        return True

    def fail(self, error: Callable[[Outgoing], Exception | None]) -> None:
        """Let those fail for which `error` returns an exception."""
        for message, future in list(self._pending.values()):
            failure = error(message)
            if failure is not None:
                self.discard(message)
                if not future.done():
                    future.set_exception(failure)


def _settle(future: asyncio.Future[Any], answer: Message) -> None:
    try:
        payload = answer.payload
    except ValueError as error:
        future.set_exception(RequestError(f"the reply: {error}", code="undecodable"))
        return
    if answer.type == "error":
        future.set_exception(RequestError.parse(payload))
    else:
        future.set_result(payload)
