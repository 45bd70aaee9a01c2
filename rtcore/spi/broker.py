"""Brokers: carry publications between nodes, and remember them where asked to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from rtcore.wire.message import Message


@attrs.frozen
class Position:
    """A place in a room's history: `offset` counts from 1 within `epoch`; equal for all members."""

    offset: int
    epoch: str


@attrs.define
class Publication:
    """One message for one room. Nobody changes it: histories keep it.

    Not frozen, since that costs 430 ns of 660, for each message that is published; a NamedTuple 120 of 350.

    Attributes:
        room: the room's name.
        message: what to deliver; the broker fills in `offset` and `epoch` before it is delivered, if it keeps history.
        exclude: the id of a session that does not get it (the sender, often), or `None`.
        keep: how many publications of this room to remember; 0 for none.
        keep_for: seconds to remember them.
    """

    room: str
    message: Message
    exclude: str | None = None
    keep: int = 0
    keep_for: float = 0.0


class Forgotten(LookupError):
    """What follows a position is not all held any more.

    Attributes:
        oldest: what follows this is; `None` if the broker does not say.
    """

    def __init__(self, text: str, *, oldest: Position | None = None) -> None:
        super().__init__(text)
        self.oldest = oldest


#: Publications, oldest first, and where the history stands.
Page = tuple[Sequence[Publication], Position]
Sink = Callable[[Publication], None]


@runtime_checkable
class Broker(Protocol):
    """Moves publications between nodes. At most once to every subscribed node; in order per room and publisher.

    The broker delivers through the sink also on the publishing node, so that every node sees a room's
    publications in one order. Saving and delivering are atomic per room.
    """

    name: str

    async def start(self, sink: Sink) -> None:
        """Begin. `sink` is called with each publication of a subscribed room: in the event loop; from a driver's own
        thread it is handed over to it, in order.
        """

    async def stop(self) -> None:
        """Stop calling the sink and release everything."""

    def subscribe(self, room: str) -> Awaitable[None] | None:
        """This node has a first member in the room. An awaitable answer is waited for before the join is confirmed."""

    def unsubscribe(self, room: str) -> None:
        """This node has no member in the room any more."""

    def publish(self, publication: Publication) -> Position | Awaitable[Position | None] | None:
        """Publish. A broker in this process delivers before it returns and answers at once; others answer later.

        Returns:
            Where it stands in the room's history (`None`: not kept), or an awaitable of it.
        """


@runtime_checkable
class History(Protocol):
    """Implement it if the broker remembers publications. Do not if it would have to ask every node.

    One whose settings may turn that off says so by a false `remembers`: rooms that want a history are then an error.
    """

    def history(
        self, room: str, *, since: Position | None = None, limit: int = 100
    ) -> Page | Awaitable[Page]:
        """Return publications after `since` (oldest first, at most `limit`), and where the history stands now.

        Without `since`: the newest `limit`. Offset 0 stands before the first publication; a room that has no
        history stands there. Members catch up a piece at a time, and ask for each: a broker in this process, which
        has delivered all that it has, answers at once; others later.

        Raises:
            LookupError: `since` is no longer held, or its epoch is over. A `Forgotten` says where what is held
                begins, so that nobody has to ask for all of it.
        """
