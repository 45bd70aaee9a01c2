"""Polls that are held: what becomes of one when there is an answer, its time is over or its client has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rtcore_http.upstream import error_of

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore_polling.answer import Dress

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping
    from typing import Any

    from rtcore_http.answers import Answer
    from rtcore_http.hatches import Reply

    from rtcore.connection import Connection
    from rtcore.spi.codec import Codec
    from rtcore_polling.link import Poll, PollLink


class Held:
    """A poll that waits for something to answer.

    Attributes:
        poll: says when there is something.
    """

    __slots__ = ("_link", "poll")

    def __init__(self, link: PollLink, poll: Poll) -> None:
        self._link = link
        self.poll = poll

    def answer(self, carrier: asyncio.Transport | None) -> Answer:
        """Take what there is.

        Args:
            carrier: what the answer goes out by.

        Raises:
            Rejected: the connection was refused.
            ConnectionResetError: the client has left.
        """
        self._link.carrier = carrier
        return self._answer()

    def _answer(self) -> Answer:
        return Dress.of(self._connection).answer(self._link.take(self.poll))

    def abandon(self) -> None:
        """Nobody waits for the answer any more."""
        self._link.abandon(self.poll)

    @property
    def _connection(self) -> Connection:
        connection = self._link.connection
        assert connection is not None  # noqa: S101 - given to the link with its first poll
        return connection


class Hello(Held):
    """The poll that a hello is: its answer begins with the welcome, or is a refusal."""

    __slots__ = ()

    def _answer(self) -> Answer:
        connection, frames = self._connection, self._link.take(self.poll)
        if not frames:
            connection.lost()
            raise ConnectionResetError("the client left before it was welcomed")
        if self._link.number is not None and len(frames) == 1:
            raise _refusal(connection, frames[0])
        # What is compressed can be read only by a client that knows by what, and that is in here.
        return Dress.of(connection)._replace(compressor=None).answer(frames)

    def abandon(self) -> None:
        super().abandon()
        self._connection.lost()


class Waiting:
    """A held poll that came in by a hatch: it costs neither a timer nor a task.

    Args:
        held: it.
        codec: what a refusal is written in.
        reply: its way back.
    """

    __slots__ = ("_codec", "_held", "_reply")

    def __init__(self, held: Held, codec: Codec, reply: Reply) -> None:
        self._held = held
        self._codec = codec
        self._reply = reply
        if not held.poll.awake:
            reply.watch(held.poll)
        held.poll.then(self._end)

    def _end(self) -> None:
        """There is something to answer, or no reason to wait any longer."""
        if not self._reply.open:
            self._held.abandon()
            return
        try:
            answer = self._held.answer(self._reply.transport)
        except Rejected as refusal:
            answer = error_of(self._codec, refusal)
        except Exception as error:  # noqa: BLE001 - as whatever a handler raises
            self._reply.fail(error)
            return
        self._reply.answer(answer)


def _refusal(connection: Connection, frame: bytes) -> Rejected:
    """Make a refusal of the `close` that the kernel wrote, so that it becomes a status."""
    item = connection.codec.decode(frame)[0]
    fields: Mapping[str, Any] = item.fields if isinstance(item, Control) else {}
    code, reason = str(fields.get("code", "internal")), str(fields.get("reason", ""))
    return Rejected(code, reason, retry_after=fields.get("retry_after"))
