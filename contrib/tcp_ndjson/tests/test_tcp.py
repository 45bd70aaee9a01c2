from __future__ import annotations

import asyncio
import json
import random

import pytest
import rtcore_tcp_ndjson
from ends import TcpEnd

from rtcore.app import App
from rtcore.testing import PlainCodec, WireClient


def app_with(**settings):
    tcp = {"port": 0, "close_timeout": 0.5, **settings.pop("tcp", {})}
    app = App({"tcp_ndjson": tcp, **settings}, plugins=[rtcore_tcp_ndjson, PlainCodec()])

    @app.handler("echo")
    def echo(payload):
        return payload

    return app


def port(app):
    return app.registry.transports["tcp_ndjson"].port


async def test_unless_a_port_is_set_it_does_not_listen():
    async with App(plugins=[rtcore_tcp_ndjson, PlainCodec()]) as app:
        assert port(app) == 0


async def test_a_conversation_as_one_has_it_with_a_terminal():
    async with app_with() as app:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(app))
        writer.write(b'["hello",{"attach":1,"nonce":"0123456789abcdef"}]\r\n')
        name, fields = json.loads(await reader.readline())
        assert (name, fields["transport"], fields["codec"]) == ("welcome", "tcp_ndjson", "json")
        writer.write(b'{"type":"echo","id":"1","pay')
        await writer.drain()
        writer.write(b'load":"hi"}\r\n\r\n{"type":"echo","id":"2","payload":2}\n')
        replies = [json.loads(await reader.readline()) for _ in range(2)]
        assert replies == [
            {"type": "reply", "re": "1", "payload": "hi"},
            {"type": "reply", "re": "2", "payload": 2},
        ]
        writer.write(b'["bye",{}]\n')
        name, fields = json.loads((await reader.readline()) or b'["close",{"code":"bye"}]')
        assert (name, fields["code"]) == ("close", "bye")
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_a_session_goes_on_on_another_connection_and_nothing_is_lost_or_repeated():
    """Connections are cut at random places, in the middle of lines, in both directions."""
    rng = random.Random(7)
    async with app_with(message_buffer_size=5000, rate_limit_per_second=0) as app:
        client = WireClient()
        await client.attach(await TcpEnd.connect(port(app)))
        session = app.manager.sessions[client.welcome.session]
        got, echoed, cuts = [], [], 0
        for n in range(1500):
            session.send("news", n)
            await client.send("echo", n, id=str(n))
            if rng.random() < 0.03:
                cuts += 1
                client.duplex.writer.write(b'{"type":"echo","id":"torn"'[: rng.randrange(26)])
                await client.cut()
                await client.attach(await TcpEnd.connect(port(app)))
                assert client.welcome.resumed
        while len(got) < 1500 or len(echoed) < 1500:
            message = await client.receive()
            (got if message.type == "news" else echoed).append(message.payload)
        assert cuts > 20
        assert got == echoed == list(range(1500))
        await client.duplex.close()


async def test_a_line_without_an_end_is_refused_before_it_fills_memory():
    async with app_with(max_message_size=10_000) as app:
        client = WireClient()
        await client.attach(await TcpEnd.connect(port(app)))
        line = next(iter(app.registry.transports["tcp_ndjson"].lines))
        try:
            for _ in range(100):
                client.duplex.writer.write(b"x" * 1000)
                await client.duplex.writer.drain()
        except ConnectionError:
            pass
        close = await client.closed()
        assert close.fields["code"] == "message_too_big"
        assert len(line._buffer) == 0
        await client.duplex.close()


async def test_one_who_is_refused_at_the_door_is_told_why():
    async with app_with(max_greetings=1) as app:
        first = await TcpEnd.connect(port(app))
        while not app.registry.transports["tcp_ndjson"].lines:  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0)
        second = await TcpEnd.connect(port(app))
        name, fields = json.loads(await second.receive())
        assert (name, fields["code"], fields["number"]) == ("close", "too_many_greetings", 4004)
        assert fields["retry_after"] > 0
        with pytest.raises(EOFError):
            await second.receive()
        await first.close()
        await second.close()


async def test_one_who_does_not_hang_up_is_hung_up_on():
    async with app_with(tcp={"close_timeout": 0.05}) as app:
        client = WireClient()
        await client.attach(await TcpEnd.connect(port(app)))
        [line] = app.registry.transports["tcp_ndjson"].lines
        app.manager.disconnect(client.welcome.session)
        async with asyncio.timeout(5):
            await line.gone.wait()
        assert not app.registry.transports["tcp_ndjson"].lines
        await client.duplex.close()
