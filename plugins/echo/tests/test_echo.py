from __future__ import annotations

import pytest
import rtcore_echo

from rtcore.app import App
from rtcore.testing import InMemoryTransport, PlainCodec, WireClient


@pytest.fixture
async def client():
    transport = InMemoryTransport()
    async with App(plugins=[rtcore_echo, PlainCodec(), transport]):
        client = WireClient()
        await client.attach(transport.connect())
        yield client


@pytest.mark.parametrize("payload", [None, 0, "ü", [1, 2.5, True], {"a": {"b": None}}, "x" * 100_000])
async def test_a_request_is_answered_with_its_own_payload(client, payload):
    reply = await client.request("echo", payload)
    assert (reply.type, reply.payload) == ("reply", payload)


async def test_a_message_that_asks_for_no_answer_gets_none(client):
    await client.send("echo", "nobody asked")
    reply = await client.request("echo", "this one does")
    assert reply.payload == "this one does"
    assert not client._inbox


async def test_the_payload_is_not_decoded_on_the_way(client):
    from rtcore_echo.echo import echo

    codec = client.codec
    [message] = codec.decode(codec.encode(codec.decode(b'{"type":"echo","payload":[1]}')[0]))
    answer = echo(message)
    assert answer.raw is message.raw
    assert message._payload is None
    assert answer._payload is None


async def test_requests_are_answered_in_their_order(client):
    for n in range(50):
        await client.send("echo", n, id=str(n))
    replies = [await client.receive() for _ in range(50)]
    assert [(reply.re, reply.payload) for reply in replies] == [(str(n), n) for n in range(50)]
