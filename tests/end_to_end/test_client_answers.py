"""A request always ends in one answer or error, long before its time-out; what cannot be sent is refused at once."""

from __future__ import annotations

import asyncio

import pytest
from rtcore_client import Limits, Message, RequestError, Timeout
from stack import make, serving, until

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make(message_buffer_size=5_000)
    app.seen = []

    @app.handler("note")
    def note(payload: object) -> None:
        app.seen.append(payload)

    return app


@pytest.fixture(
    params=[(transport, codec) for transport in TRANSPORTS for codec in ("json", "cbor")], ids="-".join
)
async def client(request, client_of):
    transport, codec = request.param
    client = client_of(connection_type=transport, fallback_types=(), codec=codec)
    client.errors = []
    client.on("error", client.errors.append)
    await client.connect()
    return client


HALF = "half \ud83d an emoji"


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"type": ""}, ValueError, "type: expected 1 to 128 characters, given ''"),
        ({"type": "x" * 129}, ValueError, "given 129"),
        ({"type": HALF}, ValueError, "type: half of a surrogate pair at character 5"),
        ({"type": 7}, TypeError, "type: expected text, given a int"),
        ({"type": b"note"}, TypeError, "type: expected text, given a bytes"),
        ({"type": None}, TypeError, "type: expected text, given a NoneType"),
        ({"type": Message("note")}, TypeError, "type: expected text, given a Message"),
        ({"room": "x" * 257}, ValueError, "room: expected up to 256 characters, given 257"),
        ({"room": ""}, ValueError, "room: expected 1 to 256 characters, given ''"),
        ({"room": HALF}, ValueError, "room: half of a surrogate pair"),
        ({"room": ["lobby"]}, TypeError, "room: expected text, given a list"),
        (
            {"priority": "urgent"},
            ValueError,
            "priority: expected one of critical, high, normal, low, given 'urgent'",
        ),
        ({"version": -1}, ValueError, "version: expected "),
        ({"version": 2**53}, ValueError, "version: expected 0 to 2"),
        ({"version": 1.5}, ValueError, "version: expected a whole number from 0, given 1.5"),
        ({"version": True}, ValueError, "version: expected a whole number from 0, given True"),
        ({"timeout": -1}, ValueError, "timeout: expected 0 seconds or more, given -1"),
        ({"timeout": float("nan")}, ValueError, "timeout"),
        ({"timeout": "3"}, TypeError, "timeout: expected seconds, given a str"),
        ({"payload": {1, object()}}, TypeError, ""),
        ({"payload": HALF}, TypeError, ""),
        ({"payload": {HALF: 1}}, TypeError, ""),
    ],
    ids=lambda value: (
        None if isinstance(value, type) else str(value)[:30].encode("ascii", "replace").decode()
    ),
)
async def test_what_cannot_be_sent_is_refused_at_once_and_harms_nobody(client, app, fields, error, says):
    asked = {"type": "note", "payload": 1, **fields}
    for call in (client.send, client.request):
        with pytest.raises(error) as raised:
            await call(**asked)
        assert says in str(raised.value)
    assert await client.request("echo", "fine") == "fine"
    assert app.seen == []
    assert not client.errors
    assert client.get_connection_info().counters["reconnects"] == 0
    assert len(client._session.requests) == 0


async def test_the_longest_that_may_be_sent_arrives(client):
    kept = []
    client.subscribe("*", kept.append)
    name = "é" * 128
    with pytest.raises(RequestError) as raised:
        await client.request(name, 1, timeout=5)
    assert raised.value.code == "unknown_type"
    with pytest.raises(RequestError) as raised:
        await client.request("note!", 1, room="😀" * 256, timeout=5)
    assert raised.value.code in {"not_a_member", "bad_room"}


async def test_an_error_that_names_a_place_finds_its_request_whether_confirmed_or_not(client, app):
    """A server that could not read the id answers with `n`, the place in the count."""
    loop = asyncio.get_running_loop()
    for confirmed in (False, True):
        begun = loop.time()
        session = app.manager.sessions[client.get_connection_info().session_id]
        asking = asyncio.create_task(client.request("silent", 1, timeout=20))
        await until(lambda: app.silent)
        n = app.silent.pop()
        if confirmed:
            session.write_ack()
            await until(lambda n=n: client._session.line.window.confirmed >= n)
        session.send("error", {"code": "undecodable", "reason": "nobody can read that", "n": n})
        with pytest.raises(RequestError) as raised:
            await asking
        assert raised.value.code == "undecodable"
        assert loop.time() - begun < 10.0
    assert not client.errors


@pytest.fixture(autouse=True)
def silent(app):
    """A handler that never answers, and notes which message it was."""
    app.silent = []

    @app.handler("silent", concurrent=True)
    async def never(message: Message) -> None:
        app.silent.append(message.n)
        await asyncio.sleep(3600)


async def test_what_the_server_turns_out_not_to_take_is_told_and_nothing_else_is_lost(client_of, proxy):
    """It was sent before the first welcome, or while another server was there, that takes more."""
    async with serving(make(max_message_size=2000)) as small:
        client = client_of(max_reconnect_attempts=1000, limits=Limits(queue=10))
        connecting = asyncio.create_task(client.connect())
        await asyncio.sleep(0)
        early = asyncio.create_task(client.request("echo", "x" * 5000, timeout=20))
        await connecting
        assert await early == "x" * 5000
        await proxy.down()
        await until(lambda: not client.is_connected)
        errors = []
        client.on("error", errors.append)
        big = asyncio.create_task(client.request("echo", "x" * 5000, timeout=20))
        await asyncio.sleep(0)
        await client.send("echo", "y" * 5000)
        fine = asyncio.create_task(client.request("echo", "fine", timeout=20))
        proxy.target = small
        await proxy.up()
        with pytest.raises(RequestError) as raised:
            await big
        assert raised.value.code == "message_too_big"
        assert "the server takes 2000" in raised.value.reason
        assert await fine == "fine"
        assert [error.code for error in errors] == ["message_too_big"]
        assert client.is_connected
        await client.close()


async def test_without_any_patience_a_request_is_told_at_once(client):
    with pytest.raises(Timeout):
        await client.request("silent", 1, timeout=0)
    assert await client.request("echo", 1) == 1
