"""The client's half of a session's line: hello, welcome, what to skip, what to send again.

As on the server, every rule is one method, and there is no I/O and no clock. A *connection* is any object that
stands for one transport connection; several may be under way at once, since a client climbs to a better
transport while the old one still carries messages.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rtcore.wire.errors import BadControlError, BadPartError
from rtcore.wire.hello import Hello
from rtcore.wire.parts import Assembly
from rtcore.wire.window import Window

if TYPE_CHECKING:
    from rtcore.wire.hello import Place, Welcome
    from rtcore.wire.message import Message
    from rtcore.wire.parts import Part


class Resumption(NamedTuple):
    """What a welcome means for the client.

    Attributes:
        resend: messages to write again on the new connection, oldest first, before anything new.
        confirmed: how many of the client's messages are now known to have arrived.
        unknown: messages whose outcome nobody knows: the session that they were sent in is gone.
        missed: messages from the server that are lost for good.
        fresh: the session is another one than before.
        part: what the server holds of a message that is not all there: the first that goes in parts goes on there.
    """

    resend: Sequence[Message]
    confirmed: int
    unknown: Sequence[Message]
    missed: int
    fresh: bool
    part: Place | None = None


class ClientLine:
    """Counts, fences and secrets of one session, on the client.

    Args:
        limit: messages that the window holds. The caller waits before it overflows: `full`.
        limit_bytes: bytes that it holds, and one message more.

    Attributes:
        session, secret: from the last welcome; `None` before the first.
        attach: the number of the last hello.
        attached: the number of the hello that gave the connection: what its polls and POSTs say.
        received: messages counted in, ever.
        window: messages counted out, ever, and those not confirmed.
        connection: the one that the last welcome came by; `None` before it or after its end.
        assembly: a message that came in parts and is not all here.
    """

    __slots__ = ("_asked", "_forget", "_half", "_skip", "assembly", "attach", "attached", "connection", "limit",
                 "limit_bytes",
                 "nonce", "received", "secret", "session", "window")  # fmt: skip

    def __init__(self, limit: int = 1000, limit_bytes: int = 16 * 1024 * 1024) -> None:
        self.limit = limit
        self.limit_bytes = limit_bytes
        # Nothing may leave its full end: the server could not tell a hole from a message. So `put` waits for `full`.
        self.window = Window(limit, 2**53)
        self.session: str | None = None
        self.secret: str | None = None
        self.nonce = secrets.token_urlsafe(18)
        self.attach = 0
        self.attached = 0
        self.received = 0
        self.connection: object | None = None
        self._asked: object | None = None
        self._forget = False
        self._skip = 0
        self.assembly = Assembly()
        self._half: tuple[Place, int] | None = None  # what the last hello said of the assembly; its size

    @property
    def full(self) -> bool:
        """The window is full: to send more now would give up the proof of what was sent before."""
        return len(self.window.held) >= self.limit or self.window.reaches(self.limit_bytes)

    # -- attach ----------------------------------------------------------------------------------------

    def hello(
        self, connection: object, *, token: str | None = None, client: str | None = None,
        compress: Sequence[str] = (), batch: bool = False, covers: bool = False, parts: int = 0, forget: bool = False,
    ) -> Hello:  # fmt: skip
        """Make the hello for a connection. From here on no earlier hello's welcome is taken.

        Args:
            connection: the new connection.
            token, client, compress, batch, covers, parts: as in `Hello`.
            forget: the messages are gone (a page was reloaded): keep identity and rooms, reset both counts. It
                holds for every hello until a welcome is taken.
        """
        self._forget = (forget or self._forget) and self.session is not None
        self.attach += 1
        self._asked = connection
        received = None if self._forget else self.received
        place = self.assembly.place if parts and self.session is not None and not self._forget else None
        self._half = (place, self.assembly.size) if place is not None else None
        return Hello(
            attach=self.attach, nonce=self.nonce, session=self.session, secret=self.secret, received=received,
            sent=self.window.sent, token=token, client=client, compress=tuple(compress), batch=batch,
            covers=covers, parts=parts, part=place,
        )  # fmt: skip

    def expects(self, connection: object, welcome: Welcome) -> bool:
        """Say whether a welcome answers the last hello. One that is late answers a hello that was given up."""
        return connection is self._asked and welcome.attach == self.attach

    def take_welcome(self, connection: object, welcome: Welcome) -> Resumption | None:
        """Move the session to the connection that its welcome came by.

        Returns:
            What to do next; `None` for a welcome that must be ignored.

        Raises:
            BadControlError: it has received more than was sent, so that the two speak of different conversations.
                Nothing has changed; the caller closes and says hello with `forget`.
        """
        if not self.expects(connection, welcome):
            return None
        fresh = self.session != welcome.session
        anew = fresh or welcome.reason in {"reset", "unknown"}
        if not anew and welcome.received > self.window.sent:
            raise BadControlError(
                f"welcome: `received`: {welcome.received}, but {self.window.sent} were sent"
            )
        self._asked = None
        self._forget = False
        self.attached = self.attach
        self.fence(connection)
        self.session, self.secret = welcome.session, welcome.secret
        if anew:
            return self._begin_anew(welcome, fresh=fresh)
        lost = self._begin_at(welcome.begins)
        before = self.window.confirmed
        self.window.confirm(welcome.received)
        confirmed = self.window.confirmed - before
        self._follow()
        return Resumption(
            self.window.rest(welcome.received).held, confirmed, (), lost, fresh=False, part=welcome.part
        )

    def fence(self, connection: object) -> None:
        """From here on only this connection counts."""
        self.connection = connection

    def _begin_anew(self, welcome: Welcome, *, fresh: bool) -> Resumption:
        """Both counts start at zero. What was on its way in a session that is gone may or may not have run."""
        unknown = self.window.reset()
        self.assembly.clear()
        self.received = 0
        self.nonce = secrets.token_urlsafe(18)
        return Resumption((), 0, unknown, self._begin_at(welcome.begins), fresh=fresh)

    def _begin_at(self, begins: int) -> int:
        """Skip what comes again: the old connection may have brought more since the hello, which the server replays.

        Returns:
            How many messages are lost for good: the replay begins behind them.
        """
        missed = max(0, begins - self.received)
        self._skip = max(0, self.received - begins)
        self.received += missed
        return missed

    def _follow(self) -> None:
        """The server goes on with the message that the hello spoke of. If it was finished meanwhile, it is skipped."""
        if self._half is not None and self.assembly.of != self._half[0].of:
            self.assembly.pretend(*self._half)
        self._half = None

    def detach(self, connection: object) -> bool:
        """A connection is gone. False if the session had left it, or had never come to it."""
        if self._asked is connection:
            self._asked = None
        if self.connection is not connection:
            return False
        self.connection = None
        return True

    # -- counting ----------------------------------------------------------------------------------------

    def hears(self, connection: object) -> bool:
        """Say whether what this connection brings counts."""
        return self.connection is connection

    def take(self, connection: object) -> bool:
        """A message arrived. Say whether it is news: neither from a connection that was left nor a replay."""
        if not self.hears(connection):
            return False
        if self._skip:
            self._skip -= 1
            return False
        self.received += 1
        return True

    def take_part(self, connection: object, part: Part, *, limit: int) -> bytes | None:
        """A part arrived. Return its message's item, which is counted, when it is whole and news.

        Args:
            connection: that brought it.
            part: it.
            limit: bytes of an item.

        Raises:
            TooBigError: the item is larger.
            BadPartError: it does not continue what is held.
        """
        if not self.hears(connection):
            return None
        item = self.assembly.take(part, limit=limit)
        if item is None:
            return None
        if not item and not self._skip:
            raise BadPartError(f"part: {part.of!r:.80} was received before, and is sent again as news")
        return item if self.take(connection) else None

    def rewind(self) -> int:
        """Return the `received` of the next poll. Its answer begins there, so nothing in it comes twice.

        The poll also says the `place` of the `assembly`, if there is one. Only the answer to the newest poll may be
        taken: an older one's begins elsewhere.
        """
        self._skip = 0
        if self.assembly.place is None:
            self.assembly.clear()  # what was to be followed does not come
        return self.received

    def put(self, message: Message, size: int) -> int:
        """Count a message out, as it is written. Returns its place: the `from` of a POST that begins with it.

        Not while the window is `full`.
        """
        place = self.window.sent
        self.window.push((message,), size)
        return place

    def confirm(self, received: int) -> bool:
        """The server has received so many messages. False if that cannot be."""
        return self.window.confirm(received)

    def is_mine(self, attach: int) -> bool:
        """Say whether a `superseded` speaks of this client's own newer hello, and not of a copied tab's."""
        return attach <= self.attach
