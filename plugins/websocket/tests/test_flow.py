"""Backpressure, and permessage-deflate over real sockets."""

from __future__ import annotations

import asyncio
import socket
import zlib
from typing import Any

import pytest

from rtcore.wire.message import Message


def small_buffers(client: Any) -> None:
    sock = client.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    client.reader._transport.pause_reading()


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_a_client_that_does_not_read_is_noticed_and_costs_little(ws: Any, data_path: str) -> None:
    settings = {"data_path": data_path, "write_high_water": 16_384}
    async with ws.serving(websocket=settings, message_buffer_size=10_000) as server:
        client = await server.upgraded()
        welcome = await client.hello()
        session = server.app.manager.sessions[welcome["session"]]
        connection = session.connection
        small_buffers(client)
        for _ in range(200):
            session.post(Message("bulk", "x" * 10_000))
            await asyncio.sleep(0)
        assert connection.paused
        waiting = connection.link._tcp.get_write_buffer_size()
        assert waiting < 16_384 + 2 * 10_100
        client.reader._transport.resume_reading()
        got = [(await client.item())["payload"] for _ in range(200)]
        assert got == ["x" * 10_000] * 200
        await server.until(lambda: not connection.paused)


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_pings_of_a_client_that_does_not_read_are_answered_once(ws: Any, data_path: str) -> None:
    async with ws.serving(websocket={"data_path": data_path, "write_high_water": 16_384}) as server:
        client = await server.upgraded()
        welcome = await client.hello()
        link = server.app.manager.sessions[welcome["session"]].connection.link
        small_buffers(client)
        flood = b"".join(ws.masked(9, str(n).encode().rjust(100)) for n in range(1000))
        async with asyncio.timeout(10):
            while not link._paused:
                await client.send(flood)
                await asyncio.sleep(0)
        client.writer.write(
            flood
        )  # no drain: a full socket on this side may hold back what the other has to say
        await asyncio.sleep(0.05)
        assert link._tcp.get_write_buffer_size() < 16_384 + 1000
        client.reader._transport.resume_reading()
        client.writer.write(ws.masked(9, b"the last"))
        while (await client.frame()).payload != b"the last":
            pass


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_the_kernel_can_stop_reading(ws: Any, data_path: str) -> None:
    async with ws.serving(websocket={"data_path": data_path}) as server:
        client = await server.upgraded()
        welcome = await client.hello()
        session = server.app.manager.sessions[welcome["session"]]
        link = session.connection.link
        link.pause_reading()
        await client.send(ws.text({"type": "echo", "id": "1", "payload": 1}))
        await asyncio.sleep(0.05)
        assert session.received == 0
        link.resume_reading()
        assert (await client.item())["payload"] == 1


def inflate(payload: bytes) -> bytes:
    return zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


DEFLATE = {"permessage_deflate": True, "deflate_threshold": 100}


async def test_deflate_is_not_offered_unless_it_is_set(server: Any) -> None:
    client = await server.upgraded(Sec_WebSocket_Extensions="permessage-deflate")
    assert "sec-websocket-extensions" not in client.headers


