"""Authentication and authorisation: who a connection is, and what it may do."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import attrs

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.transport import Handshake


@attrs.frozen
class Identity:
    """Who is behind a session.

    Attributes:
        subject: a stable name, unique per person or service. A session can only be resumed by its own subject.
        claims: facts about the subject (names, tenant, …).
        scopes: what it may do, in the authenticator's words.
        expires: seconds since 1970 after which it is no longer valid; `None`: never.
        anonymous: nobody vouches for the subject.
    """

    subject: str
    claims: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    scopes: frozenset[str] = frozenset()
    expires: float | None = None
    anonymous: bool = False


@runtime_checkable
class Authenticator(Protocol):
    """Makes an identity of credentials. Authenticators are asked in order of name; the first identity wins.

    `authenticate` is a plain function where nothing is waited for (a signature, a key in memory), and an `async` one
    where something is (a database). Plain ones cost no task and no turn of the loop: thousands of clients that
    reconnect at the same moment are let in at twice the pace.
    """

    name: str

    def authenticate(self, handshake: Handshake) -> Identity | Awaitable[Identity | None] | None:
        """Answer for one connection. Called once per attach, before anything is allocated for a session.

        It may be called twice: with what the transport found, and again with the token in `hello`. What is awaited
        has `hello_timeout` seconds.

        Returns:
            An identity; or `None` when there are no credentials of this scheme (somebody else may know).

        Raises:
            Rejected: there are credentials of this scheme and they are wrong (`unauthenticated`) or valid and
                not welcome (`forbidden`). Compare secrets in constant time; never put them in the text.
        """


@runtime_checkable
class Authorizer(Protocol):
    """Decides whether a session may do something to a resource. All authorizers must agree."""

    name: str

    def authorize(self, session: Session, action: str, resource: str) -> Awaitable[None] | None:
        """Return to allow. Called when a right is acquired (a room is joined), not per message.

        May be `async`, if something is waited for; a plain function lets a room be joined without a task.

        Args:
            session: who asks.
            action: such as `"room:join"`, `"room:send"`, `"room:list"`.
            resource: such as the room's name.

        Raises:
            Rejected: with code `forbidden` and a reason that the client may see.
        """
