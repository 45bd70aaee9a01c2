"""Credentials that run out: at the attach, and while a connection stands."""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace

import pytest

from rtcore import Rejected, greeter, heartbeat, hookimpl
from rtcore.deadlines import Moments
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake
from tests.kernel.harness import Clock, Peer, make_app, turn


class Keys:
    """Knows one client, and until when."""

    name = "keys"

    def __init__(self, expires: float | None) -> None:
        self.expires = expires
        self.slow = 0.0

    @hookimpl
    def rtcore_authenticators(self) -> list[Keys]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity:
        identity = Identity("ann", expires=self.expires)
        await asyncio.sleep(self.slow)
        return identity


class Wall:
    """The clock on the wall."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    clock = SimpleNamespace(time=lambda: wall.now, time_ns=lambda: int(wall.now * 1e9))
    for module in (greeter, heartbeat):
        monkeypatch.setattr(module, "time", clock)
    return wall


async def attached(app: object) -> Peer:
    peer = Peer(app).connect()  # type: ignore[arg-type]
    await turn()
    await turn()
    peer.read()
    return peer


async def test_credentials_that_have_run_out_are_refused_at_the_attach(wall: Wall) -> None:
    keys = Keys(wall.now)
    async with make_app({}, keys) as app:
        peer = await attached(app)
        assert peer.control("close")["code"] == "credentials_expired"
        assert not app.manager.sessions
        keys.expires = wall.now + 0.001
        assert (await attached(app)).session is not None


async def test_credentials_that_run_out_while_somebody_thinks_about_them_are_refused(wall: Wall) -> None:
    keys = Keys(wall.now + 1)
    keys.slow = 0.01
    async with make_app({}, keys) as app:
        peer = Peer(app).connect()
        await turn()
        wall.now += 2
        await asyncio.wait_for(peer_closed(peer), 5)
        assert peer.control("close")["code"] == "credentials_expired"


async def peer_closed(peer: Peer) -> None:
    while peer.link.closed is None:  # noqa: ASYNC110 - the link in memory has no event for it
        await asyncio.sleep(0.001)


async def test_a_connection_ends_at_the_moment_whatever_the_heartbeat_and_the_session_does_not(
    wall: Wall,
) -> None:
    keys, clock = Keys(wall.now + 100), Clock()
    async with make_app({"heartbeat_interval": 3600.0}, keys, clock=clock) as app:
        peer = await attached(app)
        session = peer.session
        wall.now += 99.9
        app.manager.heartbeat.tick(clock.now)
        assert peer.link.closed is None
        wall.now += 0.1
        app.manager.heartbeat.tick(clock.now)
        assert peer.control("close")["code"] == "credentials_expired"
        assert app.manager.sessions == {session.id: session}
        keys.expires = wall.now + 100
        peer.cut()
        peer.connect()
        await turn()
        await turn()
        peer.read()
        assert peer.session is session
        assert peer.control("welcome")["resumed"] is True


async def test_an_attach_with_fresh_credentials_puts_the_end_off(wall: Wall) -> None:
    keys, clock = Keys(wall.now + 100), Clock()
    async with make_app({}, keys, clock=clock) as app:
        peer = await attached(app)
        for expires in (wall.now + 1000, None):
            keys.expires = expires
            peer.cut()
            peer.connect()
            await turn()
            await turn()
            peer.read()
            wall.now += 500
            app.manager.heartbeat.tick(clock.now)
            assert peer.link.closed is None
        wall.now += 10_000
        app.manager.heartbeat.tick(clock.now)
        assert peer.link.closed is None


async def test_an_identity_that_the_transport_brings_is_looked_at_as_well(wall: Wall) -> None:
    async with make_app({}, Keys(None)) as app:
        peer = Peer(app).connect(hello=False)
        peer.connection.identity = Identity("ann", expires=wall.now - 1)
        hello = peer.line.hello(peer.connection)
        peer.say("hello", **hello.fields())
        assert peer.control("close")["code"] == "credentials_expired"


def test_moments_of_what_is_gone_take_no_memory_for_long() -> None:
    class Connection:
        pass

    moments = Moments[Connection]()
    kept = [Connection() for _ in range(10)]
    for n, connection in enumerate(kept):
        moments.add(connection, at=float(n))
    for n in range(100_000):
        moments.add(Connection(), at=1e9 + n)
    gc.collect()
    assert len(moments) < 5000
    assert list(moments.due(now=5.0)) == kept[:6]
    assert list(moments.due(now=2e9)) == kept[6:]


def test_a_refusal_may_be_an_authenticators_own() -> None:
    assert Rejected("credentials_expired").row.number == 4010
