"""Awaiting `send` is backpressure, with a connection or without: a loop of sends loses nothing and raises nothing."""

from __future__ import annotations

import asyncio

import pytest
from rtcore_client import Limits, NotConnected, QueueFull, Timeout, UnknownOutcome
from stack import make, until

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make()
    app.seen = []

    @app.handler("note")
    def note(payload: object) -> None:
        app.seen.append(payload)

    return app


@pytest.fixture
async def away(client_of, proxy):
    """A client whose network is away, with room for ten messages."""
    client = client_of(limits=Limits(queue=10), max_reconnect_attempts=1000)
    await client.connect()
    await proxy.down()
    await until(lambda: not client.is_connected)
    return client


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_loop_of_sends_waits_while_the_client_reconnects(client_of, proxy, app, transport):
    client = client_of(
        connection_type=transport, fallback_types=(), limits=Limits(queue=50), max_reconnect_attempts=1000
    )
    await client.connect()
    begun, away = asyncio.Event(), asyncio.Event()

    async def produce() -> None:
        for n in range(1000):
            if n == 100:
                begun.set()
                await away.wait()
            await client.send("note", n)

    producer = asyncio.create_task(produce())
    await begun.wait()
    await proxy.down()
    await until(lambda: not client.is_connected)
    away.set()
    await until(lambda: client.get_connection_info().counters["queued"] == 50)
    assert not producer.done(), "it waits for room"
    await proxy.up()
    await producer
    await until(lambda: len(app.seen) >= 1000)
    assert app.seen == list(range(1000))


async def test_without_patience_it_is_told_at_once(away):
    for n in range(10):
        await away.send("note", n, timeout=0)
    with pytest.raises(QueueFull) as raised:
        await away.send("note", 10, timeout=0)
    assert "10 messages wait" in raised.value.reason


async def test_who_waited_in_vain_learns_why_and_nothing_is_sent(away, proxy, app):
    for n in range(10):
        await away.send("note", n)
    with pytest.raises(Timeout) as raised:
        await away.send("note", "too late", timeout=0.05)
    assert "10 messages wait, and the client is" in raised.value.reason
    await proxy.up()
    await away.send("note", "in time", confirm=True)
    assert app.seen == [*range(10), "in time"]


async def test_those_who_wait_go_in_their_order(away, proxy, app):
    for n in range(10):
        await away.send("note", n)
    waiting = []
    for n in range(10, 60):
        waiting.append(asyncio.create_task(away.send("note", n)))
        await asyncio.sleep(0)
    await proxy.up()
    await asyncio.gather(*waiting)
    late = asyncio.create_task(away.send("note", "late"))
    await late
    await until(lambda: len(app.seen) == 61)
    assert app.seen == [*range(60), "late"]


async def test_who_comes_later_does_not_go_before_those_who_wait(away, proxy, app):
    for n in range(10):
        await away.send("note", n)
    first = asyncio.create_task(away.send("note", "first"))
    given_up = asyncio.create_task(away.request("note", "given up", timeout=0.05))
    await asyncio.sleep(0)
    second = asyncio.create_task(away.send("note", "second"))
    with pytest.raises(Timeout):
        await given_up
    await proxy.up()
    await asyncio.gather(first, second)
    await until(lambda: len(app.seen) == 12)
    assert app.seen == [*range(10), "first", "second"]


async def test_the_place_of_who_gave_up_is_free(away, proxy, app):
    asks = [asyncio.create_task(away.request("note", n, timeout=0.05)) for n in range(10)]
    await until(lambda: away.get_connection_info().counters["queued"] == 10)
    waiting = asyncio.create_task(away.send("note", "kept"))
    for ask in asks:
        with pytest.raises(Timeout):
            await ask
    await waiting
    for n in range(9):
        await away.send("note", n, timeout=0)
    await proxy.up()
    await until(lambda: len(app.seen) == 10)
    assert app.seen == ["kept", *range(9)]


async def test_what_is_urgent_does_not_stand_in_line(away, proxy, app):
    for n in range(10):
        await away.send("note", n)
    waiting = asyncio.create_task(away.send("note", "waits"))
    await asyncio.sleep(0)
    errors = []
    away.on("error", errors.append)
    await away.send("note", "alarm", priority="critical", timeout=0)
    assert [error.code for error in errors] == ["queue_full"], (
        "the oldest has given its place, and that is told"
    )
    assert away.get_connection_info().counters["dropped"] == 1
    await proxy.up()
    await waiting
    await until(lambda: len(app.seen) == 11)
    assert app.seen == ["alarm", *range(1, 10), "waits"]


async def test_when_the_client_is_closed_all_who_wait_are_told(away):
    """More of them than there is room for: nobody may go on as if the message had been taken."""
    waiting = [asyncio.create_task(away.send("note", n)) for n in range(50)]
    await until(lambda: sum(task.done() for task in waiting) == 10)
    await away.close()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(error, NotConnected) for error in told) == 40
    assert away.get_connection_info().counters["dropped"] == 10


async def test_when_the_server_ends_it_each_message_is_accounted_for(client_of, app, proxy):
    client = client_of(limits=Limits(queue=5, window=5), max_reconnect_attempts=1000)
    errors = []
    client.on("error", errors.append)
    await client.connect()
    session = client.get_connection_info().session_id
    proxy.silent = True
    waiting = [asyncio.create_task(client.send("note", n)) for n in range(30)]
    await until(lambda: client.get_connection_info().counters["queued"] == 5)
    proxy.silent = False
    app.manager.disconnect(session, "enough")
    told = await asyncio.gather(*waiting, return_exceptions=True)
    failed = [error for error in told if error is not None]
    assert all(isinstance(error, NotConnected) for error in failed)
    unsent = [error.messages for error in errors if isinstance(error, NotConnected)]
    unknown = [error.messages for error in errors if isinstance(error, UnknownOutcome)]
    assert len(failed) == 20
    assert [len(messages) for messages in (*unsent, *unknown)] == [5, 5], (
        "five were queued, five on their way"
    )
    assert client.get_connection_info().counters["dropped"] == 5
