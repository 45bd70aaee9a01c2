from __future__ import annotations

import pytest
import rtcore_ratelimit
from rtcore_ratelimit.limiters import KeyLimiter, SessionLimiter, address, identity, limiters
from rtcore_ratelimit.settings import Settings

from rtcore.app import App
from rtcore.limiting import together
from rtcore.testing import FakeClock, InMemoryTransport, PlainCodec, WireClient, fake_session


def app_with(clock, transport=None, **settings):
    plugins = [rtcore_ratelimit, PlainCodec(), *([transport] if transport else [])]
    app = App(settings, plugins=plugins, clock=clock)

    @app.handler("echo")
    def echo(payload):
        return payload

    return app


def test_without_more_settings_there_is_one_limiter_with_the_rate_of_the_app():
    app = app_with(FakeClock(), rate_limit_per_second=5)
    app.boot()
    [limiter] = app.registry.limiters
    assert (limiter.rate, limiter.burst) == (5, 10)


def test_a_rate_of_zero_is_no_limit():
    app = app_with(FakeClock(), rate_limit_per_second=0)
    app.boot()
    assert app.registry.limiters == ()


def test_identities_and_addresses_are_limited_where_asked_for():
    found = limiters(10, Settings(identity_rate=3, address_rate=4, address_burst=9), clock=FakeClock())
    assert [(limiter.name, limiter.rate, limiter.burst) for limiter in found] == [
        ("ratelimit", 10, 20),
        ("ratelimit_address", 4, 9),
        ("ratelimit_identity", 3, 6),
    ]


async def test_who_sends_too_fast_is_told_when_to_try_again():
    clock, transport = FakeClock(), InMemoryTransport()
    async with app_with(clock, transport, rate_limit_per_second=10, ratelimit={"burst": 3}):
        client = WireClient()
        await client.attach(transport.connect())
        answers = [await client.request("echo", n) for n in range(4)]
        assert [answer.type for answer in answers] == ["reply"] * 3 + ["error"]
        error = answers[3].payload
        assert (error["code"], error["retry"], error["retry_after"]) == ("rate_limited", True, 0.1)
        clock.advance(0.1)
        assert (await client.request("echo", "again")).payload == "again"


async def test_an_allowance_is_the_sessions_and_survives_a_reconnect():
    clock, transport = FakeClock(), InMemoryTransport()
    async with app_with(clock, transport, ratelimit={"burst": 1}):
        client = WireClient()
        await client.attach(transport.connect())
        assert (await client.request("echo")).type == "reply"
        await client.cut()
        await client.attach(transport.connect())
        assert (await client.request("echo")).payload["code"] == "rate_limited"


def limited(key, *, limit=1000, clock=None):
    return KeyLimiter("test", 1, 1, key, clock=clock or FakeClock(), limit=limit)


def test_all_sessions_of_one_identity_share_its_allowance():
    limiter = limited(identity)
    assert limiter.take(fake_session("alice")) == 0.0
    assert limiter.take(fake_session("alice")) > 0
    assert limiter.take(fake_session("bob")) == 0.0


def test_nobody_in_particular_shares_with_nobody():
    limiter = limited(identity)
    assert [limiter.take(fake_session()) for _ in range(5)] == [0.0] * 5


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("", "", False),
    ],
)
def test_addresses_are_told_apart_as_customers_are(one, other, shared):
    limiter = limited(address)
    assert limiter.take(fake_session(peer=one)) == 0.0
    assert (limiter.take(fake_session(peer=other)) > 0) == shared


def test_an_address_is_looked_at_again_when_the_session_moves():
    limiter, session = limited(address), fake_session(peer="192.0.2.1")
    assert limiter.take(session) == 0.0
    assert limiter.take(session) > 0
    session.connection = fake_session(peer="192.0.2.2").connection
    assert limiter.take(session) == 0.0
    session.connection = None
    assert limiter.take(session) == 0.0


def test_so_many_keys_are_remembered_and_no_more():
    limiter = limited(identity, limit=10)
    for n in range(100):
        limiter.take(fake_session(f"user {n}"))
    assert len(limiter._arrivals) == 10
    assert limiter.take(fake_session("user 99")) > 0
    assert limiter.take(fake_session("user 1")) == 0.0


def test_a_sessions_state_is_in_the_session():
    limiter, session = SessionLimiter(1, 1, clock=FakeClock()), fake_session()
    limiter.take(session)
    assert list(session.extra) == [limiter]


async def test_a_message_that_one_limit_refuses_costs_the_others_nothing():
    clock, transport = FakeClock(), InMemoryTransport()
    limits = {"burst": 6, "identity_rate": 1000, "address_rate": 1, "address_burst": 2}
    app = app_with(clock, transport, rate_limit_per_second=1, ratelimit=limits)
    async with app:
        client = WireClient()
        await client.attach(transport.connect(peer="192.0.2.7"))
        answers = [await client.request("echo", n) for n in range(30)]
        assert [answer.type for answer in answers] == ["reply"] * 2 + ["error"] * 28
        session, limiter = app.manager.sessions[client.welcome.session], app.registry.limiters[0]
        assert limiter.name == "ratelimit"
        assert [limiter.take(session) for _ in range(4)] == [0.0] * 4, "two of six are spent, not thirty"
        assert limiter.take(session) > 0


@pytest.mark.parametrize("first", [0, 1, 2])
def test_whichever_refuses_the_others_have_their_allowance(first):
    clock = FakeClock()
    all_ = [SessionLimiter(1, 5, clock=clock) for _ in range(3)]
    tight = all_[first] = SessionLimiter(1, 2, clock=clock)
    [take] = together(all_)
    session = fake_session()
    assert [take(session) > 0 for _ in range(10)] == [False] * 2 + [True] * 8
    for limiter in all_:
        left = 0 if limiter is tight else 3
        assert [limiter.take(session) > 0 for _ in range(left + 1)] == [False] * left + [True]
