"""A stream that is not read, a callback that hangs: others go on, and what that costs is told."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest
from rtcore_client import Limits, Message, Stalled, Timing
from stack import make, until

from rtcore.session import Session

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make(message_buffer_size=10_000)

    @app.handler("count")
    def count(session: Session, payload: int) -> int:
        for n in range(payload):
            session.send("number", n)
        session.send("end")
        return payload

    return app


@pytest.fixture(params=TRANSPORTS)
async def client(request, client_of):
    client = client_of(
        connection_type=request.param,
        fallback_types=(),
        limits=Limits(inbox=50, subscriber=10),
        timing=Timing(stream=0.3, callback=0.3),
    )
    client.errors, client.gaps, client.heard = [], [], []
    client.on("error", client.errors.append)
    client.on("gap", client.gaps.append)
    client.subscribe("number", lambda message: client.heard.append(message.payload))
    await client.connect()
    return client


async def test_a_stream_that_nobody_reads_stops_nobody(client):
    stream = client.messages("number", maxsize=10)
    await client.send("count", 500)
    await until(lambda: len(client.heard) == 500 and client.errors)
    assert await client.request("echo", 1, timeout=5) == 1
    assert client.heard == list(range(500))
    (error,) = client.errors
    assert isinstance(error, Stalled)
    assert "messages('number')" in error.consumer
    assert "test_client_streams.py:" in error.consumer, "it says where the stream was made"
    await until(lambda: sum(gap.n for gap in client.gaps) == 490)
    assert {(gap.reason, gap.consumer) for gap in client.gaps} == {("stalled", stream.name)}
    assert stream.dropped == client.get_connection_info().counters["unread"] == 490
    assert [(await anext(stream)).payload for _ in range(10)] == list(range(490, 500))
    await client.send("count", 20)
    assert [(await anext(stream)).payload for _ in range(20)] == list(range(20)), "it is waited for again"


async def test_a_reader_that_is_only_slow_gets_everything(client):
    stream, got = client.messages("number", maxsize=5), []
    await client.send("count", 300)
    async for message in stream:
        got.append(message.payload)
        if message.payload == 299:
            break
        await asyncio.sleep(0.002)
    assert got == list(range(300))
    assert not client.errors


async def test_a_stream_may_choose_to_end_or_to_keep_the_first(client):
    ending = client.messages("number", maxsize=10, policy="end")
    first = client.messages("number", maxsize=10, policy="drop_new")
    await client.send("count", 500)
    await until(lambda: len(client.heard) == 500 and len(client.errors) == 2)
    assert [(await anext(ending)).payload for _ in range(10)] == list(range(10))
    with pytest.raises(Stalled):
        await anext(ending)
    assert [(await anext(first)).payload for _ in range(10)] == list(range(10))
    assert {error.consumer for error in client.errors} == {ending.name, first.name}


async def test_a_stream_may_choose_that_everybody_waits_for_it(client):
    stream = client.messages("number", maxsize=10, policy="wait")
    await client.send("count", 500)
    await until(lambda: client.errors)
    assert isinstance(client.errors[0], Stalled)
    assert [(await anext(stream)).payload for _ in range(500)] == list(range(500))
    assert not client.gaps
    await until(lambda: len(client.heard) == 500)


async def test_an_async_callback_that_hangs_stops_nobody(client):
    go, got = asyncio.Event(), []

    async def stuck(message: Message) -> None:
        await go.wait()
        got.append(message.payload)

    client.subscribe("number", stuck)
    await client.send("count", 500)
    await until(lambda: len(client.heard) == 500 and client.errors)
    assert await client.request("echo", 1, timeout=5) == 1
    (error,) = client.errors
    assert "stuck" in error.consumer
    go.set()
    await until(lambda: len(got) == 11)
    assert got == [0, *range(490, 500)]


async def test_a_plain_callback_that_returns_something_to_wait_for_stops_nobody(client):
    go, got = asyncio.Event(), []

    async def rest(payload: int) -> None:
        await go.wait()
        got.append(payload)

    unsubscribe = client.subscribe(
        "number", lambda message: rest(message.payload) if message.payload < 2 else None
    )
    await client.send("count", 9)
    await until(lambda: len(client.heard) == 9)
    go.set()
    await until(lambda: got == [0, 1])
    unsubscribe()


async def test_a_forgotten_stream_is_collected_and_asks_for_no_room(client):
    async def take_one() -> None:
        async for _ in client.messages("number", maxsize=1):
            return

    taking = asyncio.create_task(take_one())
    await asyncio.sleep(0)
    kept = client.messages("number", maxsize=1)
    circle = [kept]
    circle.append(circle)
    seen = weakref.ref(kept)
    await client.send("count", 5)
    await taking
    del kept, circle
    gc.collect()
    assert seen() is None
    assert client.get_connection_info().subscriptions == ("number",)
    await client.send("count", 500)
    await until(lambda: len(client.heard) == 505)
    assert not client.errors


async def test_a_stream_that_was_closed_holds_nobody_up(client):
    stream = client.messages("number", maxsize=5)
    await client.send("count", 40)
    await until(lambda: len(client.heard) == 40)
    await stream.aclose()
    assert [message.payload async for message in stream] == list(range(40)), "what waited can still be read"
    await client.send("count", 200)
    await until(lambda: len(client.heard) == 240)
    assert not client.errors


def test_what_a_stream_cannot_be_is_named(client_of):
    client = client_of()
    for options, named in (
        ({"maxsize": 0}, "maxsize"),
        ({"policy": "lose"}, "policy"),
        ({"patience": -1}, "patience"),
    ):
        with pytest.raises(ValueError, match=named):
            client.messages("number", **options)
    with pytest.raises(ValueError, match="pattern"):
        client.messages("")
