"""Who is alive: whoever is heard, whoever sends or takes bytes, and for a while whoever is half way."""

from __future__ import annotations

from typing import Any

from rtcore.spi.transport import Moved
from tests.kernel.harness import Clock, Peer, make_app, turn

INTERVAL, TIMEOUT = 30.0, 5.0


class Moving(Peer):
    """A client whose link knows what it has moved."""

    received = taken = 0

    def connect(self, **fields: Any) -> Moving:
        super().connect(**fields)
        self.link.moved = lambda: Moved(self.received, self.taken)  # type: ignore[attr-defined]
        self.read()
        return self

    @property
    def dead(self) -> bool:
        return self.link.closed is not None


class Time:
    """Passes, and the heart beats."""

    def __init__(self, app: Any, clock: Clock) -> None:
        self._app, self._clock = app, clock

    def pass_(self, seconds: float) -> None:
        end = self._clock.now + seconds
        while self._clock.now < end:
            self._clock.now += 0.25
            self._app.manager.heartbeat.tick(self._clock.now)


async def test_silence_after_a_ping_is_the_end() -> None:
    clock = Clock()
    async with make_app(clock=clock) as app:
        time, peer = Time(app, clock), Moving(app).connect()
        time.pass_(INTERVAL + TIMEOUT - 1)
        assert not peer.dead
        time.pass_(2)
        assert peer.link.closed == (4001, "ping_timeout")


async def test_bytes_that_come_are_life_though_no_frame_is_whole() -> None:
    clock = Clock()
    async with make_app(clock=clock) as app:
        time, peer = Time(app, clock), Moving(app).connect()
        time.pass_(INTERVAL + 1)
        for _ in range(20):
            peer.received += 1
            time.pass_(TIMEOUT - 1)
        assert not peer.dead
        time.pass_(2 * TIMEOUT + 1)
        assert peer.dead, "none come any more"


async def test_bytes_that_the_peer_takes_put_the_end_off_and_a_ping_that_it_took_does_not() -> None:
    clock = Clock()
    async with make_app(clock=clock) as app:
        time, peer = Time(app, clock), Moving(app).connect()
        time.pass_(INTERVAL + 1)
        for _ in range(20):
            peer.taken += 10_000
            time.pass_(TIMEOUT - 1)
        assert not peer.dead
        peer.taken += 20
        time.pass_(2 * TIMEOUT + 1)
        assert peer.dead


async def test_a_link_that_dies_half_way_gets_more_patience_up_to_a_bound() -> None:
    clock = Clock()
    async with make_app({"session_ttl": 1000}, clock=clock) as app:
        time, peer = Time(app, clock), Moving(app).connect()
        peer.session.send("news")
        await turn()
        lived = []
        for _ in range(6):
            begun = clock.now
            while not peer.dead:
                time.pass_(0.25)
            lived.append(round((clock.now - begun - INTERVAL) / TIMEOUT))
            peer.connection.lost("ping_timeout")
            peer.line.detach(peer.connection)
            peer.line.received = 0  # it never heard of them
            peer.connect()
        assert lived == [1, 2, 4, 8, 8, 8]
        peer.line.received = peer.session.window.sent
        peer.say("ack", n=peer.line.received)
        time.pass_(INTERVAL + 1)
        peer.say("pong")
        time.pass_(TIMEOUT)
        assert peer.session.patience == 1, "what was half way has arrived"


async def test_a_link_that_dies_with_nothing_half_way_gets_no_more_of_it() -> None:
    clock = Clock()
    async with make_app({"session_ttl": 1000}, clock=clock) as app:
        time, peer = Time(app, clock), Moving(app).connect()
        time.pass_(INTERVAL + TIMEOUT + 1)
        assert peer.dead
        assert peer.session.patience == 1
