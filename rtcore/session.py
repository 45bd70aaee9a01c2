"""A session: the lasting conversation with one client. It survives connections and changes of transport.

    outbox is a list    the session keeps up: what is posted leaves when the loop turns
    outbox is Lanes     it does not (or is detached): what is posted waits by priority, within bounds

The counting and fencing are `ServerLine`'s; this adds what needs an event loop: outbox, handlers, an end.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rtcore.connection import Unread
from rtcore.errors import Rejected
from rtcore.running import Running
from rtcore.wire.control import Undecodable
from rtcore.wire.lanes import Lanes
from rtcore.wire.message import Message
from rtcore.wire.server_line import ServerLine

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.handlers import Route
    from rtcore.manager import RealtimeManager
    from rtcore.spi.auth import Identity
    from rtcore.wire.format import Format

_log = logging.getLogger("rtcore.session")

#: Bytes received after which an ack is written, however few messages they were.
ACK_BYTES: Final = 64 * 1024
#: Bytes taken from the lanes at once when a connection drains: small, so that what is urgent can still overtake.
PUMP_BYTES: Final = 16 * 1024


class Session(ServerLine):
    """One client's session.

    Attributes:
        id: names the session and its node; not a secret.
        identity: who is behind it.
        form: how messages are written to the present (or last) connection.
        outbox: what is pending; see the module.
        client: the name that the client gave itself.
        opened: when it began, in seconds of `app.clock`.
        left: when its connection was lost, in the same seconds; `None` while attached.
        closed: the code that ended it; `None` while it lives.
        unread: why its client is not read, whichever connection it has (`rtcore.connection.Unread`).
    """

    __slots__ = (
        "__weakref__", "_acked", "_delayed", "_extra", "_gaps", "_running", "_unacked", "_waiters", "client", "closed",
        "form", "id", "identity", "left", "manager", "opened", "outbox", "replays", "transport_name", "unread",
    )  # fmt: skip

    connection: Connection | None

    def __init__(
        self, manager: RealtimeManager, id: str, identity: Identity, *, nonce: str, now: float
    ) -> None:
        options = manager.options
        super().__init__(options.message_buffer_size, options.message_buffer_bytes, nonce=nonce)
        self.manager = manager
        self.id = id
        self.identity = identity
        self.client: str | None = None
        self.form: Format = None  # type: ignore[assignment]  # given by the attach that makes the session
        self.outbox: list[Message] | Lanes = []
        self.transport_name = ""
        self.opened = now
        self.left: float | None = None
        self.closed: str | None = None
        self.replays = 0
        self.unread = 0
        self._acked = 0
        self._unacked = 0
        self._delayed: deque[Message] | None = None
        self._extra: dict[Any, Any] | None = None
        self._gaps: dict[tuple[str, str | None], int] | None = None
        self._running: Running | None = None
        self._waiters: list[asyncio.Future[None]] | None = None

    # -- for applications and plugins ------------------------------------------------------------------

    @property
    def transport(self) -> str | None:
        """The name of the transport that the session is on; `None` while it is detached."""
        return self.transport_name if self.connection is not None else None

    @property
    def extra(self) -> dict[Any, Any]:
        """A place for plugins to keep state per session, under keys of their own."""
        if self._extra is None:
            self._extra = {}
        return self._extra

    @property
    def sender(self) -> str:
        """How others see this client: its subject, or its session's id if nobody vouches for it."""
        return self.id if self.identity.anonymous else self.identity.subject

    @property
    def backlog(self) -> int:
        """Messages that wait to be written or, by a client that confirms at all, to be confirmed."""
        connection = self.connection
        confirms = connection is None or not connection.one_way
        return len(self.outbox) + (len(self.window.held) if confirms else 0)

    def post(self, message: Message) -> bool:
        """Send a message to this client. It leaves when the loop turns, or waits while the client is away.

        Returns:
            False if the session has ended; the drop is counted.

        Raises:
            TypeError: the payload holds something that the client's codec cannot express.
        """
        if self.closed is not None:
            self.manager.counters.drop("expired_session")
            return False
        message.form(self.form)
        self.outbox.append(message)
        self.manager.flusher.hot(self)
        return True

    def send(self, type: str, payload: Any = None, **fields: Any) -> bool:
        """`post` a message made of these fields."""
        return self.post(Message(type, payload, **fields))

    def close(self, code: str = "session_closed", reason: str = "") -> None:
        """End the session for good and tell the client why; with a code that closes nothing it is `kicked`."""
        self.manager.close_session(self, code, reason)

    async def drained(self, *, below: int = 1) -> None:
        """Wait until fewer than `below` messages wait to be written or confirmed; at once if the session has ended.

        A handler that sends much waits here now and then, so that nothing has to be dropped.
        """
        while self.closed is None and self.backlog >= below:
            if self._waiters is None:
                self._waiters = []
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    # -- messages in -----------------------------------------------------------------------------------

    def receive(self, message: Message, size: int) -> None:
        """Count one message in and let it be handled. `size` is the bytes of its frame."""
        self.received += 1
        message.n = self.received
        message.sender = self.sender  # what the client wrote there is anybody's name
        self.manager.counters.messages_received += 1
        self._unacked += size
        due = self.received - self._acked
        if due >= self.manager.ack_every or self._unacked >= ACK_BYTES:
            self._write_ack()
        elif due == 1:
            self.manager.ack_later(self)
        if self.replays or self._delayed:
            self._receive_replay(message)
        else:
            self.manager.inbound.dispatch(self, message)

    def _receive_replay(self, message: Message) -> None:
        """What the client sent before and sends again is delayed by the limiter, never refused; what follows waits."""
        self.replays = max(0, self.replays - 1)
        if self._delayed is not None:
            self._delayed.append(message)
            return
        wait = self.manager.inbound.delay(self, message)
        if not wait:
            return
        self._delayed = deque((message,))
        self.stop_reading(Unread.REPLAYS)
        self.manager.app.spawn(self._take_delayed(wait), name="replay")

    async def _take_delayed(self, wait: float) -> None:
        delayed = self._delayed
        while delayed and self.closed is None:
            await asyncio.sleep(wait)
            if self.closed is None:
                wait = self.manager.inbound.delay(self, delayed[0])
                if not wait:
                    delayed.popleft()
        if delayed:
            self.manager.counters.drop("expired_session", len(delayed))
        self._delayed = None
        self.read_again(Unread.REPLAYS)

    def stop_reading(self, why: int) -> None:
        """Do not read this client, on this connection or the next, until `read_again` for the same reason."""
        self.unread |= why
        if self.connection is not None:
            self.connection.stop_reading(why)

    def read_again(self, why: int) -> None:
        """One reason not to read this client is gone. Harmless if it was none."""
        if self.unread & why:
            self.unread &= ~why
            if self.connection is not None:
                self.connection.read_again(why)

    def receive_undecodable(self, item: Any) -> None:
        """Count what could not be decoded: the client counted it too. It gets an error and goes on."""
        self.received += 1
        self.replays = max(0, self.replays - 1)
        self.manager.counters.messages_received += 1
        self.manager.counters.drop("undecodable")
        self.manager.ack_later(self)
        reason = item.reason if isinstance(item, Undecodable) else "not a message"
        self.answer_error(None, Rejected("undecodable", reason))

    def acked(self, received: int) -> None:
        """The client was told of so many messages by other means (the answer to a POST)."""
        self._acked, self._unacked = received, 0

    def write_ack(self) -> None:
        """Tell the client how many messages have arrived, if it does not know."""
        if self.received > self._acked:
            self._write_ack()

    def _write_ack(self) -> None:
        connection = self.connection
        if connection is not None:
            self._acked, self._unacked = self.received, 0
            connection.control("ack", {"n": self.received})

    # -- answers ---------------------------------------------------------------------------------------

    def reply(self, message: Message, payload: Any) -> None:
        """Answer a request. A `Message` is sent as it is, as the answer; anything else becomes its payload.

        The answer has the request's priority, unless a `Message` says its own. One that was posted before, to
        somebody else or as another answer, is theirs: this client gets a copy.
        """
        if isinstance(payload, Message):
            inherits = message.priority != "normal" and payload.priority == "normal"
            answer = payload.copy() if inherits or payload.posted or payload is message else payload
            answer.re = message.id
            if inherits:
                answer.priority = message.priority
        else:
            answer = Message("reply", payload, re=message.id, priority=message.priority)
        self.post(answer)

    def answer_error(self, message: Message | None, refusal: Rejected) -> None:
        """Answer a message with a coded error; one without an id is named by its place in the count."""
        self.manager.counters.error(refusal.code)
        fields = refusal.fields()
        if message is None or message.id is None:
            fields["n"] = message.n if message is not None else self.received
            answer = Message("error", fields)
        else:
            answer = Message("error", fields, re=message.id, priority=message.priority)
        try:
            self.post(answer)
        except Exception:
            if "details" not in fields:
                raise
            _log.exception("the details of an error %r cannot be sent", refusal.code)
            self.post(Message("error", {**fields, "details": {}}, re=answer.re, priority=answer.priority))

    def run(self, route: Route, message: Message) -> None:
        """Run an async handler; see `rtcore.running`."""
        if self._running is None:
            self._running = Running(self, self.manager.options.max_handlers_per_session)
        self._running.run(route, message)

    def cancel(self, request: str) -> None:
        """The client gave up a request: cancel its handler, or do not begin it."""
        if self._running is not None:
            self._running.cancel(request)

    # -- messages out: called by the flusher and by the connection ------------------------------------------

    def put(self, messages: Sequence[Message], data: bytes) -> None:
        """Count messages out and write them. The outbox was a list, so there is a connection that keeps up."""
        connection = self.connection
        if connection is None:
            return
        self.window.push(messages, len(data))
        counters = self.manager.counters
        counters.messages_sent += len(messages)
        counters.bytes_sent += len(data)
        connection.link.write(data)
        if self._waiters is not None:
            self._wake()

    def write_again(self, messages: Sequence[Message]) -> None:
        """Write messages of the window once more. They were counted, so something must stand in the place of each."""
        parts: list[bytes] = []
        for message in messages:
            try:
                parts.append(message.form(self.form))
            except Exception:  # noqa: BLE001 - whatever a codec raises; the connection before had another one
                self.manager.counters.drop("unencodable")
                refusal = Rejected("unencodable", f"a message of type {message.type!r}")
                parts.append(Message("error", refusal.fields()).form(self.form))
        if parts and self.connection is not None:
            self.connection.link.write(self.form.finish(parts))

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

    def dropped(self, message: Message, reason: str = "buffer_full") -> None:
        """A message will never reach this client: count it, and tell the client when it can hear.

        One that was merged reaches it within another; that is counted, and no gap.
        """
        self.manager.counters.drop(reason)
        if reason == "merged":
            return
        if self._gaps is None:
            self._gaps = {}
        key = (reason, message.room)
        self._gaps[key] = self._gaps.get(key, 0) + 1
        if type(self.outbox) is list:
            self._tell_gaps()

    def confirm(self, received: int) -> bool:
        """The client has received so many messages; see `ServerLine.confirm`."""
        known = super().confirm(received)
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
        self._tell_gaps()
        while isinstance(self.outbox, Lanes) and not connection.paused and not connection.ended:
            lanes = self.outbox
            batch: list[Message] = []
            size = 0
            while len(lanes) and size < PUMP_BYTES:
                message = lanes.popleft()
                size += message.size
                batch.append(message)
            if not len(lanes):
                self.outbox = []  # before the write, which may fill the connection again
            if batch:
                batch, data = self.salvage(batch)
                self.put(batch, data)
        self._wake()

    def put_in_chunks(self, messages: Sequence[Message]) -> None:
        """Write a burst in pieces for as long as the connection takes them; the rest waits in lanes."""
        rest = deque(messages)
        while rest and type(self.outbox) is list:
            batch: list[Message] = []
            size = 0
            while rest and size < PUMP_BYTES:
                size += rest[0].size
                batch.append(rest.popleft())
            batch, data = self.salvage(batch)
            if batch:
                self.put(batch, data)
        for message in rest:
            self.outbox.append(message)

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

    # -- attach and end ------------------------------------------------------------------------------------

    def confirm_attach(self) -> None:
        """The client has used its connection, so it has the new secret; the old one is worth nothing now."""
        self.confirmed = True
        self._previous = ""
        self.manager.session_confirmed(self)

    def end(self, code: str) -> None:
        """The session is over: cancel its handlers, drop what waits. Called once, by the manager."""
        self.closed = code
        waiting = self.outbox.clear() if isinstance(self.outbox, Lanes) else len(self.outbox)
        if self._running is not None:
            waiting += self._running.end()
        if waiting:
            self.manager.counters.drop("expired_session", waiting)
        self.outbox = []
        self.window.reset()  # somebody may hold on to the session; nobody asks for these any more
        self.connection = None
        self._wake()

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.sender!r} on {self.transport or 'nothing'}>"
