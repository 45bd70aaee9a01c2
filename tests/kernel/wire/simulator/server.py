"""The server of the model: `ServerLine` as the kernel's session, connection and manager drive it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rtcore.wire import AttachRefusedError, Control, Hello, Message, ServerLine, Welcome

from .network import Frame, Pipe, Violation

if TYPE_CHECKING:
    from .client import SimClient
    from .schedule import World

Respond = Callable[..., None]


class Refused(Exception):
    """A poll or a POST is refused."""

    def __init__(self, code: str, attach: int = 0) -> None:
        self.code = code
        self.attach = attach


class SimSession(ServerLine):
    """A session: the line, what waits for it, and the truth about it."""

    __slots__ = ("era", "id", "outbox", "owner", "told", "used")

    connection: ServerConnection | None

    def __init__(self, id: str, limit: int, nonce: str) -> None:
        super().__init__(limit, 2**53, nonce=nonce)
        self.id = id
        self.outbox: deque[Message] = deque()
        self.era = 0  # how often the counts began again
        self.told = 0  # the highest count that an ack has confirmed
        self.owner: SimClient | None = None  # whose hello was taken last
        self.used: tuple[SimClient, str] | None = None  # who used it last, and the secret that it had then

    def restart(self, reason: str) -> None:
        self.era += 1
        self.told = 0
        super().restart(reason)


class ServerConnection:
    """One live connection: a stream, or the polls that came with one attach."""

    __slots__ = ("buffer", "client", "ended", "paused", "pipe", "server", "session", "waiting")

    def __init__(
        self, server: SimServer, client: SimClient, *, pipe: Pipe | None, waiting: Respond | None
    ) -> None:
        self.server = server
        self.client = client
        self.pipe = pipe
        self.waiting = waiting
        self.buffer: Frame = []
        self.session: SimSession | None = None
        self.paused = False
        self.ended = False

    def write(self, items: Sequence[Any]) -> None:
        if self.pipe is not None:
            self.pipe.send(list(items))
            return
        self.buffer.extend(items)
        if self.server.network.chance(0.3):
            self.server.network.later(0.05, self.flush)
        else:
            self.flush()

    def flush(self) -> None:
        """Answer the outstanding poll with what was written; after that nobody listens until the next one."""
        if self.waiting is not None and self.buffer:
            answer, self.waiting = self.waiting, None
            frame, self.buffer = self.buffer, []
            self.paused = True
            answer(frame)

    def close(self, code: str, attach: int = 0) -> None:
        if not self.ended:
            self.write([Control("close", {"code": code, "attach": attach})])
            self.ended = True
            if self.pipe is not None:
                self.pipe.open = False


class SimServer:
    """The manager: sessions by id and by nonce, attaches, polls, POSTs."""

    session_class = SimSession
    poll_hold = 2.0

    def __init__(self, world: World, limit: int) -> None:
        self.world = world
        self.network = world.network
        self.limit = limit
        self.sessions: dict[str, SimSession] = {}
        self.by_nonce: dict[str, SimSession] = {}
        self.expired: set[str] = set()
        self.out: dict[tuple[str, int], list[Message]] = {}  # all that was counted out, by session and era
        self.given: list[str] = []  # secrets, in the order in which they were given
        self.sent_at: dict[str, int] = {}  # messages counted out when a secret was given
        self.opened = 0
        self.attaches = 0

    # -- attach ------------------------------------------------------------------------------------------

    def greet(self, connection: ServerConnection, hello: Hello) -> None:
        self.attaches += 1
        session = self.sessions.get(hello.session or "")
        reason = None
        if hello.session is not None and session is None:
            reason = "expired"
        elif session is not None and not session.knows(hello.secret or ""):
            self._check_turned_away(session, connection.client, hello)
            session, reason = None, "unknown"
        if session is None:
            session = self._find_or_open(connection.client, hello, reason)
            hello = self.anew(hello)
        old, showed = session.connection, hello.secret
        try:
            attached = session.take_hello(connection, hello)
        except AttachRefusedError as error:
            connection.close(error.code)
            return
        self._check_not_stolen(session, connection.client, showed)
        connection.session, session.owner = session, connection.client
        if old is not None and old is not connection:
            old.close("superseded", session.attach)
        if attached.reason == "overflow" and session.told >= session.window.confirmed:
            raise Violation("messages are called lost that the client has confirmed")
        self.given.append(session.secret)
        self.sent_at[session.secret] = session.window.sent
        welcome = Welcome(
            session=session.id, secret=session.secret, attach=session.attach, nonce=hello.nonce,
            resumed=attached.resumed and reason is None, reason=reason or attached.reason, begins=attached.begins,
            received=attached.received, node=str(session.era),
        )  # fmt: skip
        said = [Control("welcome", {"welcome": welcome})]
        if self.network.chance(0.3):
            # Two frames; a poll's answer has the first, and the replay comes with the next.
            connection.write(said)
            said = []
        connection.write([*said, *attached.replay])
        self.pump(session)

    def greet_request(self, client: SimClient, hello: Hello, respond: Respond) -> None:
        """Take a hello that came as a request: its answer is the first of the polls."""
        connection = ServerConnection(self, client, pipe=None, waiting=respond)
        self.greet(connection, hello)
        self.network.later(self.poll_hold, self._end_of_poll, connection, respond)

    def anew(self, hello: Hello) -> Hello:
        return hello.anew()

    def _find_or_open(self, client: SimClient, hello: Hello, reason: str | None) -> SimSession:
        session = self.by_nonce.get(hello.nonce)
        if session is not None and not session.confirmed:
            return session
        had = reason is None and client.opened is not None and client.opened not in self.expired
        if had and client.is_asking(hello):
            raise Violation("a repeated hello opened a second session")
        self.opened += 1
        session = self.session_class(f"s{self.opened}", self.limit, hello.nonce)
        self.sessions[session.id] = self.by_nonce[hello.nonce] = session
        client.opened = session.id
        return session

    def _check_turned_away(self, session: SimSession, client: SimClient, hello: Hello) -> None:
        newest = client.is_asking(hello)
        if newest and session.owner is client:
            raise Violation("a client was turned away from a session that only it has")

    def _check_not_stolen(self, session: SimSession, client: SimClient, showed: str | None) -> None:
        if session.used is not None and showed is not None:
            user, secret = session.used
            if (
                user is not client
                and not user.stopped
                and self.given.index(showed) < self.given.index(secret)
            ):
                raise Violation("a copy took a session that its client had used since")

    # -- in ----------------------------------------------------------------------------------------------

    def receive(self, connection: ServerConnection, frame: Frame) -> None:
        """Take a frame of a stream."""
        session = connection.session
        if session is None:
            if not connection.ended:
                self.greet(connection, frame[0].fields["hello"])
            return
        if session.hears(connection):
            self.take(session, connection, frame)

    def take(self, session: SimSession, connection: ServerConnection, items: Sequence[Any]) -> None:
        if not session.confirmed:
            session.confirmed = True
            self.by_nonce.pop(session.nonce, None)
        session.used = (connection.client, session.secret)
        for item in items:
            if isinstance(item, Message):
                self.count_in(session, connection, item)
            elif session.confirm(item.fields["n"]):
                session.told = max(session.told, item.fields["n"])
            else:
                raise Violation("a client confirmed more than was sent")

    def count_in(self, session: SimSession, connection: ServerConnection, message: Message) -> None:
        session.count(1)
        place = session.received - 1
        truth = connection.client.sent.get((session.id, session.era), [])
        if place >= len(truth) or truth[place] is not message:
            raise Violation(f"the server counts {message.payload} as number {place} of {session.id}")
        if message.type == "garbled":
            self.post(session, Message("error", {"n": session.received, "era": session.era}))
        if self.network.calm or self.network.rng.random() < 0.4:
            self.ack(session)
        else:
            self.network.later(0.5, self.ack, session)

    def ack(self, session: SimSession) -> None:
        if session.connection is not None and session.connection.pipe is not None:
            session.connection.write([Control("ack", {"n": session.received})])

    # -- requests ------------------------------------------------------------------------------------------

    def find(self, fields: Mapping[str, Any]) -> tuple[SimSession, ServerConnection]:
        session = self.sessions.get(fields["session"])
        if session is None or not session.knows(fields["secret"]):
            raise Refused("unknown_session")
        if fields["attach"] != session.attach or session.connection is None:
            raise Refused("superseded", session.attach)
        return session, session.connection

    def poll(self, fields: Mapping[str, Any], respond: Respond) -> None:
        try:
            session, connection = self.find(fields)
            again = session.rewind(fields["received"])
        except Refused as refused:
            respond([Control("close", {"code": refused.code, "attach": refused.attach})])
            return
        except AttachRefusedError as error:
            respond([Control("close", {"code": error.code, "attach": 0})])
            return
        self.take(session, connection, ())
        self.end_older(connection)
        connection.waiting, connection.paused = respond, False
        if again:
            connection.write(again)
        self.pump(session)
        self.network.later(self.poll_hold, self._end_of_poll, connection, respond)

    def end_older(self, connection: ServerConnection) -> None:
        """A newer poll has come: the older ends, empty. What was written to it is written again to the newer."""
        connection.buffer.clear()
        if connection.waiting is not None:
            connection.waiting([])
            connection.waiting = None

    def _end_of_poll(self, connection: ServerConnection, respond: Respond) -> None:
        if connection.waiting is respond:
            connection.waiting = None
            connection.paused = True
            respond(connection.buffer)
            connection.buffer = []

    def post_in(self, fields: Mapping[str, Any], items: Sequence[Any], respond: Respond) -> None:
        """Take a POST."""
        try:
            session, connection = self.find(fields)
        except Refused as refused:
            respond(refused.code, refused.attach)
            return
        messages = [item for item in items if isinstance(item, Message)]
        skip = session.skip(fields["from"], len(messages))
        if skip < 0:
            respond("gap", session.received)
            return
        self.take(session, connection, [item for item in items if isinstance(item, Control)])
        self.take(session, connection, messages[skip:])
        respond("ok", session.received)

    # -- out -----------------------------------------------------------------------------------------------

    def post(self, session: SimSession, message: Message) -> None:
        session.outbox.append(message)
        self.pump(session)

    def pump(self, session: SimSession) -> None:
        """Write what waits, a few at a time, while the connection takes it."""
        connection = session.connection
        while connection is not None and session.outbox and not connection.paused and not connection.ended:
            n = min(len(session.outbox), self.network.rng.randint(1, 3))
            batch = [session.outbox.popleft() for _ in range(n)]
            session.window.push(batch, n)
            self.out.setdefault((session.id, session.era), []).extend(batch)
            connection.write(batch)

    def lost(self, connection: ServerConnection) -> None:
        connection.ended = True
        if connection.session is not None:
            connection.session.detach(connection)

    def expire(self, session: SimSession) -> None:
        """The session was away too long."""
        del self.sessions[session.id]
        self.by_nonce.pop(session.nonce, None)
        self.expired.add(session.id)
