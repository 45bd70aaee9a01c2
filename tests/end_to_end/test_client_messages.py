"""What a client says and hears, on every transport."""

from __future__ import annotations

import asyncio

import pytest
from rtcore_client import Limits, Message, RequestError, Timeout
from stack import make, until

from rtcore.session import Session

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make(message_buffer_size=10_000)
    app.seen = []
    app.cancelled = asyncio.Event()

    @app.handler("note")
    def note(payload: object) -> None:
        app.seen.append(payload)

    @app.handler("count")
    def count(session: Session, payload: int) -> int:
        for n in range(payload):
            session.send("number", n)
        return payload

    @app.handler("slow")
    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            app.cancelled.set()
            raise

    return app


@pytest.fixture(params=TRANSPORTS)
async def client(request, client_of):
    client = client_of(connection_type=request.param, fallback_types=(), client_id="tester")
    await client.connect()
    return client


async def test_a_request_is_answered(client):
    assert await client.request("echo", {"text": "grüß dich", "n": [1, 2, None]}) == {
        "text": "grüß dich",
        "n": [1, 2, None],
    }


async def test_it_says_how_it_is_connected(client):
    await client.request("echo")
    info = client.get_connection_info()
    assert info.is_connected
    assert info.state == "connected"
    assert info.connection_type in TRANSPORTS
    assert info.session_id
    assert info.client_id == "tester"
    assert info.codec == "json"
    assert info.counters["sent"] == 1
    assert info.counters["received"] == 1
    assert info.counters["attaches"] == 1


async def test_messages_arrive_at_the_server_in_order(client, app):
    for n in range(500):
        await client.send("note", n)
    await until(lambda: len(app.seen) == 500)
    assert app.seen == list(range(500))


async def test_subscribers_get_what_matches_in_order(client):
    exact, prefix, everything = [], [], []
    client.subscribe("number", lambda message: exact.append(message.payload))
    client.subscribe("num*", lambda message: prefix.append(message.payload))

    async def slowly(message: Message) -> None:
        await asyncio.sleep(0)
        everything.append(message.payload)

    client.subscribe("*", slowly)
    client.subscribe("other", lambda _message: pytest.fail("this is another type"))
    assert await client.request("count", 300) == 300
    await until(lambda: len(everything) == 300)
    assert exact == prefix == everything == list(range(300))


async def test_whoever_unsubscribes_hears_no_more(client):
    heard = []
    unsubscribe = client.subscribe("number", lambda message: heard.append(message.payload))
    assert client.get_connection_info().subscriptions == ("number",)
    await client.request("count", 3)
    await until(lambda: len(heard) == 3)
    unsubscribe()
    await client.request("count", 3)
    await client.request("echo")
    assert len(heard) == 3
    assert client.get_connection_info().subscriptions == ()


async def test_messages_are_a_stream_that_ends_with_the_client(client):
    stream = client.messages("number", maxsize=5)
    await client.request("count", 50)
    got = []
    async for message in stream:
        got.append(message.payload)
        if len(got) == 50:
            await client.close()
    assert got == list(range(50))


async def test_a_stream_that_was_left_stops_nobody(client):
    async for _ in aiter_after(client, client.messages("number", maxsize=1)):
        break
    heard = []
    client.subscribe("number", lambda message: heard.append(message.payload))
    await client.request("count", 20)
    await until(lambda: len(heard) >= 20)


def aiter_after(client, stream):
    async def items():
        await client.request("count", 3)
        async for message in stream:
            yield message

    return items()


async def test_send_may_wait_until_the_server_has_it(client, app):
    await client.send("note", "sure", confirm=True)
    assert app.seen == ["sure"]
    assert client.get_connection_info().counters["confirmed"] == 1


async def test_an_error_of_the_server_is_raised_where_it_was_asked_for(client):
    with pytest.raises(RequestError) as raised:
        await client.request("no such type")
    assert raised.value.code == "unknown_type"
    assert not raised.value.retry


async def test_an_error_nobody_waits_for_is_an_event(client):
    errors = []
    client.on("error", errors.append)
    await client.send("no such type")
    await until(lambda: errors)
    assert errors[0].code == "unknown_type"


async def test_a_request_that_takes_too_long_is_given_up_and_cancelled(client, app):
    with pytest.raises(Timeout):
        await client.request("slow", timeout=0.2)
    await asyncio.wait_for(app.cancelled.wait(), 5)


