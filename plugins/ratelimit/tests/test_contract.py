from __future__ import annotations

from rtcore_ratelimit.limiters import KeyLimiter, SessionLimiter, identity

from rtcore.testing import LimiterContract


class TestPerSession(LimiterContract):
    def make_limiter(self, clock, *, rate, burst):
        return SessionLimiter(rate, burst, clock=clock)


class TestPerIdentity(LimiterContract):
    def make_limiter(self, clock, *, rate, burst):
        return KeyLimiter("by_identity", rate, burst, identity, clock=clock, limit=1000)
