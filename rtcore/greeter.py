"""The greeter: from a hello to an attached session.

    hello → who is it? (authenticators) → which session? (resume, or a new one) → attach → welcome, replay

Rule: connect, reconnect, fall back, upgrade and degrade are this one operation. Nothing is allocated for a session
before the identity is known; connections that have not said hello have a deadline and a cap.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final

from rtcore.contained import Escaped, contained
from rtcore.errors import Rejected
from rtcore.session import Session
from rtcore.spi.auth import Identity
from rtcore.spi.limiter import StatedLimiter
from rtcore.wire.errors import AttachRefusedError
from rtcore.wire.hello import Welcome
from rtcore.wire.parts import PART

if TYPE_CHECKING:
    from rtcore.connection import Connection
    from rtcore.manager import RealtimeManager
    from rtcore.spi.auth import Authenticator
    from rtcore.spi.codec import Codec
    from rtcore.spi.compressor import Compressor
    from rtcore.spi.limiter import Limiter
    from rtcore.spi.transport import Handshake
    from rtcore.wire.hello import Hello
    from rtcore.wire.server_line import Attached

_log = logging.getLogger("rtcore.greeter")

#: What clients do if the server says nothing: attempts before they are suspended, seconds where the backoff begins.
USUAL: Final = {"attempts": 5, "delay": 1.0}

#: Everybody of whom nobody knows who they are. Their sessions are theirs by the secret alone.
ANONYMOUS: Final = Identity("anonymous", anonymous=True)


class Greeter:
    """Connections that have not said hello, and what happens when they do."""

    def __init__(self, manager: RealtimeManager) -> None:
        self._manager = manager
        self._greeting: set[Connection] = set()
        # New sessions by the nonce of their hello, until their client is known to have its welcome.
        self._unconfirmed: dict[str, Session] = {}
        self._pace = _pace(manager.app.registry.limiters)
        options = manager.options
        chosen = {"attempts": options.max_reconnect_attempts, "delay": options.reconnect_delay}
        # What clients do by themselves need not be said to each of them.
        self._advice = {key: value for key, value in chosen.items() if value != USUAL[key]}

    # -- before the hello ------------------------------------------------------------------------------

    @property
    def full(self) -> bool:
        """As many connections as may wait to say hello do."""
        return len(self._greeting) >= self._manager.options.max_greetings

    def expect(self, connection: Connection) -> None:
        """A connection has `hello_timeout` seconds to say hello."""
        self._greeting.add(connection)
        self._manager.heartbeat.hello_by(connection)

    def forget(self, connection: Connection) -> None:
        """A connection is gone or attached."""
        self._greeting.discard(connection)

    def too_late(self, connection: Connection) -> None:
        """The hello did not come in time, or its authenticator did not answer."""
        if connection in self._greeting:
            self._greeting.discard(connection)
            connection.refuse(Rejected("hello_timeout"))

    def stop(self) -> None:
        """Close all that have not said hello."""
        for connection in list(self._greeting):
            connection.close("going_away")
        self._greeting.clear()
        self._unconfirmed.clear()

    def codec(self, handshake: Handshake) -> Codec:
        """Choose a connection's codec: the one asked for, or a text one where the transport is text-only.

        Raises:
            Rejected: `unsupported_codec`.
        """
        registry = self._manager.app.registry
        transport = registry.transports.get(handshake.transport)
        default = registry.codecs.get(self._manager.options.codec)
        codec = registry.codecs.get(handshake.codec) if handshake.codec is not None else default
        if codec is not None and codec.binary and transport is not None and not transport.binary:
            # `welcome` says which one it is instead: everything on this connection is in that codec.
            codec = default if default is not None and not default.binary else None
        if codec is None:
            have = ", ".join(sorted(registry.codecs)) or "none"
            raise Rejected("unsupported_codec", f"codec {handshake.codec!r:.40}; installed: {have}")
        return codec

    # -- the hello -------------------------------------------------------------------------------------

    def take_hello(self, connection: Connection, hello: Hello) -> None:
        """Attach a connection: at once, unless somebody has to wait for something to say who it is."""
        if connection.identity is not None or not self._manager.app.registry.authenticators:
            self._attach(connection, hello)
            return
        handshake = connection.handshake
        if hello.token is not None:
            handshake = handshake.with_token(hello.token)
        try:
            found = self.identify(handshake)
        except Exception as error:  # noqa: BLE001 - see _refuse
            self._refuse(connection, error)
            return
        if found is None or isinstance(found, Identity):
            connection.identity = found
            self._attach(connection, hello)
        else:
            self._manager.app.spawn(self._check(connection, found, hello), name="authenticate")

    def identify(self, handshake: Handshake) -> Identity | Awaitable[Identity | None] | None:
        """Ask each authenticator in turn; the first identity wins. The answer, or what to await for it.

        Raises:
            Rejected: what an authenticator raises.
        """
        authenticators = self._manager.app.registry.authenticators
        for place, authenticator in enumerate(authenticators):
            answer = _asked(authenticator, handshake)
            if isinstance(answer, Identity):
                return answer
            if answer is not None:
                return self._wait_for(answer, handshake, authenticators[place + 1 :])
        return None

    async def _wait_for(
        self, answer: Awaitable[Identity | None], handshake: Handshake, others: Sequence[Authenticator]
    ) -> Identity | None:
        """Wait for an authenticator, and ask the others after it. All of them have `hello_timeout` seconds."""
        try:
            async with asyncio.timeout(self._manager.options.hello_timeout):
                identity = await contained(answer, "an authenticator")
                for authenticator in others:
                    if identity is not None:
                        break
                    asked = _asked(authenticator, handshake)
                    if asked is not None and not isinstance(asked, Identity):
                        asked = await contained(asked, f"the authenticator {authenticator.name!r}")
                    identity = asked
                return identity
        except TimeoutError as error:
            raise Rejected("hello_timeout", "the authenticators took too long") from error

    async def _check(self, connection: Connection, found: Awaitable[Identity | None], hello: Hello) -> None:
        began = time.time_ns()
        try:
            connection.identity = await found
        except Exception as error:  # noqa: BLE001 - see _refuse
            self._refuse(connection, error, since=began)
        else:
            if connection.open:
                self._attach(connection, hello, since=began)
                connection.release()

    def _refuse(self, connection: Connection, error: Exception, *, since: int | None = None) -> None:
        """Turn a connection away; one client's credentials must not take the server down."""
        if not isinstance(error, Rejected):
            _log.error("an authenticator failed", exc_info=error)
            error = Rejected("internal", "authentication failed; try again")
        tracing = self._manager.app.tracing
        if tracing is not None:
            with tracing.attach_span(connection.handshake, since=since) as span:
                span.refused(error.code)
        connection.refuse(error)

    # -- attach ----------------------------------------------------------------------------------------

    def _attach(self, connection: Connection, hello: Hello, *, since: int | None = None) -> None:
        """Attach, or say why not; inside a span, if somebody records that, which began with the hello."""
        tracing = self._manager.app.tracing
        try:
            if tracing is None:
                self._take(connection, hello)
            else:
                with tracing.attach_span(connection.handshake, since=since) as span:
                    session, resumed, reason = self._take(connection, hello)
                    span.attached(session.id, resumed=resumed, reason=reason)
        except Rejected as refusal:
            self._greeting.discard(connection)
            connection.refuse(refusal)
        except Exception:  # noqa: BLE001 - one client must not take the others down
            _log.exception("an attach failed")
            self._greeting.discard(connection)
            connection.refuse(Rejected("internal", "the attach failed; try again"))

    def _take(self, connection: Connection, hello: Hello) -> tuple[Session, bool, str | None]:
        """Give the connection its session; return that, whether it goes on whole, and why not if it was asked for.

        Raises:
            Rejected: neither an old session nor a new one may have this connection.
        """
        manager = self._manager
        identity = self._identity(connection)
        session, reason = self._session(hello, identity)
        was_attached = session is not None and session.connection is not None
        if manager.full and not was_attached:
            raise Rejected("server_full", retry_after=5.0)
        self._greeting.discard(connection)
        new = session is None
        if session is None:
            session = self._make(connection, hello, identity)
        named = session.id == hello.session
        if not named:
            hello = hello.anew()
        old = session.connection
        try:
            attached = session.take_hello(connection, hello)
        except AttachRefusedError as refused:
            raise Rejected(refused.code, str(refused)) from refused
        if old is not None and old is not connection:
            old.close("superseded", attach=session.attach)
        if not identity.anonymous:
            session.identify(identity)
        manager.came_back(session, was_attached=was_attached)
        self._connect(connection, session, hello)
        self._welcome(connection, session, hello, attached, new=not named, reason=reason or attached.reason)
        counters = manager.counters
        counters.attaches += 1
        if attached.reason == "overflow":
            session.drop("window_overflow", attached.lost)
        counters.transport(connection.handshake.transport).attaches += 1
        if new:
            manager.app.observe("rtcore_session_opened", session=session)
        else:
            counters.resumes += attached.resumed
            manager.app.observe("rtcore_session_resumed", session=session)
        return session, attached.resumed and not new and reason is None, reason

    def _identity(self, connection: Connection) -> Identity:
        if connection.identity is not None:
            return connection.identity
        allowed = self._manager.options.allow_anonymous
        if allowed is None:
            allowed = not self._manager.app.registry.authenticators
        if not allowed:
            raise Rejected(
                "unauthenticated", "no credentials; put a token into hello or an Authorization header"
            )
        return ANONYMOUS

    def _session(self, hello: Hello, identity: Identity) -> tuple[Session | None, str | None]:
        """Find the session that a hello means; if it names one that it cannot have, say why not."""
        manager = self._manager
        reason = None
        if hello.session is not None:
            session = manager.sessions.get(hello.session)
            if session is None:
                reason = manager.why_gone(hello.session, hello.secret or "")
            elif not session.knows(hello.secret or ""):
                reason = "unknown"
            elif not _same(session.identity, identity):
                reason = "identity_changed"
            else:
                return session, None
        # A new one, unless this hello made one before and the answer was lost.
        again = self._unconfirmed.get(hello.nonce)
        return (again if again is not None and _same(again.identity, identity) else None), reason

    def _make(self, connection: Connection, hello: Hello, identity: Identity) -> Session:
        manager = self._manager
        name = f"{manager.app.node}.{secrets.token_urlsafe(12)}"
        session = Session(manager, name, identity, nonce=hello.nonce, now=manager.app.clock())
        session.form = connection.form
        session.client = hello.client
        self._unconfirmed[hello.nonce] = session
        manager.add_session(session)
        return session

    def _connect(self, connection: Connection, session: Session, hello: Hello) -> None:
        """Agree on how this connection speaks."""
        manager = self._manager
        connection.compressor = self._compressor(connection, hello)
        framing = connection.link.framing
        by_frame = getattr(framing, "compression", "frame") == "frame"
        compressor = connection.compressor if by_frame else None
        batch = manager.options.batch_size if hello.batch and manager.options.enable_batching else 0
        connection.form = manager.format(
            connection.codec, compressor, framing, batch=batch, parts=hello.parts > 0
        )
        session.form = connection.form
        session.covers = hello.covers
        session.largest = hello.parts
        session.transport_name = connection.handshake.transport
        session.replays = max(0, hello.sent - session.received)
        session.acked(session.received)
        connection.attached(session, session.attach)
        manager.heartbeat.watch(connection)

    def _compressor(self, connection: Connection, hello: Hello) -> Compressor | None:
        """The client's first wish that is here, where compressing makes sense at all."""
        app = self._manager.app
        transport = app.registry.transports.get(connection.handshake.transport)
        own = getattr(connection.link.framing, "compression", "frame") == "none"
        if own or not app.options.enable_compression or transport is None or not transport.binary:
            return None
        return next(
            (app.registry.compressors[name] for name in hello.compress if name in app.registry.compressors),
            None,
        )

    def _welcome(
        self,
        connection: Connection,
        session: Session,
        hello: Hello,
        attached: Attached,
        *,
        new: bool,
        reason: str | None,
    ) -> None:
        options = self._manager.options
        limits: dict[str, float] = {
            "max_message_size": options.max_message_size,
            "window": options.message_buffer_size,
            "window_bytes": options.message_buffer_bytes,
            "part": PART,
        }
        limits |= self._pace
        welcome = Welcome(
            session=session.id,
            secret=session.secret,
            attach=session.attach,
            nonce=hello.nonce,
            resumed=attached.resumed and not new and reason is None,
            reason=reason,
            begins=attached.begins,
            rooms=not new,
            received=attached.received,
            part=session.place,
            codec=connection.codec.name,
            compress=connection.compressor.name if connection.compressor is not None else None,
            batch=hello.batch,
            transport=connection.handshake.transport,
            node=self._manager.app.node,
            interval=options.heartbeat_interval,
            timeout=options.ping_timeout,
            limits=limits,
            ttl=options.session_ttl,
            reconnect=self._advice,
        )
        connection.control("welcome", welcome.fields())
        goes_on = attached.reason in {None, "overflow"}
        session.replay(hello.received or 0, attached.replay, hello.part if goes_on else None)
        if connection.paused:
            session.fall_behind(connection)
        else:
            session.catch_up(connection)
        session.attached(connection)

    # -- the first use -----------------------------------------------------------------------------------

    def confirmed(self, session: Session) -> None:
        """The client has its welcome, or the session is over: the nonce stands for nothing any more."""
        if self.is_unconfirmed(session):
            del self._unconfirmed[session.nonce]
        session.nonce = ""

    def is_unconfirmed(self, session: Session) -> bool:
        """Nobody knows whether the client has ever heard of this session."""
        return self._unconfirmed.get(session.nonce) is session


def _pace(limiters: Sequence[Limiter]) -> dict[str, float]:
    """Return the slowest pace that the limiters state, as `welcome` writes it; nothing if none does."""
    stated = [limiter for limiter in limiters if isinstance(limiter, StatedLimiter)]
    if not stated:
        return {}
    return {
        "rate_per_second": min(limiter.rate for limiter in stated),
        "burst": min(limiter.burst for limiter in stated),
    }


def _asked(
    authenticator: Authenticator, handshake: Handshake
) -> Identity | Awaitable[Identity | None] | None:
    """Ask one authenticator. What it raises ends nothing but this question.

    Raises:
        Rejected: by the authenticator.
    """
    try:
        return authenticator.authenticate(handshake)
    except Exception:
        raise
    except BaseException as error:
        raise Escaped(f"the authenticator {authenticator.name!r}", error) from error


def _same(one: Identity, other: Identity) -> bool:
    return one.subject == other.subject and one.anonymous == other.anonymous
