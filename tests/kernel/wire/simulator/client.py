"""The client of the model: `ClientLine` as a client drives it over streams, POSTs and polls."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from rtcore.wire import BadControlError, ClientLine, Control, Hello, Message, Resumption, Welcome

from .network import Frame, Pipe, Violation
from .server import ServerConnection

if TYPE_CHECKING:
    from .schedule import World

Kind = Literal["websocket", "sse", "polling"]
KINDS: tuple[Kind, ...] = ("websocket", "sse", "polling")


class ClientConnection:
    """One connection as the client sees it: a stream down, and a stream or POSTs up; or polls."""

    __slots__ = ("ack_due", "alive", "cursor", "down", "kind", "peer", "posting", "token", "up")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.alive = True
        self.up: Pipe | None = None
        self.down: Pipe | None = None
        self.peer: ServerConnection | None = None
        self.token: object | None = None  # the newest poll
        self.cursor = 0  # the place of the next message to POST
        self.posting = 0
        self.ack_due = False


class SimClient:
    """One page, or one process: a line, what waits to be sent, and the truth about what was."""

    hello_timeout = 3.0
    poll_timeout = 5.0
    post_timeout = 1.5
    posts_at_once = 2

    def __init__(self, world: World, line: ClientLine, *, forget: bool = False) -> None:
        self.world = world
        self.network = world.network
        self.line = line
        self.forget = forget
        self.queue: deque[Message] = deque()
        self.sent: dict[tuple[str, int], list[Message]] = {}  # all that was counted out, by session and era
        self.era: tuple[str, int] = ("", 0)
        self.asking: ClientConnection | None = None
        self.current: ClientConnection | None = None
        self.stopped = False
        self.opened: str | None = None  # the session that the server opened for it last
        self.forgot = forget  # has ever asked for a reset
        self.hellos = 0
        self._due = False

    # -- connections -----------------------------------------------------------------------------------

    def connect(self, kind: Kind | None = None) -> None:
        """Open a connection and say hello. One that was asking before is not waited for, nor closed; the current
        one lives on.
        """
        if self.stopped:
            return
        c = self.asking = ClientConnection(kind or self.network.rng.choice(KINDS))
        hello = self.line.hello(c, forget=self.forget)
        self.hellos = hello.attach
        self.forget = False
        server = self.world.server
        if c.kind == "polling":
            self.network.request(partial(server.greet_request, self), partial(self._answered, c), hello)
        else:
            c.down = Pipe(self.network, partial(self.on_frame, c))
            c.peer = ServerConnection(server, self, pipe=c.down, waiting=None)
            c.up = Pipe(self.network, partial(server.receive, c.peer))
            c.up.send([Control("hello", {"hello": hello})])
        self.network.later(self.hello_timeout, self._give_up, c)

    def is_asking(self, hello: Hello) -> bool:
        """Say whether the answer to this hello is still waited for."""
        return self.asking is not None and hello.attach == self.line.attach

    def _give_up(self, c: ClientConnection) -> None:
        if c is not self.current:
            self.lost(c)

    def lost(self, c: ClientConnection) -> None:
        """A connection is gone, or is given up."""
        if not c.alive:
            return
        self._discard(c)
        self.line.detach(c)
        if self.asking is c:
            self.asking = None
        if self.current is c:
            self.current = None
        if self.current is None and self.asking is None and not self._due:
            self._due = True
            self.network.later(self.network.rng.uniform(0, 0.5), self._reconnect)

    def _reconnect(self) -> None:
        self._due = False
        if self.current is None and self.asking is None:
            self.connect()

    def _discard(self, c: ClientConnection) -> None:
        """Close a connection on this side. What is under way in it may still reach the server, and late."""
        c.alive = False
        c.token = None
        if c.up is not None and c.peer is not None:
            c.up.cut(0.0 if self.network.chance(0.3) else 5.0)
            self.network.later(self.network.latency(), self.world.server.lost, c.peer)

    def stop(self) -> None:
        self.stopped = True
        for c in (self.asking, self.current):
            if c is not None:
                self._discard(c)
                self.line.detach(c)
        self.asking = self.current = None

    # -- in ----------------------------------------------------------------------------------------------

    def _answered(self, c: ClientConnection, frame: Frame) -> None:
        self.on_frame(c, frame)
        if c is self.current and c.token is None:
            self.poll(c)

    def on_frame(self, c: ClientConnection, frame: Frame) -> None:
        for item in frame:
            if not c.alive:
                return
            if isinstance(item, Message):
                self._take(c, item)
            elif item.name == "welcome":
                self._welcome(c, item.fields["welcome"])
            elif item.name == "close":
                self._closed(c, item.fields["code"], item.fields["attach"])
            elif self.line.hears(c) and item.name == "ack":
                if not self.line.confirm(item.fields["n"]):
                    raise Violation("the server confirmed more than was sent")
                self.pump()

    def _take(self, c: ClientConnection, message: Message) -> None:
        if not self.line.take(c):
            return
        place = self.line.received - 1
        truth = self.world.server.out.get(self.era, [])
        if place >= len(truth) or truth[place] is not message:
            raise Violation(f"the client counts {message.payload} as number {place} of {self.era}")
        if message.type == "error":
            self._check_error(**message.payload)
        if c.kind != "polling" and not c.ack_due:
            c.ack_due = True
            self.network.later(self.network.rng.uniform(0, 1.0), self._ack, c)

    def _check_error(self, n: int, era: int) -> None:
        # One that waited while the counts began again speaks of the old ones.
        if era == self.era[1] and self.sent[self.era][n - 1].type != "garbled":
            raise Violation("an error names a message that was well")

    def _ack(self, c: ClientConnection) -> None:
        c.ack_due = False
        if self.line.hears(c) and c.alive:
            ack = Control("ack", {"n": self.line.received})
            if c.up is not None and c.kind == "websocket":
                c.up.send([ack])
            else:
                self._post(c, self.line.window.confirmed, [ack])

    def _closed(self, c: ClientConnection, code: str, attach: int) -> None:
        if code == "superseded" and not self.line.is_mine(attach):
            self.stop()
            return
        if code == "superseded" and attach > self.hellos:
            raise Violation("a client whose session another has taken comes back for it")
        self.lost(c)

    def _welcome(self, c: ClientConnection, welcome: Welcome) -> None:
        before, confirmed = self.line.session, self.line.window.confirmed
        try:
            resumption = self.line.take_welcome(c, welcome)
        except BadControlError as error:
            raise Violation(str(error)) from error
        if resumption is None:
            self.lost(c)
            return
        anew = resumption.fresh or welcome.reason in {"reset", "unknown"}
        if anew and list(resumption.unknown) != self.sent.get(self.era, [])[confirmed:]:
            raise Violation("the outcome of a message is unknown, and nobody was told")
        old, self.current = self.current, c
        if self.asking is c:
            self.asking = None
        if old is not None and old is not c:
            self.network.later(self.network.rng.uniform(0, 1.0), self._discard, old)
        self._check(before, welcome, resumption)
        self.era = (welcome.session, int(welcome.node))
        c.cursor = self.line.window.confirmed
        if c.kind == "websocket" and c.up is not None:
            for message in resumption.resend:
                c.up.send([message])
        self.pump()
        if c.kind == "polling" and c.token is None:
            # The rest of the answer's frame is still to be taken; the poll goes out after it.
            self.network.later(0.0, self._poll_if_none, c)

    def _check(self, before: str | None, welcome: Welcome, resumption: Resumption) -> None:
        """See whether a welcome told the truth, and had a cause for anything but `resumed`."""
        server, alone = self.world.server, self.world.alone
        if before is not None and resumption.fresh and alone and before not in server.expired:
            raise Violation("another session, without a cause")
        if not resumption.fresh and welcome.reason in {"reset", "unknown"} and alone and not self.forgot:
            raise Violation("the counts began again, without a cause")
        held = server.sent_at[welcome.secret] - server.limit
        if resumption.missed and (welcome.resumed or self.line.received > held):
            raise Violation("messages are called lost that could be replayed")
        if resumption.unknown and not resumption.fresh and welcome.reason not in {"reset", "unknown"}:
            raise Violation("unknown outcomes in a session that goes on")

    # -- out ---------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        self.queue.append(message)
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as the window allows."""
        c = self.current
        if c is None or not c.alive:
            return
        if c.kind == "websocket" and c.up is not None:
            while self.queue and not self.line.full:
                n = self.network.rng.randint(1, 2)
                frame = [self._put() for _ in range(n) if self.queue and not self.line.full]
                c.up.send(frame)
            return
        while c.posting < self.posts_at_once:
            window = self.line.window
            c.cursor = max(c.cursor, window.confirmed)  # after a gap, an ack may have overtaken it
            batch = list(window.rest(c.cursor).held)[:3]
            while len(batch) < 3 and self.queue and not self.line.full:
                batch.append(self._put())
            if not batch:
                return
            start = c.cursor
            c.cursor += len(batch)
            c.posting += 1
            self._post(c, start, batch)

    def _put(self) -> Message:
        message = self.queue.popleft()
        self.line.put(message, 1)
        self.sent.setdefault(self.era, []).append(message)
        return message

    def _names(self) -> dict[str, Any]:
        return {"session": self.line.session, "secret": self.line.secret, "attach": self.line.attached}

    def _post(self, c: ClientConnection, start: int, items: Sequence[Any]) -> None:
        """POST, and again until there is an answer."""
        fields = {**self._names(), "from": start}
        pending = [True]
        data = isinstance(items[0], Message)

        def answered(code: str, n: int) -> None:
            if not pending:
                return
            pending.clear()
            if data:
                c.posting -= 1
            if not c.alive or not self.line.hears(c):
                return
            if code == "ok":
                if not self.line.confirm(n):
                    raise Violation("the server confirmed more than was sent")
            elif code == "gap":
                c.cursor = min(c.cursor, n)
            else:
                self._closed(c, code, n)
            self.pump()

        def again() -> None:
            if pending and c.alive and self.line.hears(c):
                self.network.request(self.world.server.post_in, answered, fields, items)
                self.network.later(self.post_timeout, again)

        again()

    # -- polls -------------------------------------------------------------------------------------------

    def _poll_if_none(self, c: ClientConnection) -> None:
        if c is self.current and c.alive and c.token is None:
            self.poll(c)

    def poll(self, c: ClientConnection) -> None:
        """Poll; one that is outstanding is aborted, and may be answered all the same."""
        token = c.token = object()
        fields = {**self._names(), "received": self.line.rewind()}

        def answered(frame: Frame) -> None:
            if self.is_newest(c, token) and c.alive:
                c.token = None
                self._answered(c, frame)

        def overdue() -> None:
            if c.token is token and self.line.hears(c):
                self.poll(c)

        self.network.request(self.world.server.poll, answered, fields)
        self.network.later(self.poll_timeout, overdue)

    def is_newest(self, c: ClientConnection, token: object) -> bool:
        """Say whether this is the poll whose answer counts."""
        return c.token is token
