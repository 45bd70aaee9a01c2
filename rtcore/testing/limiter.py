"""The contract of limiters: `rtcore.spi.limiter.Limiter`, as tests."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcore.session import Session
from rtcore.spi.auth import Identity
from rtcore.spi.limiter import GivingLimiter, Limiter
from rtcore.spi.transport import Handshake
from rtcore.testing.clock import FakeClock
from rtcore.testing.contract import Contract

_relaxed = settings(suppress_health_check=[HealthCheck.differing_executors], deadline=None)
_numbers = iter(range(10**9))


def fake_session(subject: str | None = None, *, peer: str = "192.0.2.1") -> Session:
    """Return what a limiter looks at of a session: id, identity, extra, connection and its handshake.

    Args:
        subject: of its identity; `None` for an anonymous one.
        peer: the address that it comes from.
    """
    identity = Identity(subject or "anonymous", anonymous=subject is None)
    connection = SimpleNamespace(handshake=Handshake("in_memory", peer=peer), identity=identity)
    fake: Any = SimpleNamespace(
        id=f"fake.{next(_numbers)}", identity=identity, extra={}, connection=connection, closed=None
    )
    return cast("Session", fake)


class LimiterContract(Contract):
    """Subclass it and give `make_limiter`; `make_session`, too, if what is limited is not each session by itself."""

    def make_limiter(self, clock: FakeClock, *, rate: float, burst: int) -> Limiter:
        """Return a limiter of `rate` messages a second, `burst` at once, that lives by the clock."""
        raise NotImplementedError

    def make_session(self) -> Session:
        """Return a session with an allowance of its own."""
        return fake_session(f"user {next(_numbers)}", peer=f"192.0.2.{next(_numbers) % 250}")

    def test_it_is_a_limiter_with_a_name(self) -> None:
        limiter = self.make_limiter(FakeClock(), rate=10, burst=5)
        assert isinstance(limiter, Limiter)
        assert limiter.name

    def test_a_burst_passes_and_no_more(self) -> None:
        limiter, session = self.make_limiter(FakeClock(), rate=10, burst=5), self.make_session()
        assert [limiter.take(session) for _ in range(5)] == [0.0] * 5
        assert limiter.take(session) > 0

    def test_the_seconds_that_it_says_are_exact(self) -> None:
        clock = FakeClock()
        limiter, session = self.make_limiter(clock, rate=7, burst=3), self.make_session()
        for _ in range(3):
            limiter.take(session)
        for _ in range(50):
            wait = limiter.take(session)
            assert wait == pytest.approx(1 / 7, abs=1e-6)
            clock.advance(wait * 0.99)
            assert limiter.take(session) > 0
            clock.advance(wait * 0.01)
            assert limiter.take(session) == 0.0

    def test_nothing_is_taken_by_a_refusal(self) -> None:
        clock = FakeClock()
        limiter, session = self.make_limiter(clock, rate=10, burst=2), self.make_session()
        limiter.take(session)
        limiter.take(session)
        waits = {round(limiter.take(session), 6) for _ in range(100)}
        assert waits == {0.1}
        clock.advance(0.1)
        assert limiter.take(session) == 0.0

    def test_what_was_given_back_can_be_taken_again(self) -> None:
        limiter, session = self.make_limiter(FakeClock(), rate=10, burst=3), self.make_session()
        if not isinstance(limiter, GivingLimiter):
            return  # it need not be able to
        limiter.take(session)
        for _ in range(5):
            assert limiter.take(session) == 0.0
            limiter.give_back(session)
        assert [limiter.take(session) for _ in range(2)] == [0.0] * 2
        assert limiter.take(session) > 0
        assert limiter.take(session, 0.0) == 0.0
        limiter.give_back(session, 2.0)
        assert limiter.take(session, 2.0) == 0.0
        assert limiter.take(session) > 0

    def test_silence_saves_up_one_burst_and_no_more(self) -> None:
        clock = FakeClock()
        limiter, session = self.make_limiter(clock, rate=10, burst=4), self.make_session()
        for _ in range(4):
            limiter.take(session)
        clock.advance(3600)
        assert [limiter.take(session) for _ in range(4)] == [0.0] * 4
        assert limiter.take(session) > 0

    def test_sessions_do_not_pay_for_each_other(self) -> None:
        limiter = self.make_limiter(FakeClock(), rate=10, burst=1)
        one, other = self.make_session(), self.make_session()
        assert limiter.take(one) == 0.0
        assert limiter.take(one) > 0
        assert limiter.take(other) == 0.0

    def test_what_costs_more_takes_more(self) -> None:
        limiter, session = self.make_limiter(FakeClock(), rate=10, burst=5), self.make_session()
        assert limiter.take(session, 4.0) == 0.0
        assert limiter.take(session, 2.0) == pytest.approx(0.1, abs=1e-6)
        assert limiter.take(session) == 0.0

    @_relaxed
    @given(st.lists(st.floats(0, 0.5), max_size=150), st.floats(1, 50), st.integers(1, 10))
    def test_however_it_is_asked_it_grants_no_more_than_rate_and_burst(
        self, pauses: list[float], rate: float, burst: int
    ) -> None:
        clock = FakeClock(0.0)
        limiter, session = self.make_limiter(clock, rate=rate, burst=burst), self.make_session()
        granted = 0
        for pause in pauses:
            clock.advance(pause)
            granted += limiter.take(session) == 0.0
        assert granted <= burst + rate * clock.time() + 1e-6

    def test_it_is_quick(self) -> None:
        limiter, session = self.make_limiter(FakeClock(), rate=1e9, burst=5), self.make_session()
        best = 1e9
        for _ in range(20):
            began = time.process_time()
            for _ in range(1000):
                limiter.take(session)
            best = min(best, time.process_time() - began)
        # A microsecond is the aim; a slow or busy machine has room.
        assert best / 1000 < 5e-6
