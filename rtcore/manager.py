"""The manager: all sessions of this node, and what a program says to them.

Transports bring connections here (`add_connection`), the greeter gives them sessions, the heartbeat takes away what
is dead. This file is the public face, and the end of things: a connection that is lost, a session that is over.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Collection, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from rtcore.backlog import caught_up, furthest
from rtcore.connection import Connection
from rtcore.delivery import Audience, Flusher
from rtcore.departures import Departures
from rtcore.detached import Detached
from rtcore.errors import Rejected
from rtcore.greeter import Greeter
from rtcore.heartbeat import Heartbeat
from rtcore.policies import Policies, from_settings
from rtcore.spi.rooms import Rooms
from rtcore.telemetry import Counters, Metrics
from rtcore.tombstones import Tombstones
from rtcore.wire.codes import closes
from rtcore.wire.errors import BadControlError
from rtcore.wire.format import Format
from rtcore.wire.hello import field
from rtcore.wire.lanes import Pool
from rtcore.wire.message import Message

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.inbound import Inbound
    from rtcore.session import Session
    from rtcore.spi.auth import Identity
    from rtcore.spi.broker import Position
    from rtcore.spi.codec import Codec
    from rtcore.spi.compressor import Compressor
    from rtcore.spi.feed import Healer
    from rtcore.spi.transport import Framing, Handshake, Link
    from rtcore.wire.control import Control

_log = logging.getLogger("rtcore.manager")


class RealtimeManager:
    """Sessions and delivery. `app.manager`.

    Attributes:
        options: the kernel's settings.
        counters: plain integers that metrics read.
        flusher: writes what is pending, once per loop turn.
        policies: what happens to messages that a session cannot take.
        pool: what waits in all lanes together.
        held: messages received and not handled yet, of all sessions together.
        inbound: the chain and the handlers; replaced as a whole when they change.
        healer: brings later what a session cannot take now, if somebody can (`rtcore.spi.feed`).
    """

    def __init__(self, app: App) -> None:
        self.app = app
        self.options = app.options
        self.max_message_size = app.options.max_message_size
        self.ack_every = max(1, app.options.message_buffer_size // 4)
        self.counters = Counters(app.clock)
        self.flusher = Flusher(batch_interval=app.options.batch_interval)
        self.inbound: Inbound
        self.departures = Departures(app)
        self.heartbeat = Heartbeat(self)
        self.greeter = Greeter(self)
        self.draining = False
        self.policies = Policies(
            {**{name: from_settings(s) for name, s in app.options.policies.items()}, **app.policies}
        )
        self.pool = Pool(app.options.max_backlog_bytes, app.options.max_backlog_messages)
        self.held = Pool(app.options.max_backlog_bytes // 4, app.options.max_backlog_messages // 4)
        self.healer: Healer | None = None
        self._everyone = Audience(self.flusher)
        self._sessions: dict[str, Session] = {}
        self._attached = 0
        self._connections = 0
        self._detached = Detached(app.options, self._evict)
        self._tombstones = Tombstones()
        # A format lives as long as somebody uses it: a transport may have a framing per connection.
        self._formats: WeakValueDictionary[tuple[str, str | None, int, int, bool], Format] = (
            WeakValueDictionary()
        )

    # -- what a program says ---------------------------------------------------------------------------

    @property
    def sessions(self) -> Mapping[str, Session]:
        """All sessions of this node by id, attached or not. A live view: do not keep an iterator over a pause."""
        return self._sessions

    @property
    def rooms(self) -> Collection[str]:
        """The rooms that have a member on this node; empty without a rooms plugin."""
        rooms = self.app.find(Rooms)
        return rooms.rooms() if rooms is not None else ()

    def send_to_connection(self, session_id: str, message: Message) -> bool:
        """Send a message to one session, attached or not. False if there is no such session."""
        session = self._sessions.get(session_id)
        return session is not None and session.post(message)

    def broadcast(self, message: Message, *, exclude: Session | str | None = None) -> int:
        """Send a message to every session of this node but one; return to how many."""
        tracing, left_out = self.app.tracing, self._one(exclude)
        if tracing is not None:
            tracing.publish(message, self._everyone.count(left_out))
        return self._everyone.publish(message, exclude=left_out)

    def send_to_room(
        self, room: str, message: Message, *, exclude: Session | str | None = None
    ) -> Position | Awaitable[Position | None] | None:
        """Publish a message to a room's members, on every node; the answer is the broker's.

        Raises:
            Rejected: `no_rooms`, when no rooms plugin is installed; `bad_room`.
        """
        return self._rooms().send(room, message, exclude=self._one(exclude))

    def backlog(self, room: str) -> int:
        """Messages that wait for the member of a room that is furthest behind, of those who are on this node.

        Raises:
            Rejected: `no_rooms`.
        """
        return furthest(self._rooms().members(room))

    async def drained(self, room: str, *, below: int = 1) -> None:
        """Wait until fewer than `below` messages wait for each member of a room; who is away is not waited for.

        Whoever publishes much to a room waits here now and then, so that nothing has to be dropped.

        Raises:
            Rejected: `no_rooms`.
        """
        await caught_up(self._rooms().members(room), below=below)

    async def join_room(self, session: Session | str, room: str) -> None:
        """Make a session a member of a room.

        Raises:
            Rejected: `unknown_session`, or what `Rooms.join` raises.
        """
        member = self._one(session)
        if member is None:
            raise Rejected("unknown_session")
        await self._rooms().join(member, room)

    def leave_room(self, session: Session | str, room: str) -> bool:
        """End a membership; say whether there was one."""
        member = self._one(session)
        return member is not None and self._rooms().leave(member, room)

    def disconnect(self, session_id: str, reason: str = "kicked") -> bool:
        """End a session and tell its client why: a close code's name, or a sentence (then the code is `kicked`).

        Returns:
            False if there is no such session.
        """
        session = self._sessions.get(session_id)
        if session is None:
            return False
        self.close_session(session, reason)
        return True

    def get_metrics(self) -> Metrics:
        """Return how things stand: counts, drops by reason, per transport."""
        return self.counters.snapshot()

    def audience(self) -> Audience:
        """Make an empty set of sessions that can be spoken to together; for features such as rooms."""
        return Audience(self.flusher)

    # -- what transports say ---------------------------------------------------------------------------

    def add_connection(
        self, link: Link, handshake: Handshake, *, identity: Identity | None = None
    ) -> Connection:
        """Take a new connection. It has `hello_timeout` seconds to say hello.

        Args:
            link: the transport's end of it.
            handshake: what the transport knows.
            identity: from `identify`, if the transport asked before it accepted.

        Raises:
            Rejected: `going_away`, `too_many_greetings`, `server_full` or `unsupported_codec`; nothing was
                allocated, and the transport refuses in its own way.
        """
        if self.draining:
            raise self._refused("going_away", 1.0)
        if self.greeter.full:
            raise self._refused("too_many_greetings", 1.0)
        if self._connections >= self.options.max_connections + self.options.max_greetings:
            raise self._refused("server_full", 5.0)
        connection = Connection(self, link, handshake, self.greeter.codec(handshake))
        connection.identity = identity
        self.greeter.expect(connection)
        self._connections += 1
        self.counters.transport(handshake.transport).connections += 1
        return connection

    def identify(self, handshake: Handshake) -> Identity | Awaitable[Identity | None] | None:
        """Ask the authenticators about what is in the handshake. `None`: no credentials that any of them knows.

        Returns:
            The answer, or what has to be awaited for it: an authenticator has to wait for something.

        Raises:
            Rejected: `unauthenticated` or `forbidden`; when awaited, also `hello_timeout`.
        """
        return self.greeter.identify(handshake)

    def find(self, fields: Mapping[str, Any]) -> Connection:
        """Find the connection that a POST or a poll belongs to, from the fields of its `send` or `poll` item.

        Raises:
            Rejected: `bad_control`; `unknown_session`, also when the secret is wrong; `superseded`, when a newer
                attach has taken the session; `going_away`, when the connection was given up meanwhile.
        """
        session, attach = self._named(fields)
        if session.connection is None or attach > session.attach:
            raise Rejected("going_away", "this connection was given up; attach again")
        return session.connection

    def take_goodbye(self, fields: Mapping[str, Any], goodbye: Control) -> int:
        """Take a `bye` or an `away` by a POST, for a session whose connection may be gone already.

        Args:
            fields: as for `find`.
            goodbye: what the client says.

        Returns:
            How many messages the server has received in all, for the answer's `ack`.

        Raises:
            Rejected: as `find`, but for `going_away`; `bad_control`, also for what the goodbye says.
        """
        session, _ = self._named(fields)
        if goodbye.name == "bye":
            self.close_session(session, "bye")
        else:
            try:
                self.departures.begin(session, goodbye.fields)
            except BadControlError as error:
                raise Rejected("bad_control", str(error)) from error
        return session.received

    def connection_lost(self, connection: Connection, code: str) -> None:
        """A transport connection is gone. Its session, if it has not moved on, waits for another one."""
        self.greeter.forget(connection)
        self._connections -= 1
        self.counters.transport(connection.handshake.transport).connections -= 1
        session = connection.session
        if session is None or not session.hears(connection):
            return
        session.fall_behind(connection)
        session.detach(connection)
        self._attached -= 1
        _log.debug("session %s lost its connection: %s", session.id, code)
        self._wait_for(session)

    def give_up(self, connection: Connection, code: str) -> None:
        """Close a connection as soon as whoever is in the middle of a delivery has finished it."""
        asyncio.get_running_loop().call_soon(connection.give_up, code)

    # -- the life of sessions: called by the greeter and the heartbeat ----------------------------------------

    def add_session(self, session: Session) -> None:
        """A session was made."""
        self._sessions[session.id] = session
        self._everyone.add(session)
        self.counters.sessions_opened += 1

    def came_back(self, session: Session, *, was_attached: bool) -> None:
        """A session has a connection. Keeps the counts of who has one and who waits."""
        if not was_attached:
            self._attached += 1
            self._detached.discard(session)
        session.left = None
        self.departures.end(session)

    @property
    def attached(self) -> int:
        """How many sessions have a connection."""
        return self._attached

    @property
    def full(self) -> bool:
        """`max_connections` sessions have a connection."""
        return self._attached >= self.options.max_connections

    def session_confirmed(self, session: Session) -> None:
        """The client has used its connection, so its welcome has arrived."""
        self.greeter.confirmed(session)

    def ack_later(self, session: Session) -> None:
        """Within a second, tell this client what has arrived."""
        self.heartbeat.ack_later(session)

    def why_gone(self, session_id: str, secret: str) -> str:
        """Say why a session is not here, as one of the reasons of `welcome`; how it ended only to whoever it was."""
        node = session_id.partition(".")[0]
        if node != self.app.node:
            return "node_lost"
        return self._tombstones.why(session_id, secret)

    def close_session(
        self, session: Session, code: str, reason: str = "", *, retry_after: float | None = None
    ) -> None:
        """End a session: deliver what is pending, say why, cancel its handlers. Again is harmless.

        A code that closes nothing is taken for the reason of a `kicked`.
        """
        if session.closed is not None:
            return
        if not closes(code):
            code, reason = "kicked", reason or code
        connection = session.connection
        if connection is not None:
            self.flusher.finish(session)
            session.finish()
            connection.close(code, reason, retry_after=retry_after)
            if session.closed is not None:
                return  # its transport has said at once that it is gone, and then the session had no time left
            self._attached -= session.connection is not None
        session.end(code)
        self._detached.discard(session)
        self.departures.end(session)
        self.greeter.confirmed(session)
        del self._sessions[session.id]
        self._everyone.discard(session)
        self.counters.sessions_closed += 1
        self._tombstones.add(session, code)
        self.app.observe("rtcore_session_closed", session=session, reason=code)

    def expire(self, session: Session, left: float) -> None:
        """A detached session's time is up, unless it came back or left again since."""
        if session.left == left:
            self.close_session(session, "session_expired")

    def format(
        self,
        codec: Codec,
        compressor: Compressor | None,
        framing: Framing,
        *,
        batch: int = 0,
        parts: bool = False,
    ) -> Format:
        """Return the one `Format` for a combination; audiences share encoded bytes by its identity."""
        key = (codec.name, compressor.name if compressor is not None else None, id(framing), batch, parts)
        form = self._formats.get(key)
        if form is None:
            options = self.options
            whole = getattr(framing, "whole", False)
            form = self._formats[key] = Format(
                codec,
                framing,
                compressor=compressor,
                threshold=options.compression_threshold,
                batch=batch,
                piece=max(1, options.message_buffer_size // 4) if whole else 2**31,
                parts=parts,
            )
        return form

    # -- the end -----------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Close everything that is still connected with `going_away`: clients resume elsewhere, or here later."""
        self.flusher.drain()
        self.greeter.stop()
        for session in list(self._sessions.values()):
            self.close_session(session, "going_away", retry_after=random.uniform(0.1, 1.0))  # noqa: S311 - a spread

    # -- inside ------------------------------------------------------------------------------------------

    def _wait_for(self, session: Session) -> None:
        """Keep a detached session for a while, within the caps."""
        now = self.app.clock()
        session.left = now
        if session.closed is not None:
            return
        options = self.options
        if options.session_ttl == 0 or options.max_detached == 0:
            self.close_session(session, "session_expired")
            return
        self._detached.add(session)
        self.heartbeat.expire_later(session, now, confirmed=not self.greeter.is_unconfirmed(session))

    def _evict(self, session: Session, bound: str) -> None:
        self.counters.evict(bound)
        self.close_session(session, "evicted")

    def _refused(self, code: str, retry_after: float) -> Rejected:
        self.counters.refuse(code)
        # Spread out, or all who were refused together come back together.
        return Rejected(code, retry_after=retry_after * random.uniform(0.5, 1.5))  # noqa: S311 - a spread

    def _named(self, fields: Mapping[str, Any]) -> tuple[Session, int]:
        """Return the session that the fields of a `send` or `poll` name, and the attach that they are of."""
        try:
            name = field("item", fields, "session", str)
            secret = field("item", fields, "secret", str)
            attach = field("item", fields, "attach", int)
        except BadControlError as error:
            raise Rejected("bad_control", str(error)) from error
        session = self._sessions.get(name)
        if session is None or not session.knows(secret):
            raise Rejected("unknown_session")
        if attach < session.attach:
            raise Rejected("superseded", details={"attach": session.attach})
        return session, attach

    def _rooms(self) -> Rooms:
        rooms = self.app.find(Rooms)
        if rooms is None:
            raise Rejected("no_rooms")
        return rooms

    def _one(self, session: Session | str | None) -> Session | None:
        return self._sessions.get(session) if isinstance(session, str) else session
