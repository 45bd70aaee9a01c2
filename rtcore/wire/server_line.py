"""The server's half of a session's line: who may write to it, what was counted, what must be replayed.

Every rule that makes attach exact is one method here, so that a test can take any of them away and watch
messages get lost (tests/kernel/wire/test_attach_rules.py). No I/O and no clock: the kernel's `Session` adds both.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rtcore.wire.errors import AttachRefusedError
from rtcore.wire.window import Window

if TYPE_CHECKING:
    from rtcore.wire.hello import Hello
    from rtcore.wire.message import Message


class Attached(NamedTuple):
    """What an accepted hello led to.

    The caller must write `welcome` with these facts, then the `replay`, before anything else goes out.
    """

    resumed: bool
    reason: str | None
    lost: int
    received: int
    replay: Sequence[Message]


class ServerLine:
    """Counts, fences and secrets of one session.

    Args:
        limit: messages that the window holds.
        limit_bytes: bytes that it holds.
        nonce: of the hello that made the session.

    Attributes:
        connection: the one connection that the session listens and writes to; `None` while detached.
        attach: the number of the hello that gave it; 0 before the first.
        received: messages counted in, ever.
        window: messages counted out, ever, and those not confirmed.
        secret: what the next hello must show.
        confirmed: the client has used the connection since its welcome, so it knows `secret`.
    """

    __slots__ = ("_previous", "attach", "confirmed", "connection", "nonce", "received", "secret", "window")

    def __init__(self, limit: int, limit_bytes: int, *, nonce: str = "") -> None:
        self.window = Window(limit, limit_bytes)
        self.nonce = nonce
        self.received = 0
        self.attach = 0
        self.connection: object | None = None
        self.confirmed = False
        self.secret = ""
        self._previous = ""

    # -- the rules of an attach ------------------------------------------------------------------------

    def knows(self, secret: str) -> bool:
        """Say whether a secret opens this session, in constant time.

        The secret rotates at each welcome. The one before it is good until the client has used the new
        connection: a welcome may be lost. After that a copied tab, which has the old one, is turned away.
        """
        given = secret.encode()
        new = hmac.compare_digest(self.secret.encode(), given)
        old = hmac.compare_digest(self._previous.encode(), given) and self._previous != ""
        return new or (old and not self.confirmed)

    def is_stale(self, hello: Hello) -> bool:
        """Say whether a newer hello was taken before this one.

        An equal number is the same hello, repeated because its answer was lost; it is good until the client
        has used what the first one gave it.
        """
        if hello.attach == 0:
            return False
        return hello.attach < self.attach or (hello.attach == self.attach and self.confirmed)

    def take_hello(self, connection: object, hello: Hello) -> Attached:
        """Give the session to a connection. Check `knows(hello.secret)` first, if the session is not new.

        The order matters. The fence comes before the count is read: a frame that the old connection still
        delivers in between would be counted here and sent again by a client that was told it had not arrived.

        Raises:
            AttachRefusedError: `stale_attach`; nothing has changed.
        """
        if self.is_stale(hello):
            raise AttachRefusedError("stale_attach", f"attach {hello.attach}, the session is at {self.attach}")
        self.fence(connection)
        if hello.attach == 0 or hello.attach != self.attach:
            self.attach = hello.attach or self.attach + 1
            self.rotate()
        if hello.received is None:
            self.window.reset()
            self.received = 0
            return Attached(resumed=False, reason="reset", lost=0, received=0, replay=())
        if not self.window.confirm(hello.received):
            # It claims more than was ever sent: this is not the conversation that it remembers.
            self.window.reset()
            self.received = 0
            return Attached(resumed=False, reason="unknown", lost=0, received=0, replay=())
        lost, replay = self.window.rest(hello.received)
        reason = "overflow" if lost else None
        return Attached(resumed=not lost, reason=reason, lost=lost, received=self.received, replay=replay)

    def fence(self, connection: object) -> None:
        """From here on only this connection counts."""
        self.connection = connection

    def rotate(self) -> None:
        """Make a new secret. Until the client shows that it has it, the last one that it showed stays good.

        A repeated hello gets the same secret again: either of its two answers may be the one that arrives.
        """
        if self.confirmed or not self._previous:
            self._previous = self.secret
        self.secret = secrets.token_urlsafe(18)
        self.confirmed = False

    def detach(self, connection: object) -> bool:
        """A connection is gone. False if the session had left it before."""
        if self.connection is not connection:
            return False
        self.connection = None
        return True

    # -- counting in -----------------------------------------------------------------------------------

    def hears(self, connection: object) -> bool:
        """Say whether what this connection brings counts. A closed transport may still deliver one more frame."""
        return self.connection is connection

    def count(self, messages: int) -> None:
        """Count messages in, whole on the wire, before anybody looks at them: the client counted them too."""
        self.received += messages

    def skip(self, start: int, messages: int) -> int:
        """Say how many of a POST's first messages are known already. `start` is the POST's `from`.

        Returns:
            0 to `messages`; -1 when there is a hole before them: nothing may be taken.
        """
        known = self.received - start
        if known < 0:
            return -1
        return min(known, messages)

    # -- confirming out ----------------------------------------------------------------------------------

    def confirm(self, received: int) -> bool:
        """The client has received so many messages. False if that cannot be."""
        return self.window.confirm(received)

    def rewind(self, received: int) -> Sequence[Message]:
        """A poll says what the client has; return what it lacks, which must be written again, uncounted.

        The answer to the poll before may never have arrived, so what it carried is confirmed by this
        poll and not by having been written.
        """
        self.window.confirm(received)
        return self.window.rest(received).held
