"""What the server advises is not undercut, however often a program calls `connect`."""

from __future__ import annotations

import asyncio
import time

import pytest
from rtcore_client import Refused, Suspended, Timing


def full(retry_after):
    async def refuse(peer):
        await peer.close("server_full", 4003, retry_after=retry_after)

    return refuse


async def welcome(peer):
    await peer.welcome()
    await peer.stay()


class Clock:
    """When each hello came."""

    def __init__(self, server):
        self.server, self.times = server, []

    def noted(self, script):
        async def play(peer):
            self.times.append(time.monotonic())
            await script(peer)

        return play


async def test_connect_in_a_loop_does_not_undercut_it(server, client_of):
    clock = Clock(server)
    server.play(clock.noted(full(1.0)), clock.noted(welcome))
    client = client_of()
    tasks = []
    for _ in range(20):
        tasks.append(asyncio.create_task(client.connect()))
        await asyncio.sleep(0.02)
    await asyncio.gather(*tasks)
    first, second = clock.times
    assert second - first >= 1.0


async def test_nor_does_a_probe_a_pause_or_another_life(server, client_of, until):
    clock = Clock(server)
    server.play(clock.noted(full(1.0)), clock.noted(welcome))
    client = client_of()
    connecting = asyncio.create_task(client.connect())
    await until(lambda: clock.times)
    await client.probe()
    await asyncio.sleep(0.05)
    await client.pause()
    with pytest.raises(Exception, match="paused"):
        await connecting
    resuming = asyncio.create_task(client.resume())
    await asyncio.sleep(0.05)
    await client.close()
    with pytest.raises(Exception, match="closed"):
        await resuming
    await client.connect()
    first, second = clock.times
    assert second - first >= 1.0


async def test_without_reconnects_the_next_connect_waits_for_it(server, client_of):
    clock = Clock(server)
    server.play(clock.noted(full(0.5)), clock.noted(welcome))
    client = client_of(auto_reconnect=False)
    with pytest.raises(Refused) as raised:
        await client.connect()
    assert raised.value.retry_after == 0.5
    await client.connect()
    first, second = clock.times
    assert second - first >= 0.5


@pytest.mark.parametrize("again", ["suspended", "stopped", "closed"])
async def test_who_would_wait_for_long_is_told_at_once_how_long(server, client_of, again):
    server.play(full(600.0))
    client = client_of(
        max_reconnect_attempts=0,
        auto_reconnect=again != "stopped",
        timing=Timing(open=1.0, suspended_delay=0.01),
    )
    with pytest.raises(Suspended if again != "stopped" else Refused):
        await client.connect()
    if again == "closed":
        await client.close()
    begun = time.monotonic()
    for _ in range(5):
        with pytest.raises((Suspended, Refused)) as raised:
            await client.connect()
        assert 500 < raised.value.retry_after <= 660
        assert "server_full" in str(raised.value)
    assert time.monotonic() - begun < 1.0
    assert len(server.hellos) == 1


async def test_what_was_advised_is_over_once_a_server_has_taken_the_client(server, client_of, until):
    async def welcome_and_cut(peer):
        await peer.welcome()
        await peer.hear("ping")
        peer.request.transport.abort()

    server.play(full(0.3), welcome_and_cut, welcome)
    client = client_of()
    await client.connect()
    await until(lambda: len(server.hellos) == 3 and client.is_connected)
