"""What goes out of a session: from `post` to the wire, or to the lanes where it waits.

    outbox is a list    the session keeps up: what is posted leaves when the loop turns
    outbox is Lanes     it does not (or is detached): what is posted waits by priority, within bounds
    ahead               goes before both: a replay, and the message that is half out (`rtcore.ahead`)
    pull                what is taken when there is room: a room's history (`rtcore.pull`)

Rule: whoever puts a message here does not ask which of the two it is; both have `append`, and lanes are never empty.
What is written is counted into the window first, so that it can be replayed whatever becomes of the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from threading import get_ident
from typing import TYPE_CHECKING, Any, Final

from rtcore.ahead import Ahead
from rtcore.pull import PIECE, Pull, has_room
from rtcore.wire.lanes import Lanes, Withdrawn
from rtcore.wire.message import Message, check_fields
from rtcore.wire.parts import PART, Large
from rtcore.wire.server_line import ServerLine

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.manager import RealtimeManager
    from rtcore.spi.feed import Feed
    from rtcore.wire.format import Format
    from rtcore.wire.hello import Place

#: Reasons of a drop that a healer may undo.
HEALED: Final = frozenset({"buffer_full", "dropped_new", "unencodable", "message_too_big"})


class Outgoing(ServerLine):
    """The way out of one session.

    Attributes:
        id: names the session and its node; not a secret.
        form: how messages are written to the present (or last) connection.
        outbox: what is pending; see the module.
        ack_rides: an ack is due; it goes in front of what is written next, in this turn of the loop.
        ahead: what goes before the outbox, which is no list while there is any. `None` if there never was.
        largest: bytes of the largest message that the client takes in parts; 0: it takes none.
        closed: the code that ended the session; `None` while it lives.
        covers: the client keeps cursors: it is told what a message stands for, and which offsets are not for it.
        counters: the node's.
    """

    __slots__ = (
        "_drops",
        "_flusher",
        "_gaps",
        "_pull",
        "_waiters",
        "ack_rides",
        "ahead",
        "closed",
        "counters",
        "covers",
        "form",
        "id",
        "largest",
        "manager",
        "outbox",
    )

    connection: Connection | None

    def __init__(self, manager: RealtimeManager, id: str, *, nonce: str) -> None:
        options = manager.options
        super().__init__(options.message_buffer_size, options.message_buffer_bytes, nonce=nonce)
        self.manager = manager
        self.counters = manager.counters
        self._flusher = manager.flusher
        self.id = id
        self.form: Format = None  # type: ignore[assignment]  # given by the attach that makes the session
        self.outbox: list[Message] | Lanes = []
        self.ahead: Ahead | None = None
        self.largest = 0
        self.closed: str | None = None
        self.covers = False
        self.ack_rides = False
        self._drops: dict[str, int] | None = None
        self._gaps: dict[tuple[str, str | None], int] | None = None
        self._waiters: list[asyncio.Future[None]] | None = None
        self._pull: Pull | None = None

    # -- for applications and plugins ------------------------------------------------------------------

    @property
    def backlog(self) -> int:
        """Messages that wait to be written or to be confirmed."""
        pulled = self._pull.waiting if self._pull is not None else 0
        half = len(self.ahead.uncounted) if self.ahead is not None else 0
        return len(self.outbox) + half + len(self.window.held) + pulled

    @property
    def unsent(self) -> Iterator[Message]:
        """What was posted, or taken from a feed, and is not all written yet."""
        return chain(self.ahead.uncounted if self.ahead is not None else (), self.outbox)

    @property
    def stride(self) -> int:
        """Bytes that are written at once: fewer than usual once a link broke again and again and carried nothing."""
        return self.ahead.stride if self.ahead is not None else PART

    def post(self, message: Message) -> bool:
        """Send a message to this client. It leaves when the loop turns, or waits while the client is away.

        Works in any thread; in another than the app's it is done soon.

        Returns:
            False if the session has ended; the drop is counted.

        Raises:
            TypeError: the payload holds something that the client's codec cannot express.
        """
        if get_ident() != self._flusher.owner and self._flusher.threads.take(
            "session.post", self.post, message
        ):
            return self.closed is None
        return self.post_here(message)

    def post_here(self, message: Message) -> bool:
        """Do the same in the app's own thread: for the kernel, which is nowhere else."""
        if self.closed is not None:
            self.manager.counters.drop("expired_session")
            return False
        message.form(self.form)
        self.outbox.append(message)
        flusher = self._flusher
        flusher.direct.append(self)
        if not flusher.scheduled:
            flusher.wake()
        return True

    def send(self, type: str, payload: Any = None, **fields: Any) -> bool:
        """`post` a message made of these fields.

        Raises:
            TypeError, ValueError: a field that a message has not, or that is not what it may be; see `Message`.
        """
        if fields:
            check_fields(fields)
        return self.post(Message(type, payload, **fields))

    async def drained(self, *, below: int = 1) -> None:
        """Wait until fewer than `below` messages wait to be written or confirmed; at once if the session has ended.

        A handler that sends much waits here now and then, so that nothing has to be dropped.
        """
        self._flusher.threads.only_here("session.drained", "app.from_thread(session.drained)")
        while self.closed is None and self.backlog >= below:
            await self.moved()

    async def moved(self) -> None:
        """Wait until something was written or confirmed, or the connection is lost, or the session has ended."""
        self._flusher.threads.only_here("session.moved", "app.from_thread(session.moved)")
        if self._waiters is None:
            self._waiters = []
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    @property
    def drops(self) -> Mapping[str, int]:
        """Messages that did not reach this client as they were, since the session began, by the reasons of `drops`.

        The reasons are those of `rtcore.wire.codes.DROP_REASONS`; only those that happened are here.
        """
        return self._drops or {}

    def follow(self, feed: Feed) -> None:
        """Take messages from a feed whenever there is room, until `unfollow`. What was posted before goes first."""
        if self._pull is None:
            self._pull = Pull(self)
        self._pull.add(feed)
        self._pull.soon()

    def unfollow(self, feed: Feed) -> None:
        """Take no more from a feed. Again is harmless."""
        if self._pull is not None:
            self._pull.discard(feed)

    def feed(self) -> None:
        """A feed that had nothing has something again."""
        if self._pull is not None:
            self._pull.soon()

    def withdraw(self, room: str) -> Withdrawn:
        """Take back what waits of a room's history: whoever asks will bring it, and what follows it, by a feed."""
        first = self.ahead.withdraw(room) if self.ahead is not None else []
        if isinstance(self.outbox, Lanes):
            withdrawn = self.outbox.withdraw(room)
            return withdrawn._replace(messages=[*first, *withdrawn.messages]) if first else withdrawn
        # In place: somebody may be in the middle of giving one message to many.
        mine: list[Message] = []
        others: list[Message] = []
        for message in self.outbox:
            (mine if message.room == room and message.offset is not None else others).append(message)
        self.outbox[:] = others
        return Withdrawn([*first, *mine])

    def take_back(self, room: str) -> None:
        """Drop what waits of a room that the session has left: it has asked to hear no more of it."""
        if isinstance(self.outbox, Lanes):
            n = self.outbox.take_back(room)
        else:
            n = len(self.outbox)
            self.outbox[:] = [m for m in self.outbox if m.room != room or m.n < 0]
            n -= len(self.outbox)
        n += self.ahead.take_back(room) if self.ahead is not None else 0
        if n:
            self.drop("left", n)

    def readmit(self, room: str) -> None:
        """What is posted of a room's history may wait in the lanes again."""
        if isinstance(self.outbox, Lanes):
            self.outbox.readmit(room)

    def forget_answers(self) -> int:
        """Take away the answers that are not written yet: nobody waits for them; return how many there were."""
        if isinstance(self.outbox, Lanes):
            forgotten = self.outbox.forget_answers()
        else:
            kept = [message for message in self.outbox if message.n >= 0]
            forgotten = len(self.outbox) - len(kept)
            self.outbox[:] = kept
        return forgotten + (self.ahead.forget_answers() if self.ahead is not None else 0)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    # -- messages out: called by the flusher and by the connection ------------------------------------------

    def put_one(self) -> bool:
        """Write what is pending if it is one message whose bytes are there: an answer, as most turns have.

        It is what `Flusher.write` and `put` would do, in one call instead of three.

        Returns:
            False if it is anything else; nothing was done.
        """
        pending, connection = self.outbox, self.connection
        if len(pending) != 1 or type(pending) is not list or connection is None or self.form.batch:
            return False
        message = pending[0]
        data = message.made
        if message.made_for is not self.form or len(data) > PIECE:
            return False
        self.outbox = []
        self.window.push(pending, len(data))
        if self.ack_rides:
            data = self.with_ack(data)
        counters = self.counters
        counters.messages_sent += 1
        counters.bytes_sent += len(data)
        connection.link.write(data)
        if self._waiters is not None:
            self._wake()
        return True

    def put(self, messages: Sequence[Message], data: bytes) -> None:
        """Count messages out and write them. The outbox was a list, so there is a connection that keeps up."""
        connection = self.connection
        if connection is None:
            return
        self.window.push(messages, len(data))
        if self.ack_rides:
            data = self.with_ack(data)
        counters = self.counters
        counters.messages_sent += len(messages)
        counters.bytes_sent += len(data)
        connection.link.write(data)
        if self._waiters is not None:
            self._wake()

    def with_ack(self, data: bytes) -> bytes:
        """Put the ack that is due in front of what is written: a write of its own would be a system call more."""
        raise NotImplementedError

    def write_ack(self) -> None:
        """Write the ack that is due by itself."""
        raise NotImplementedError

    def replay(self, received: int, messages: Sequence[Message], place: Place | None) -> None:
        """A client has come, or polls, and these of the window are to be written once more, before anything else.

        Call `catch_up` afterwards.

        Args:
            received: messages that it says it has received.
            messages: counted, oldest first.
            place: what it holds of a message that came in parts and is not all there.
        """
        if self.ahead is None:
            if not messages:
                return
            self.ahead = Ahead(self)
        self.ahead.begin_at(received, messages, place)
        if self.ahead:
            self.fall_behind(self.connection)  # what is posted meanwhile goes behind them

    @property
    def replaying(self) -> int:
        """Messages that were counted out and are still to be written once more on this connection."""
        ahead = self.ahead
        return (
            len(ahead.again) + (ahead.writing is not None and ahead.writing.counted)
            if ahead is not None
            else 0
        )

    def salvage(self, messages: Sequence[Message]) -> tuple[list[Message], bytes]:
        """Keep those of some messages that this session's codec can express; count and report the others."""
        good: list[Message] = []
        parts: list[bytes] = []
        for message in messages:
            try:
                parts.append(message.form(self.form))
                good.append(message)
            except Exception:  # noqa: BLE001 - whatever a codec raises, the others must go out
                self.dropped(message, "unencodable")
        return good, self.form.finish(parts) if parts else b""

    def put_good(self, messages: Sequence[Message]) -> int:
        """Write those of some messages that this session's codec can express; return their bytes.

        What goes in parts is begun when there is room, and what is behind it follows.
        """
        good: list[Message] = []
        forms: list[bytes] = []
        for place, message in enumerate(messages):
            try:
                form = message.form(self.form)
            except Exception:  # noqa: BLE001 - as in `salvage`
                self.dropped(message, "unencodable")
                continue
            if form.__class__ is Large:
                self._begin(messages[place:])
                break
            good.append(message)
            forms.append(form)
        if not good:
            return 0
        data = self.form.finish(forms)
        self.put(good, data)
        return len(data)

    def _begin(self, messages: Sequence[Message]) -> None:
        """What is written next are these, the first one in parts."""
        if self.ahead is None:
            self.ahead = Ahead(self)
        self.ahead.waiting.extend(messages)
        self.fall_behind(self.connection)

    def dropped(self, message: Message, reason: str = "buffer_full") -> bool:
        """A message will never reach this client: count it, and tell the client when it can hear.

        One that was merged reaches it within another, and one of a history that was conflated is named by `covers`, to
        those who want that: that is counted, and no gap. What a history can bring later is no drop at all.

        Returns:
            True if it is none.
        """
        healer = self.manager.healer
        if (
            message.offset is not None
            and healer is not None
            and reason in HEALED
            and healer.heal(self, message, reason)
        ):
            return True
        self.drop(reason)
        if reason == "merged" or (reason == "conflated" and message.offset is not None and self.covers):
            return False
        if self._gaps is None:
            self._gaps = {}
        key = (reason, message.room)
        self._gaps[key] = self._gaps.get(key, 0) + 1
        if type(self.outbox) is list:
            self._tell_gaps()
        return False

    def drop(self, reason: str, n: int = 1) -> None:
        """Count messages that will not reach this client as they were, here and for the whole server."""
        self.counters.drop(reason, n)
        if self._drops is None:
            self._drops = {}
        self._drops[reason] = self._drops.get(reason, 0) + n

    def detach(self, connection: object) -> bool:
        """A connection is gone; see `ServerLine.detach`."""
        left = super().detach(connection)
        if left and self.ahead is not None:
            self.ahead.end()  # the next attach says what it lacks
        self._wake()
        return left

    def confirm(self, received: int, place: Place | None = None) -> bool:
        """The client has received so many messages, and so much of one; see `ServerLine.confirm`."""
        known = super().confirm(received)
        if self.ahead is not None:
            self.ahead.progress(received, place)
        if self._pull is not None:
            self._pull.confirmed()
        self._wake()
        return known

    def fall_behind(self, connection: Connection | None) -> None:
        """The connection is full, or gone: what is posted from now on waits in lanes."""
        if self.connection is not connection or type(self.outbox) is not list:
            return
        manager = self.manager
        pending, self.outbox = (
            self.outbox,
            Lanes(
                manager.options.message_buffer_size,
                manager.options.message_buffer_bytes,
                weigh=self._weigh,
                dropped=self.dropped,
                policy=manager.policies.find,
                overrun=self._overrun,
                pool=manager.pool,
            ),
        )
        for message in pending:
            self.outbox.append(message)

    def catch_up(self, connection: Connection) -> None:
        """The connection has room: write what waits, a little at a time, until it is full again."""
        if self.connection is not connection:
            return
        if self._write_ahead(connection):
            lanes, pull = self.outbox, self._pull
            if isinstance(lanes, Lanes) and not lanes.count and has_room(self, connection):
                self.outbox = []  # nothing has come meanwhile, as between most polls
            if self._gaps:
                self._tell_gaps()
            if pull is None:
                while isinstance(self.outbox, Lanes) and has_room(self, connection):
                    if self._write_ahead(connection):
                        self.write_lanes()
            else:
                pull.go_on(connection)
                if pull.idle and self._pull is pull:
                    self._pull = None
            if self._gaps and type(self.outbox) is list:
                self._tell_gaps()
        if self._waiters is not None:
            self._wake()

    def _write_ahead(self, connection: Connection) -> bool:
        """Write what goes first for as long as there is room. False if some of it is left."""
        while self.ahead and has_room(self, connection):
            self.ahead.write_some(connection)
        return not self.ahead

    def write_lanes(self) -> None:
        """Write a piece of what waits in the lanes; with the last of it there are no lanes any more."""
        lanes = self.outbox
        if not isinstance(lanes, Lanes):
            return
        batch: list[Message] = []
        before, most = lanes.size, max(1, self.window.limit // 4)
        while len(lanes) and before - lanes.size < PIECE and len(batch) < most:
            batch.append(self._as_asked(lanes.popleft()))
        if not len(lanes):
            self.outbox = []  # before the write, which may fill the connection again
        self.put_good(batch)

    def put_urgent(self, than: Message, *, only_critical: bool) -> bool:
        """Write a little of what waits and is more urgent than a message that is half out. False if nothing is."""
        lanes = self.outbox
        if not isinstance(lanes, Lanes):
            return False
        batch: list[Message] = []
        before, priority = lanes.size, than.priority
        if only_critical and priority != "critical":
            priority = "high"
        while before - lanes.size < PIECE:
            message = lanes.pop_above(priority, self.form.is_large)
            if message is None:
                break
            batch.append(self._as_asked(message))
        self.put_good(batch)
        return bool(batch)

    def _as_asked(self, message: Message) -> Message:
        """Return a message without what it stands for, if the client has not asked for that."""
        return message if message.covers is None or self.covers else message.covering(None)

    def flush_outbox(self) -> bool:
        """Write what was posted in this turn, if the session keeps up. True if there are lanes that hold something."""
        pending = self.outbox
        if isinstance(pending, Lanes):
            if not pending.count:
                self.outbox = []
            return pending.count > 0
        if pending:
            self._flusher.finish(self)
        return isinstance(self.outbox, Lanes)

    def put_in_chunks(self, messages: Sequence[Message]) -> None:
        """Write a burst in pieces for as long as the connection takes them; the rest waits in lanes."""
        rest, connection = deque(messages), self.connection
        while rest and type(self.outbox) is list and connection is not None:
            batch: list[Message] = []
            size = 0
            while rest and size < PIECE and len(batch) < self.form.piece:
                size += rest[0].size
                batch.append(rest.popleft())
            self.put_good(batch)
            if self.ahead and self._write_ahead(connection) and not len(self.outbox):
                self.outbox = []
                self._tell_gaps()
        for message in rest:
            self.outbox.append(message)

    def finish(self) -> None:
        """The session ends: write the rest of the message that is half out."""
        if self.ahead is not None and self.connection is not None:
            self.ahead.finish(self.connection)

    def _overrun(self) -> None:
        """A class whose policy is `disconnect` has filled the lanes: give the connection up, keep the session."""
        if self.connection is not None:
            self.manager.give_up(self.connection, "slow_consumer")

    def _tell_gaps(self) -> None:
        """Say what was dropped. In messages, counted like others: a cut must not make the client miss that as well."""
        gaps = self._gaps
        if gaps and self.connection is not None:
            self._gaps = None
            told: list[Message] = []
            for (reason, room), n in gaps.items():
                fields: dict[str, Any] = {"reason": reason, "n": n}
                if room is not None:
                    fields["room"] = room
                told.append(Message("gap", fields))
            self.put(told, self.form.finish([message.form(self.form) for message in told]))

    def _weigh(self, message: Message) -> int:
        try:
            return len(message.form(self.form))
        except Exception:  # noqa: BLE001 - found again, and reported, when it is written
            return message.size
