"""Schedules: everything that may happen to a session, at random times, and then a quiet end.

What must hold at each moment is checked where it happens (`server.count_in`, `client._take`, `client._check`); what
must hold in the end is here: whoever is left has everything, and nothing waits for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import attrs

from rtcore.wire import ClientLine, Message

from .client import ClientConnection, SimClient
from .network import Network, Violation
from .server import SimServer, SimSession

#: What happens to sessions: methods of `World`.
USUAL = (*("client_says", "server_says", "cut", "climb") * 2, "slow", "abort_poll")
RARE = ("expire", "reload", "copy")
#: Seconds of the model after the last misfortune within which everything must have arrived.
SETTLE = 60.0
#: Attaches that one schedule may need; more is a fight over the session.
ATTACHES = 250


@attrs.frozen
class Rules:
    """The pieces that a schedule is played with. A test swaps one for a piece that lacks one rule."""

    client_line: type[ClientLine] = ClientLine
    session: type[SimSession] = SimSession
    server: type[SimServer] = SimServer
    client: type[SimClient] = SimClient


class World:
    """One server, one user, and what the schedule does to them."""

    def __init__(self, rng: Random, rules: Rules) -> None:
        self.rng = rng
        self.rules = rules
        self.network = Network(rng)
        self.server = rules.server(self, rng.choice((3, 6, 40)))
        self.server.session_class = rules.session
        self.alone = True  # nobody else ever had the secrets of this user's session
        self.clients: list[SimClient] = []
        self.said = 0
        self.add(rules.client_line(rng.choice((3, 8, 40))))

    def add(self, line: ClientLine, *, forget: bool = False) -> SimClient:
        client = self.rules.client(self, line, forget=forget)
        self.clients.append(client)
        client.connect()
        return client

    def any_client(self) -> SimClient:
        return self.rng.choice(self.clients)

    # -- what happens ------------------------------------------------------------------------------------

    def client_says(self) -> None:
        client = self.any_client()
        for _ in range(self.rng.randint(1, 4)):
            self.said += 1
            client.send(Message("garbled" if self.rng.random() < 0.1 else "said", f"c{self.said}"))

    def server_says(self) -> None:
        for session in list(self.server.sessions.values()):
            for _ in range(self.rng.randint(1, 4)):
                self.said += 1
                self.server.post(session, Message("told", f"s{self.said}"))

    def cut(self) -> None:
        """A stream breaks. Some of what is under way arrives; each side learns of it in its own time."""
        client = self.any_client()
        c = client.current if self.rng.random() < 0.7 else client.asking
        if c is not None and c.up is not None and c.down is not None and c.peer is not None:
            for pipe in (c.up, c.down):
                pipe.cut(self.rng.choice((0.0, 0.1, 0.5)))
            self.network.later(self.rng.uniform(0, 2.0), client.lost, c)
            self.network.later(self.rng.uniform(0, 4.0), self.server.lost, c.peer)
        elif c is not None:
            client.lost(c)

    def climb(self) -> None:
        """The client tries another transport while the one that it has goes on."""
        self.any_client().connect()

    def slow(self) -> None:
        """The server's write buffer is full for a while."""
        session = self.rng.choice([None, *self.server.sessions.values()])
        connection = session.connection if session is not None else None
        if connection is not None and connection.pipe is not None:
            connection.paused = True
            self.network.later(self.rng.uniform(0, 1.5), self._drained, session, connection)

    def _drained(self, session: SimSession, connection: object) -> None:
        if session.connection is not None and session.connection is connection:
            session.connection.paused = False
            self.server.pump(session)

    def abort_poll(self) -> None:
        client = self.any_client()
        c: ClientConnection | None = client.current
        if c is not None and c.token is not None:
            client.poll(c)

    def expire(self) -> None:
        for session in list(self.server.sessions.values()):
            if session.connection is None:
                self.server.expire(session)

    def reload(self) -> None:
        """A page is loaded again: it has what it stored, and none of its messages."""
        self.alone = False
        old = self.any_client()
        if not old.stopped and old.line.session is not None:
            self.clients.remove(old)
            old.stop()
            self.add(self._stored(old.line), forget=True)

    def copy(self) -> None:
        """A tab is copied: both have the same secret, and both go on."""
        original = self.any_client()
        if len(self.clients) < 2 and original.line.session is not None:
            self.alone = False
            self.add(self._stored(original.line), forget=True)

    def _stored(self, line: ClientLine) -> ClientLine:
        stored = self.rules.client_line(line.limit)
        stored.session, stored.secret = line.session, line.secret
        stored.attach = (
            line.attach
        )  # stored before each hello leaves, or a late one of the old page would win
        return stored

    # -- how it ends -------------------------------------------------------------------------------------

    def settled(self) -> bool:
        return all(client.stopped or self._has_all(client) for client in self.clients)

    def _has_all(self, client: SimClient) -> bool:
        line = client.line
        session = self.server.sessions.get(line.session or "")
        return (
            session is not None
            and client.current is not None
            and session.connection is not None
            and session.owner is client
            and not client.queue
            and not session.outbox
            and line.received == session.window.sent
            and session.received == line.window.sent
        )


def draw(rng: Random) -> list[str]:
    """Draw what happens. Most schedules lack the rare acts, so that what they hide is seen too."""
    acts = list(USUAL) + [act for act in RARE if rng.random() < 0.25]
    return [rng.choice(acts) for _ in range(rng.randint(5, 50))]


def play(rng: Random, rules: Rules | None = None, acts: Sequence[str] | None = None) -> World:
    """Play one schedule to its end: `acts` one after the other, then a quiet time.

    Raises:
        Violation: a promise was broken.
    """
    world = World(rng, rules or Rules())
    network = world.network
    for act in draw(rng) if acts is None else acts:
        network.run(network.now + rng.expovariate(2.5))
        getattr(world, act)()
    network.calm = True
    if rng.random() < 0.5:
        network.run(network.now + 1.0)
        for client in world.clients:
            client.connect()
    if not network.run(network.now + SETTLE, world.settled):
        raise Violation("something waits for ever")
    if world.server.attaches > ATTACHES:
        raise Violation("the session is fought over")
    if all(client.stopped for client in world.clients):
        raise Violation("nobody is left")
    return world