async def test_deflated_messages_go_both_ways(ws: Any) -> None:
    async with ws.serving(websocket=DEFLATE) as server:
        client = await server.upgraded(Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
        assert client.headers["sec-websocket-extensions"].startswith(
            "permessage-deflate; server_no_context_takeover"
        )
        await client.hello()
        ask = b'{"type":"echo","id":"1","payload":"' + b"z" * 5000 + b'"}'
        packed = deflate(ask)
        for parts in ([packed], [packed[:3], packed[3:9], packed[9:]]):
            for n, part in enumerate(parts):
                frame = ws.masked(1 if n == 0 else 0, part, fin=n == len(parts) - 1, rsv=4 if n == 0 else 0)
                await client.send(frame)
            while True:
                answer = await client.frame()
                if answer.first & 0x40:
                    break
            assert answer.first == 0xC1
            assert len(answer.payload) < 100
            assert b"z" * 5000 in inflate(answer.payload)
        # Deflating is the sender's choice, message by message.
        assert await client.ask_echo("short") == "short"


async def test_a_broadcast_is_deflated_once_for_all(ws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from rtcore_websocket.framing import Deflating

    framed = 0
    frame = Deflating.frame

    def counted(self: Any, body: bytes, binary: bool) -> bytes:
        nonlocal framed
        framed += b'"bulk"' in body
        return frame(self, body, binary)

    monkeypatch.setattr(Deflating, "frame", counted)
    async with ws.serving(websocket=DEFLATE) as server:
        clients = []
        for _ in range(5):
            client = await server.upgraded(Sec_WebSocket_Extensions="permessage-deflate")
            await client.hello()
            clients.append(client)
        server.app.manager.broadcast(Message("bulk", "x" * 5000))
        for client in clients:
            assert b"x" * 5000 in inflate((await client.frame()).payload)
    assert framed == 1


async def test_a_bomb_is_refused_by_its_code(ws: Any) -> None:
    async with ws.serving(websocket=DEFLATE, max_message_size=100_000) as server:
        client = await server.upgraded(Sec_WebSocket_Extensions="permessage-deflate")
        await client.hello()
        await client.send(ws.masked(1, deflate(b"z" * 10_000_000), rsv=4))
        name, fields = await client.item()
        assert (name, fields["code"]) == ("close", "message_too_big")
        assert (await client.closed()).number == 4208
        await server.bystander_is_well()


@pytest.mark.parametrize("data_path", ["picows", "aiohttp"])
async def test_small_messages_beyond_what_handlers_take_wait_and_none_is_refused(
    ws: Any, data_path: str
) -> None:
    gate = asyncio.Event()
    async with ws.serving(
        websocket={"data_path": data_path}, message_buffer_size=2000, handlers={"slow": gate}
    ) as server:
        client = await server.ready()
        messages = [ws.text({"type": "slow", "id": str(n), "payload": n}) for n in range(1000)]
        messages.insert(500, ws.masked(9, b"in between"))
        await client.send(b"".join(messages))
        await asyncio.sleep(0.05)
        gate.set()
        replies = []
        while len(replies) < 1000:
            frame = await client.frame()
            if frame.opcode == 10:
                assert frame.payload == b"in between"
            elif isinstance(item := frame.item(), dict):
                replies.append((item["type"], item["re"], item["payload"]))
        assert replies == [("reply", str(n), n) for n in range(1000)]


async def test_a_close_behind_messages_that_wait_is_answered_after_them(ws: Any) -> None:
    gate = asyncio.Event()
    async with ws.serving(handlers={"slow": gate}) as server:
        client = await server.ready()
        messages = [ws.text({"type": "slow", "id": str(n)}) for n in range(100)]
        await client.send(b"".join(messages) + ws.masked(8, b"\x03\xe8"))
        await asyncio.sleep(0.05)
        gate.set()
        assert (await client.closed()).number == 1000
        assert server.app.manager.get_metrics().messages_received == 100
        await server.until(lambda: not server.transport._links)


async def test_the_kernel_can_stop_reading_what_comes_with_the_upgrade(ws: Any) -> None:
    gate, many = asyncio.Event(), 1500
    async with ws.serving(handlers={"slow": gate}) as server:
        client = await server.connect()
        messages = [ws.text({"type": "slow", "id": str(n), "payload": n}) for n in range(many)]
        assert await client.upgrade(early=ws.text(ws.hello) + b"".join(messages)) == 101
        assert (await client.item())[0] == "welcome"
        (link,) = server.transport._links
        assert not link._tcp.is_reading()
        gate.set()
        got: list[Any] = []
        while len(got) < many:
            item = await client.item()
            got += [item["payload"]] if isinstance(item, dict) else []
        assert got == list(range(many))
        await server.until(link._tcp.is_reading)
