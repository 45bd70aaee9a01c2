from __future__ import annotations

import asyncio

import pytest

from rtcore.app import App
from rtcore.testing import FakeClock, InMemoryTransport, PlainCodec, Refused, WireClient


def test_it_moves_when_it_is_told_to_and_never_back():
    clock = FakeClock(10.0)
    clock.advance(1.5)
    assert clock() == clock.time() == 11.5
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


def test_sleepers_wake_in_the_order_of_their_times():
    clock, woken = FakeClock(0.0), []

    async def sleeper(seconds):
        await asyncio.sleep(seconds)
        woken.append((seconds, clock.time()))

    async def main():
        await asyncio.gather(*(sleeper(seconds) for seconds in (3600, 1, 60)))

    clock.run(main())
    assert woken == [(1, 1.0), (60, 60.0), (3600, 3600.0)]


def test_a_timeout_comes_when_nothing_else_does():
    clock = FakeClock(0.0)

    async def main():
        async with asyncio.timeout(30):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        clock.run(main())
    assert clock.time() == 30.0


def test_a_whole_app_lives_by_it():
    clock, transport = FakeClock(), InMemoryTransport()
    began = clock.time()

    async def main():
        settings = {
            "hello_timeout": 10.0,
            "heartbeat_interval": 30.0,
            "ping_timeout": 5.0,
            "session_ttl": 120.0,
        }
        async with App(settings, plugins=[PlainCodec(), transport], clock=clock) as app:
            silent = WireClient()
            silent.duplex = transport.connect()
            close = await silent.closed(within=3600)
            assert close.fields["code"] == "hello_timeout"
            assert 10 <= clock.time() - began < 12

            client = WireClient()
            end = transport.connect()
            await client.attach(end)
            session = app.manager.sessions[client.welcome.session]
            attached = clock.time()
            end.freeze()
            while session.transport is not None:  # noqa: ASYNC110 - seconds of the fake clock
                await asyncio.sleep(1)
            assert 30 <= clock.time() - attached < 40
            while session.closed is None:  # noqa: ASYNC110
                await asyncio.sleep(1)
            assert session.closed == "session_expired"

    clock.run(main())


async def test_a_refused_client_is_told_why():
    transport = InMemoryTransport()
    async with App({"max_connections": 1}, plugins=[PlainCodec(), transport]):
        first, second = WireClient(), WireClient()
        await first.attach(transport.connect())
        with pytest.raises(Refused, match="server_full"):
            await second.attach(transport.connect())
