"""A connection: one live transport connection, from its first byte to its end.

    greeting ──hello──▶ checking ──identity──▶ attached ──▶ lost
                            └── frames that come meanwhile are held, bounded, and the peer is not read

Rule: a connection knows how to talk; what is said and counted belongs to the session. The kernel writes control
items through here at once: they never wait behind data.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rtcore.errors import Rejected
from rtcore.wire.codes import CODES, closes
from rtcore.wire.control import VERSION, Control, Undecodable
from rtcore.wire.errors import AttachRefusedError, BadControlError, BadPartError, TooBigError, WireError
from rtcore.wire.format import COMPRESSED, Format, unpack
from rtcore.wire.hello import Hello, Place, field
from rtcore.wire.message import Checked, Message
from rtcore.wire.parts import Part, parse_part

if TYPE_CHECKING:
    from rtcore.manager import RealtimeManager
    from rtcore.session import Session
    from rtcore.spi.auth import Identity
    from rtcore.spi.codec import Codec, Item
    from rtcore.spi.compressor import Compressor
    from rtcore.spi.transport import Handshake, Link

_log = logging.getLogger("rtcore.connection")

#: Frames held while an authenticator thinks; and never more bytes of them than one message may have.
HELD_MAX: Final = 32


class Unread:
    """Why a client is not read, or what it sends is not handled. Each has an owner; it goes on when none holds it.

    A connection has the first group; the others are its session's, which reads on and holds what comes, up to a bound.
    Bits of plain numbers: an enum's take 3 µs to be joined, and a look at each message.
    """

    CHECKING: Final = 1  # an authenticator thinks about its hello
    ANSWERS: Final = 16  # it asks, and does not read the answers
    HELD: Final = 128  # its session holds as much as it may

    HANDLERS: Final = 2  # too many messages wait for its handlers
    REPLAYS: Final = 4  # what it sends again is faster than the limiter
    CROWD: Final = 8  # it publishes faster than its messages can be flushed
    JOINING: Final = 32  # it sends much to a room that it is not in yet
    REPLIES: Final = 64  # as many answers as may wait to be written do
    TURN: Final = 256  # others have their turn


class Connection:
    """What a transport gets for each connection that it brings: `manager.add_connection(link, handshake)`.

    The transport calls `receive` with each frame, `pause` and `resume` as its write buffer fills and drains,
    and `lost` once, whatever the cause. It implements `Link` for the way back.
    """

    __slots__ = (
        "__weakref__", "_checking", "_closing", "_held", "_late", "_max_size", "attach", "codec", "compressor",
        "counters", "ended", "form", "handshake", "heard", "identity", "link", "manager", "paused", "session", "unread",
    )  # fmt: skip

    def __init__(self, manager: RealtimeManager, link: Link, handshake: Handshake, codec: Codec) -> None:
        self.manager = manager
        self.counters = manager.counters
        self.link = link
        self.handshake = handshake
        self.codec = codec
        self.compressor: Compressor | None = None
        self.form: Format = manager.format(codec, None, link.framing)
        self.identity: Identity | None = None
        self.session: Session | None = None
        self.attach = 0
        self.heard = True
        self.paused = False
        self.unread = 0
        self.ended = False
        self._max_size = manager.max_message_size
        self._checking = False
        self._closing = False
        self._held: list[bytes | Sequence[Item]] | None = None
        self._late: tuple[str, dict[str, Any]] | None = None

    # -- what the transport says -----------------------------------------------------------------------

    def receive(self, frame: bytes) -> None:
        """Take one frame, without the transport's framing. Never raises; a bad frame ends in a coded close."""
        self.heard = True
        session = self.session
        if session is None:
            self._greet(frame)
            return
        size = len(frame)
        self.counters.bytes_received += size
        if session.connection is not self:
            # The server's fence: a closed or superseded transport may still deliver. Nothing of it counts.
            self.manager.counters.drop("fenced")
            return
        try:
            if not frame or frame[0] == COMPRESSED or size > self._max_size:
                items = unpack(frame, self.codec, self.compressor, max_size=self._max_size)
            else:
                items = self.codec.decode(frame)
        except WireError as error:
            self._broken(error)
            return
        if not session.confirmed:
            session.confirm_attach()
        for item in items:
            if session.connection is not self:
                # What came before it in this frame has ended the session, or given up this connection.
                self.manager.counters.drop("fenced")
            elif item.__class__ is Checked or item.__class__ is Message:
                session.receive(item, size)
                size = 0
            else:
                self._rare(session, item)

    def pause(self) -> None:
        """The transport's write buffer is above its high-water mark: messages wait in lanes from here on."""
        self.paused = True
        if self.session is not None:
            self.session.fall_behind(self)

    def resume(self) -> None:
        """The transport's write buffer has drained."""
        self.paused = False
        late, self._late = self._late, None
        self.read_again(Unread.ANSWERS)
        if late is not None:
            self._answer(*late)
        if self.session is not None:
            self.session.catch_up(self)

    @property
    def open(self) -> bool:
        """The transport is there, and nobody has closed it."""
        return not (self.ended or self._closing)

    def lost(self, code: str = "going_away") -> None:
        """The transport connection is gone. Again is harmless."""
        if self.ended:
            return
        self.ended = True
        self._held = None
        self.manager.connection_lost(self, code)

    # -- request-based transports: POST upstream and polls ------------------------------------------------

    def receive_from(self, start: int, items: Sequence[Item], *, size: int = 0) -> dict[str, Any]:
        """Take the items of a POST whose first message is the client's message number `start` (from 0).

        What is known already is skipped and counted as a duplicate: a POST whose answer was lost comes twice. Control
        is taken in any case; of the messages as many as there is room for, and none while `unread`.
        `size` is the bytes of its body, for the metrics.

        Returns:
            What the answer's `ack` says: how many messages the server has received in all.

        Raises:
            Rejected: `gap`, with `details.expected`; nothing was taken. `superseded`, if the session has left.
        """
        session = self.session
        if session is None or not session.hears(self):
            raise Rejected("superseded")
        self.heard = True
        self.manager.counters.bytes_received += size
        if not session.confirmed:
            session.confirm_attach()
        sifted = session.sift(start, self._with_parts(items))
        if sifted is None:
            details: dict[str, Any] = {"expected": session.received}
            if session.place is not None:
                details["part"] = session.place.fields()
            raise Rejected(
                "gap",
                f"from {start}, but {session.received} messages have arrived: send again from there",
                details=details,
            )
        news, known = sifted
        if known:
            self.manager.counters.drop("duplicate", known)
        for item in news:
            if not session.hears(self):
                self.manager.counters.drop("fenced")
            elif isinstance(item, Control):
                self._control(session, item)
            elif self.unread:
                continue  # it waits with its client, and so do all messages after it; control does not
            elif isinstance(item, Part):
                self._take_part(session, item)
            elif isinstance(item, Message):
                session.receive(item, 0)
            else:
                session.receive_undecodable(item)
        session.acked(session.received)
        return session.ack()

    def _with_parts(self, items: Sequence[Item]) -> Sequence[Item | Part]:
        """Return the items of a POST, those that are parts as what they are.

        Raises:
            Rejected: `bad_part`, or `message_too_big`.
        """
        if not any(item.__class__ is Control and item.name == "part" for item in items):
            return items
        read: list[Item | Part] = []
        try:
            for item in items:
                if isinstance(item, Control) and item.name == "part":
                    part = parse_part(item.fields, binary=self.codec.binary)
                    if part.size > self._max_size:
                        raise TooBigError(
                            f"a message of {part.size} bytes; max_message_size is {self._max_size}"
                        )
                    read.append(part)
                else:
                    read.append(item)
        except WireError as error:
            raise Rejected(error.code, str(error)) from None
        return read

    def rewind(self, received: int, place: Place | None = None) -> None:
        """A poll says that the client has received so many messages: confirm them, write the others again.

        Args:
            received: how many.
            place: what it holds of a message that came in parts.

        Raises:
            Rejected: `superseded`, if the session has left this connection; `bad_control`, if it cannot be;
                `stale_poll`, if a newer poll has said more; `slow_consumer`, if what is missing is gone.
        """
        session = self.session
        if session is None or not session.hears(self):
            raise Rejected("superseded")
        self.heard = True
        if not session.confirmed:
            session.confirm_attach()
        try:
            again = session.rewind(received)
        except AttachRefusedError as error:
            raise Rejected(error.code, str(error)) from error
        session.replay(received, again, place)
        if not self.paused:
            session.catch_up(self)

    # -- what the kernel says ------------------------------------------------------------------------------

    def stop_reading(self, why: int) -> None:
        """Do not read this client until `read_again` is called for the same reason."""
        if not self.unread:
            self.link.pause_reading()
        self.unread |= why

    def read_again(self, why: int) -> None:
        """One reason not to read this client is gone. Harmless if it was none."""
        if self.unread & why:
            self.unread &= ~why
            if not self.unread and not self.ended:
                self.link.resume_reading()

    def give_up(self, code: str, reason: str = "") -> None:
        """Close, and do not wait for the transport to say that it is gone; the session waits for another one."""
        self.close(code, reason)
        self.lost(code)

    def control(self, name: str, fields: dict[str, Any]) -> None:
        """Write one control item now."""
        if not self.ended and not self._closing:
            data = self.form.encode_control(name, fields)
            self.manager.counters.bytes_sent += len(data)
            self.link.write(data)

    def close(self, code: str, reason: str = "", *, retry_after: float | None = None, **more: Any) -> None:
        """Say why, then close the transport. The session, if any, is not touched."""
        if self.ended or self._closing:
            return
        row = CODES[code]
        fields: dict[str, Any] = {"code": code, "number": row.number, "reason": reason or row.meaning, **more}
        if retry_after is not None:
            fields["retry_after"] = round(retry_after, 3)
        self.control("close", fields)
        self._closing = True
        self.link.close(row.number, code)

    def refuse(self, refusal: Rejected) -> None:
        """Close with what a `Rejected` says; an application's own code travels as `forbidden`."""
        if not self.open:
            return
        self.manager.counters.refuse(refusal.code)
        code = refusal.code if closes(refusal.code) else "forbidden"
        self.close(code, refusal.reason, retry_after=refusal.retry_after)

    # -- greeting --------------------------------------------------------------------------------------------

    def _greet(self, frame: bytes) -> None:
        if self.ended or self._closing:
            return
        if self._checking:
            self._hold(frame, len(frame))
            return
        self.manager.counters.bytes_received += len(frame)
        try:
            items = unpack(frame, self.codec, None, max_size=self.manager.max_message_size)
            first = items[0] if items else None
            if not isinstance(first, Control) or first.name != "hello":
                raise BadControlError('the first item on a connection must be ["hello", {…}]')
            version = field("hello", first.fields, "v", int, VERSION)
            if version != VERSION:
                raise Rejected("unsupported_version", f"version {version} is not spoken here, {VERSION} is")
            hello = Hello.parse(first.fields)
        except TooBigError as error:
            self.refuse(Rejected("message_too_big", str(error)))
        except WireError as error:
            self.refuse(Rejected("bad_hello", str(error)))
        except Rejected as refusal:
            self.refuse(refusal)
        else:
            self.greet(hello)
            if len(items) > 1:
                self._take_rest(items[1:])

    def greet(self, hello: Hello) -> None:
        """Take a hello, as parsed. Transports whose client cannot say it itself call this for it."""
        self._checking = True
        self.manager.greeter.take_hello(self, hello)

    def _take_rest(self, rest: Sequence[Item]) -> None:
        """Items that came in one frame with the hello."""
        session = self.session
        if session is None:
            if self.open:  # the authenticator is still thinking
                self._hold(rest, 0)
            return
        for item in rest:
            if session.hears(self):
                self._rare(session, item)

    def _hold(self, held: bytes | Sequence[Item], size: int) -> None:
        if self._held is None:
            self._held = []
        size += sum(len(frame) for frame in self._held if isinstance(frame, bytes))
        if len(self._held) >= HELD_MAX or size > self.manager.max_message_size:
            self.refuse(
                Rejected("bad_hello", f"more than {HELD_MAX} frames, or too large ones, before the welcome")
            )
            return
        self._held.append(held)
        self.stop_reading(Unread.CHECKING)

    def attached(self, session: Session, attach: int) -> None:
        """The manager has given this connection a session; frames that were held follow."""
        self.session, self.attach, self._checking = session, attach, False

    def release(self) -> None:
        """Take what came while an authenticator was thinking."""
        held, self._held = self._held, None
        for frame in held or ():
            if self.session is None or self.ended:
                break
            if isinstance(frame, bytes):
                self.receive(frame)
            else:
                self._take_rest(frame)
        self.read_again(Unread.CHECKING)

    # -- what is rare ------------------------------------------------------------------------------------------

    def _rare(self, session: Session, item: Item) -> None:
        if isinstance(item, Control):
            self._control(session, item)
        elif isinstance(item, Undecodable):
            session.receive_undecodable(item)
        else:
            session.receive(item, 0)

    def _control(self, session: Session, item: Control) -> None:
        name, fields = item
        try:
            if name == "ping":
                self._answer("pong", {"t": fields.get("t")} if "t" in fields else {})
            elif name == "ack":
                n = field("ack", fields, "n", int)
                if not session.confirm(n, Place.found("ack", fields)):
                    raise BadControlError(f"ack: `n`: {n}, but only {session.window.sent} messages were sent")
            elif name == "part":
                self._take_part(session, parse_part(fields, binary=self.codec.binary))
            elif name == "cancel":
                session.cancel(field("cancel", fields, "id", str))
            elif name == "away":
                self.manager.departures.begin(session, fields)
            elif name == "bye":
                self.manager.close_session(session, "bye")
            elif name != "pong":
                raise BadControlError(f"`{name}` is not a control item that a client sends here")
        except BadPartError as error:
            # What is held here and what the client sends do not fit: the next welcome says where it is to go on.
            self.manager.counters.error("bad_part")
            self.give_up("bad_part", str(error))
        except WireError as error:
            self.manager.counters.error("bad_control")
            self._answer("error", {"code": "bad_control", "reason": str(error)})

    def _take_part(self, session: Session, part: Part) -> None:
        """Take a part of a message. With the last one that is counted, as one message whatever was in it.

        Raises:
            BadPartError: it does not continue what is held.
        """
        try:
            item = session.take_part(part, limit=self._max_size)
        except TooBigError as error:
            self._broken(error)
            return
        if item is None:
            session.part_came(len(part.data))
            return
        try:
            items: Sequence[object] = self.codec.decode(item)
        except WireError as error:
            items = (Undecodable(str(error)),)
        if len(items) == 1 and isinstance(items[0], Message):
            session.receive(items[0], len(part.data))
        else:
            one = items[0] if len(items) == 1 else None
            session.receive_undecodable(
                one if isinstance(one, Undecodable) else Undecodable("the parts do not make one message")
            )

    def _answer(self, name: str, fields: dict[str, Any]) -> None:
        """Answer a control item. Such answers wait in no lane: a client that does not read them is not read either.

        What had been read before that, and POSTs, bring more of them: the last one is answered, once there is room.
        """
        if self.unread & Unread.ANSWERS:
            self._late = name, fields
            return
        self.control(name, fields)
        if self.paused:
            self.stop_reading(Unread.ANSWERS)

    def _broken(self, error: WireError) -> None:
        """A frame whose messages nobody can count: the session's counts are lost, and so is the session."""
        code = "message_too_big" if isinstance(error, TooBigError) else "malformed_frame"
        _log.info("connection %s: %s: %s", self.handshake.peer, code, error)
        session = self.session
        self.manager.counters.error(code)
        if session is not None:
            self.manager.close_session(session, code, str(error))
