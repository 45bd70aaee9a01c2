"""The server's half of a session's line: who may write to it, what was counted, what must be replayed.

Every rule that makes attach exact is one method here, so that a test can take any of them away and watch
messages get lost (tests/kernel/wire/test_attach_rules.py). No I/O and no clock: the kernel's `Session` adds both.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rtcore.wire.control import Control
from rtcore.wire.errors import AttachRefusedError
from rtcore.wire.parts import Assembly, Part
from rtcore.wire.window import Window

if TYPE_CHECKING:
    from rtcore.spi.codec import Item
    from rtcore.wire.hello import Hello, Place
    from rtcore.wire.message import Message


class Attached(NamedTuple):
    """What an accepted hello led to.

    The caller must write `welcome` with these facts, then the `replay`, before anything else goes out.

    Attributes:
        resumed: the session goes on and the client misses nothing.
        reason: why not: `overflow`, `reset` or `unknown`.
        begins: the count of messages before the first of the replay.
        lost: messages between the hello's `received` and there. Also with `resumed`, when the client confirmed some
            over its older connection after it had made the hello.
        received: how many of the client's messages have arrived.
        replay: what the client lacks, oldest first; already counted out.
    """

    resumed: bool
    reason: str | None
    begins: int
    lost: int
    received: int
    replay: Sequence[Message]


class Key(NamedTuple):
    """What opens a session, also when the session itself is gone.

    Attributes:
        secret: of the last welcome.
        previous: of the one before, while the client may not have the newer; empty when it has.
    """

    secret: str
    previous: str

    def opens(self, secret: str) -> bool:
        """Say whether a secret is one of these, in constant time."""
        given = secret.encode(errors="surrogatepass")  # half a character, as some JSON readers let it through
        new = hmac.compare_digest(self.secret.encode(), given)
        # Whether there is an older one is no secret; which of the two was nearly right is.
        return new if not self.previous else hmac.compare_digest(self.previous.encode(), given) or new


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
        assembly: a message that came in parts and is not all here; `None` if none ever did.
    """

    __slots__ = (
        "_greeted", "_previous", "_restarted", "assembly", "attach", "confirmed", "connection", "nonce", "received",
        "secret", "window",
    )  # fmt: skip

    def __init__(self, limit: int, limit_bytes: int, *, nonce: str = "") -> None:
        self.window = Window(limit, limit_bytes)
        self.nonce = nonce
        self.received = 0
        self.attach = 0
        self.connection: object | None = None
        self.confirmed = False
        self.secret = ""
        self._previous = ""
        self._greeted = ""  # the nonce of the last hello that was taken
        self.assembly: Assembly | None = None
        self._restarted: str | None = None  # why both counts began again, until the client knows of it

    # -- the rules of an attach ------------------------------------------------------------------------

    def knows(self, secret: str) -> bool:
        """Say whether a secret opens this session, in constant time.

        The secret rotates at each welcome. The one before it is good until the client has used the new
        connection: a welcome may be lost. After that a copied tab, which has the old one, is turned away.
        """
        return self.key.opens(secret)

    @property
    def key(self) -> Key:
        """What opens this session now."""
        return Key(self.secret, "" if self.confirmed else self._previous)

    def is_stale(self, hello: Hello) -> bool:
        """Say whether a newer hello was taken before this one.

        An equal number from the same client is the same hello, repeated because its answer was lost; it is good
        until the client has used what the first one gave it. A copied tab has a nonce of its own.
        """
        if hello.attach == self.attach:
            return self.confirmed or hello.nonce != self._greeted
        return hello.attach < self.attach

    def take_hello(self, connection: object, hello: Hello) -> Attached:
        """Give the session to a connection. Check `knows(hello.secret)` first, if the session is not new.

        A session that the hello does not name, new or found by its nonce, takes `hello.anew()`.

        The order matters. The fence comes before the count is read: a frame that the old connection still
        delivers in between would be counted here and sent again by a client that was told it had not arrived.

        Raises:
            AttachRefusedError: `stale_attach`; nothing has changed.
        """
        if self.is_stale(hello):
            raise AttachRefusedError(
                "stale_attach", f"attach {hello.attach}, the session is at {self.attach}"
            )
        self.fence(connection)
        self.see(hello)
        if hello.attach != self.attach:
            self.attach = hello.attach
            self._greeted = hello.nonce
            self.rotate()
        if self._restarted is None:
            if hello.received is None:
                self.restart("reset")
            elif not self.window.confirm(hello.received):
                # It claims more than was ever sent: this is not the conversation that it remembers.
                self.restart("unknown")
        if self._restarted is not None:
            lost, replay = self.window.rest(0)
            return Attached(
                resumed=False,
                reason=self._restarted,
                begins=lost,
                lost=lost,
                received=self.received,
                replay=replay,
            )
        has = hello.received or 0
        lost, replay = self.window.rest(has)
        whole = not lost or not self.window.overflowed
        if not whole:
            self.overflow(hello)
            lost, replay = self.window.rest(has)
        return Attached(
            resumed=whole, reason=None if whole else "overflow", begins=has + lost, lost=lost,
            received=self.received, replay=replay,
        )  # fmt: skip

    def see(self, hello: Hello) -> None:
        """A hello that shows the newest secret proves that its welcome arrived, though nothing else came since."""
        if hello.secret is not None and hmac.compare_digest(
            self.secret.encode(), hello.secret.encode(errors="surrogatepass")
        ):
            self.confirmed = True
        if self.confirmed:
            self._restarted = None

    def restart(self, reason: str) -> None:
        """Begin both counts again. It stays so for every hello whose counts are from before, until the client knows."""
        self.window.reset()
        self.received = 0
        self.assembly = None
        self._restarted = reason

    def overflow(self, hello: Hello) -> None:
        """Some of what this client lacks has left the window. What it can get in another way may leave it, too."""

    def fence(self, connection: object) -> None:
        """From here on only this connection counts."""
        self.connection = connection

    def rotate(self) -> None:
        """Make a new secret. Until the client shows that it has it, the last one that it showed stays good.

        A repeated hello gets the same secret again: either of its two answers may be the one that arrives.
        """
        if self.confirmed or not self._previous:  # else the client may have nothing newer than `_previous`
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

    @property
    def place(self) -> Place | None:
        """What is held of a message that is not all here: where the client goes on."""
        return self.assembly.place if self.assembly is not None else None

    def take_part(self, part: Part, *, limit: int) -> bytes | None:
        """Take a part. Return its message's item when it is whole, with at most `limit` bytes: the caller counts it.

        Raises:
            TooBigError: the item is larger.
            BadPartError: it does not continue what is held.
        """
        if self.assembly is None:
            self.assembly = Assembly()
        return self.assembly.take(part, limit=limit)

    def sift(self, start: int, items: Sequence[Item | Part]) -> tuple[Sequence[Item | Part], int] | None:
        """Return what is new of a POST's items, and how many messages were known. `start` is the POST's `from`.

        A part that is not the last of its message is known if messages that are known come after it.

        Returns:
            `None` when there is a hole before them, or a part does not continue what is held: nothing may be taken.
        """
        known = left = self.skip(start, 2**53)
        if known < 0:
            return None
        news: list[Item | Part] = []
        for item in items:
            if item.__class__ is Control or not left:
                news.append(item)
            elif not isinstance(item, Part) or item.is_last:
                left -= 1
        parts = [item for item in news if isinstance(item, Part)]
        if parts and not (self.assembly or Assembly()).fit(parts):
            return None
        return news, known - left

    # -- confirming out ----------------------------------------------------------------------------------

    def confirm(self, received: int) -> bool:
        """The client has received so many messages. False if that cannot be."""
        return self.window.confirm(received)

    def rewind(self, received: int) -> Sequence[Message]:
        """A poll says what the client has; return what it lacks, which must be written again, uncounted.

        The answer to the poll before may never have arrived, so what it carried is confirmed by this
        poll and not by having been written.

        Raises:
            AttachRefusedError: `stale_poll`: a newer one has confirmed more, nothing has changed; `bad_control`:
                more than was ever sent; `slow_consumer`: what it lacks has left the window. Only a welcome can
                say how much that is, so the client has to say hello.
        """
        if received < self.window.acked:
            raise AttachRefusedError(
                "stale_poll", f"poll: received {received}, {self.window.acked} are confirmed"
            )
        if not self.window.confirm(received):
            raise AttachRefusedError(
                "bad_control", f"poll: received {received}, {self.window.sent} were sent"
            )
        lost, held = self.window.rest(received)
        if lost:
            raise AttachRefusedError("slow_consumer", f"poll: {lost} messages have left the window")
        return held
