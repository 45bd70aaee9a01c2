"""A session: the lasting conversation with one client. It survives connections and changes of transport.

ServerLine   counts, fences, secrets; no clock and no loop      rtcore/wire/server_line.py
Outgoing     outbox, lanes, window                              rtcore/outgoing.py
Session      who it is, messages in, handlers, an end           here
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from rtcore.connection import Unread
from rtcore.errors import Rejected
from rtcore.held import Held
from rtcore.outgoing import Outgoing
from rtcore.running import Running
from rtcore.wire.control import Undecodable
from rtcore.wire.lanes import Lanes
from rtcore.wire.message import Checked, Message

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.handlers import Route
    from rtcore.manager import RealtimeManager
    from rtcore.spi.auth import Identity

_log = logging.getLogger("rtcore.session")

#: Bytes received after which an ack is written, however few messages they were.
ACK_BYTES: Final = 64 * 1024


class Session(Outgoing):
    """One client's session.

    Attributes:
        identity: who is behind it.
        sender: how others see this client: its subject, or its session's id if nobody vouches for it.
        client: the name that the client gave itself.
        opened: when it began, in seconds of `app.clock`.
        left: when its connection was lost, in the same seconds; `None` while attached.
        extra: a place for plugins to keep state per session, under keys of their own.
        swamped: so many answers wait to be written that what comes is not handled before there are fewer.
        answered: the place of the message that was answered last, from 1.
        unread: why its client is not read, whichever connection it has (`rtcore.connection.Unread`).
    """

    __slots__ = (
        "__weakref__", "_acked", "_base", "_half", "_held", "_running", "_unacked", "answered", "client",
        "extra", "identity", "left", "opened", "replays", "sender", "swamped", "transport_name", "unread",
    )  # fmt: skip

    def __init__(
        self, manager: RealtimeManager, id: str, identity: Identity, *, nonce: str, now: float
    ) -> None:
        super().__init__(manager, id, nonce=nonce)
        self.identify(identity)
        self.client: str | None = None
        self.transport_name = ""
        self.opened = now
        self.answered = 0
        self.left: float | None = None
        self.replays = 0
        self.unread = 0
        self._acked = 0
        self._unacked = 0
        self._base = 0  # more than the `n` of any message of a count that is over
        self.swamped = False
        self._half = False  # parts have come that no ack has told of
        self._held: Held | None = None
        self.extra: dict[Any, Any] = {}
        self._running: Running | None = None

    def identify(self, identity: Identity) -> None:
        """Say who is behind the session; at its beginning, and when fresh credentials come with an attach."""
        self.identity = identity
        self.sender = self.id if identity.anonymous else identity.subject

    # -- for applications and plugins ------------------------------------------------------------------

    @property
    def transport(self) -> str | None:
        """The name of the transport that the session is on; `None` while it is detached."""
        return self.transport_name if self.connection is not None else None

    def close(self, code: str = "session_closed", reason: str = "") -> None:
        """End the session for good and tell the client why; with a code that closes nothing it is `kicked`."""
        self.manager.close_session(self, code, reason)

    # -- messages in -----------------------------------------------------------------------------------

    def receive(self, message: Message, size: int) -> None:
        """Count one message in and let it be handled. `size` is the bytes of its frame."""
        self.received = n = self.received + 1
        message.n = n + self._base
        message.sender = self.sender  # what the client wrote there is anybody's name
        self.counters.messages_received += 1
        self._unacked += size
        due = n - self._acked
        if due >= self.manager.ack_every or self._unacked >= ACK_BYTES:
            self._acked, self._unacked = n, 0
            self.ack_rides = True
            self._flusher.direct.append(self)
            self._flusher.wake()
        elif due == 1:
            self.manager.ack_later(self)
        if self.unread or self.replays:
            self._receive_slowly(message, size)
        else:
            self.manager.inbound.dispatch(self, message)

    def _receive_slowly(self, message: Message, size: int) -> None:
        """Take what cannot go straight to its handler. A replay is delayed by the limiters, never refused."""
        self.replays = max(0, self.replays - 1)
        held, wait = self._held, 0.0
        if not self.unread:
            wait = self.manager.inbound.delay(self, message)
            if not wait:
                return
        if held is None:
            held = self._held = Held(self)
        held.add(message, size)
        if wait:
            held.wait(wait)

    def catch_up(self, connection: Connection) -> None:
        super().catch_up(connection)
        if self.swamped and (type(self.outbox) is list or self.outbox.rested):  # type: ignore[union-attr]  # a list or lanes
            # Answers have left: handle more, until too many wait again.
            self.swamped = False
            if self._running is not None:
                self._running.go_on()
            if not self.swamped:
                self.read_again(Unread.REPLIES)

    def _answered(self) -> None:
        """An answer was posted. If too many wait, nothing more is handled."""
        outbox = self.outbox
        if not self.swamped and isinstance(outbox, Lanes) and outbox.swamped:
            self.swamped = True
            self.stop_reading(Unread.REPLIES)

    def stop_reading(self, why: int) -> None:
        """Handle none of this client's messages until `read_again` for the same reason; see `rtcore.held`."""
        self.unread |= why

    def read_again(self, why: int) -> None:
        """One reason to let messages wait is gone. Harmless if it was none."""
        if self.unread and self.unread & why:
            self.unread &= ~why
            if not self.unread and self._held is not None:
                self._held.go_on()
                if not self._held:
                    self._held = None

    def attached(self, connection: Connection) -> None:
        """The session has a connection, whose welcome is written: what it holds concerns that one, too."""
        if self._held is not None:
            self._held.attached(connection)

    def receive_undecodable(self, item: Any) -> None:
        """Count what could not be decoded: the client counted it too. It gets an error and goes on."""
        self.received += 1
        self.replays = max(0, self.replays - 1)
        self.manager.counters.messages_received += 1
        self.manager.counters.drop("undecodable")
        self.manager.ack_later(self)
        reason, request = "not a message", None
        if isinstance(item, Undecodable):
            reason, request = item
        named = None
        if request is not None:
            named = Checked("undecodable", id=request)
            named.n = self.received + self._base
        self.answer_error(named, Rejected("undecodable", reason))

    def part_came(self, size: int) -> None:
        """A part of a message has come, which is not counted: let the client know now and then that it does."""
        self._unacked += size
        self._half = True
        if self._unacked >= ACK_BYTES:
            self._unacked = 0
            self.ack_rides = True
            self._flusher.direct.append(self)
            self._flusher.wake()
        else:
            self.manager.ack_later(self)

    def ack(self) -> dict[str, Any]:
        """Return what an ack says now: messages received, and how far the one is that comes in parts."""
        place = self.place
        return {"n": self.received} if place is None else {"n": self.received, "part": place.fields()}

    def acked(self, received: int) -> None:
        """The client was told of so many messages by other means (the answer to a POST)."""
        self._acked, self._unacked = received, 0
        self.ack_rides = self._half = False

    def write_ack(self) -> None:
        """Tell the client how many messages have arrived, if it does not know."""
        connection = self.connection
        if connection is not None and (self.ack_rides or self._half or self.received > self._acked):
            self.acked(self.received)
            connection.control("ack", self.ack())

    def with_ack(self, data: bytes) -> bytes:
        self.acked(self.received)
        return self.form.encode_control("ack", self.ack()) + data

    # -- answers ---------------------------------------------------------------------------------------

    def reply(self, message: Message, payload: Any) -> None:
        """Answer a request. A `Message` is sent as it is, as the answer; anything else becomes its payload.

        The answer has the request's priority, unless a `Message` says its own. One that was posted before, to
        somebody else or as another answer, is theirs: this client gets a copy.
        """
        if self._base and self._is_former(message):
            return
        if isinstance(payload, Message):
            inherits = message.priority != "normal" and payload.priority == "normal"
            used = payload.made_for is not None or payload is message
            answer = payload.copy() if inherits or used else payload
            answer.re = message.id
            if inherits:
                answer.priority = message.priority
        else:
            answer = Checked("reply", payload, re=message.id, priority=message.priority)
        self.answered = message.n
        answer.n = -message.n
        self.post(answer)
        if self.outbox.__class__ is not list:
            self._answered()

    def answer_error(self, message: Message | None, refusal: Rejected) -> None:
        """Answer a message with a coded error; one without an id is named by its place in the count."""
        if self._base and message is not None and self._is_former(message):
            return
        self.manager.counters.error(refusal.code)
        fields = refusal.fields()
        if message is None or message.id is None:
            fields["n"] = max(0, message.n - self._base) if message is not None else self.received
            answer = Checked("error", fields)
        else:
            answer = Checked("error", fields, re=message.id, priority=message.priority)
        self.answered = message.n if message is not None else self.received + self._base
        answer.n = -self.answered
        try:
            self.post(answer)
        except Exception:
            if "details" not in fields:
                raise
            _log.exception("the details of an error %r cannot be sent", refusal.code)
            less = Message("error", {**fields, "details": {}}, re=answer.re, priority=answer.priority)
            less.n = answer.n
            self.post(less)
        if self.outbox.__class__ is not list:
            self._answered()

    def is_former(self, message: Message) -> bool:
        """Say whether a message was received before the counts began again: its sender is gone, or has given it up."""
        return 0 < message.n < self._base

    def _is_former(self, message: Message) -> bool:
        """Drop the answer to a message if it is such a one: it would name another message, or another request."""
        former = self.is_former(message)
        if former:
            self.drop("reset")
        return former

    def run(self, route: Route, message: Message) -> None:
        """Run an async handler; see `rtcore.running`."""
        if self._running is None:
            self._running = Running(self, self.manager.options.max_handlers_per_session)
        self._running.run(route, message)

    def cancel(self, request: str) -> None:
        """The client gave up a request: cancel its handler, or do not begin it."""
        if self._running is not None and self._running.cancel(request):
            return
        if self._held is not None:
            self._held.cancel(request)

    # -- attach and end ------------------------------------------------------------------------------------

    def restart(self, reason: str) -> None:
        """Both counts begin again; see `ServerLine.restart`. After a reload nobody has what was not confirmed."""
        healer = self.manager.healer
        if self.ahead is not None:
            self.ahead.end()  # what was half out can be taken back
        if reason == "reset" and healer is not None:
            healer.restarted(self, tuple(self.window.held))
        self._base += self.received + 1
        super().restart(reason)
        forgotten = self.forget_answers()
        if forgotten:
            self.drop("reset", forgotten)

    def confirm_attach(self) -> None:
        """The client has used its connection, so it has the new secret; the old one is worth nothing now."""
        self.confirmed = True
        self._previous = ""
        self.manager.session_confirmed(self)

    def end(self, code: str) -> None:
        """The session is over: cancel its handlers, drop what waits. Called once, by the manager."""
        self.closed = code
        waiting = self.outbox.clear() if isinstance(self.outbox, Lanes) else len(self.outbox)
        waiting += self._held.end() if self._held is not None else 0
        if self.ahead is not None:
            waiting += len(self.ahead.uncounted)
            self.ahead = None
        self.assembly = None
        if self._running is not None:
            waiting += self._running.end()
        if waiting:
            self.drop("expired_session", waiting)
        self.outbox = []
        if self._pull is not None:
            self._pull.end()
            self._pull = None
        self.window.reset()  # somebody may hold on to the session; nobody asks for these any more
        self.connection = None
        self._wake()

    def __repr__(self) -> str:
        return f"<Session {self.id} {self.sender!r} on {self.transport or 'nothing'}>"