async def test_a_caller_that_gives_up_cancels_its_request(client, app):
    task = asyncio.create_task(client.request("slow"))
    await client.request("echo")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(app.cancelled.wait(), 5)


async def test_what_cannot_be_encoded_is_refused_where_it_is_sent(client):
    with pytest.raises(TypeError):
        await client.send("note", object())
    assert await client.request("echo", 1) == 1


async def test_what_the_server_would_not_take_is_refused_where_it_is_sent(client):
    with pytest.raises(RequestError) as raised:
        await client.send("note", "x" * 2_000_000)
    assert raised.value.code == "message_too_big"
    assert await client.request("echo", 1) == 1


async def test_a_large_payload_passes_both_ways(client):
    text = "".join(chr(32 + n % 90) for n in range(200_000))
    assert await client.request("echo", text) == text


async def test_a_callback_that_raises_harms_nobody(client):
    errors, heard = [], []

    def broken(_message: Message) -> None:
        raise RuntimeError("oops")

    async def broken_later(_message: Message) -> None:
        raise RuntimeError("oops later")

    client.on("error", errors.append)
    client.subscribe("number", broken)
    client.subscribe("number", broken_later)
    client.subscribe("number", lambda message: heard.append(message.payload))
    await client.request("count", 2)
    await until(lambda: len(errors) == 4 and len(heard) == 2)
    assert {error.code for error in errors} == {"callback_failed"}
    assert {str(error.__cause__) for error in errors} == {"oops", "oops later"}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_slow_callback_slows_the_server_and_not_the_heart(client_of, app, transport):
    client = client_of(
        connection_type=transport,
        fallback_types=(),
        heartbeat_interval=0.5,
        ping_timeout=0.3,
        limits=Limits(inbox=20, subscriber=10),
    )
    go, heard, lost = asyncio.Event(), [], []

    async def stuck(message: Message) -> None:
        await go.wait()
        heard.append(message.payload)

    client.subscribe("number", stuck)
    client.on("disconnect", lost.append)
    await client.connect()
    await client.send("count", 2000)
    await until(lambda: client.get_connection_info().counters["received"] >= 30)
    await asyncio.sleep(1.5)  # several heartbeats go by while nothing is read
    assert not lost
    go.set()
    await until(lambda: len(heard) == 2000)
    assert heard == list(range(2000))


async def test_cbor_carries_bytes_where_the_transport_can(client_of):
    for transport in ("websocket", "polling"):
        client = client_of(connection_type=transport, fallback_types=(), codec="cbor")
        await client.connect()
        assert client.get_connection_info().codec == "cbor"
        assert await client.request("echo", {"bytes": b"\x00\xff"}) == {"bytes": b"\x00\xff"}


async def test_a_text_transport_speaks_json_to_a_client_that_wanted_cbor(client_of):
    client = client_of(connection_type="sse", fallback_types=(), codec="cbor")
    await client.connect()
    assert client.get_connection_info().codec == "json"
    assert await client.request("echo", {"n": 1}) == {"n": 1}


async def test_large_frames_are_compressed_both_ways(client_of):
    client = client_of(fallback_types=(), codec="cbor")
    await client.connect()
    assert client.get_connection_info().compression == "brotli"
    assert await client.request("echo", "abc" * 50_000) == "abc" * 50_000


async def test_batching_puts_many_messages_into_few_frames(client_of, app, proxy):
    client = client_of(fallback_types=(), enable_batching=True, batch_size=10, batch_interval=0.05)
    await client.connect()
    for n in range(105):
        await client.send("note", n)
    await until(lambda: len(app.seen) == 105)
    assert app.seen == list(range(105))


async def test_clients_meet_in_rooms(client, client_of):
    other = client_of()
    await other.connect()
    heard = []
    other.subscribe("chat:*", lambda message: heard.append((message.room, message.payload)))
    await other.join_room("lobby")
    answer = await client.join_room("lobby")
    assert answer["members"] == 2
    assert client.get_connection_info().rooms == ("lobby",)
    await client.send_to_room("lobby", "chat:message", "hello")
    await until(lambda: heard)
    assert heard == [("lobby", "hello")]
    assert await other.leave_room("lobby")
    await client.send_to_room("lobby", "chat:message", "anybody?", confirm=True)
    await other.request("echo")
    assert len(heard) == 1
