"""RFC 6455 over real sockets, on each data path: fragments, control frames, closes, limits, garbage."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

ECHO = {"type": "echo", "id": "1", "payload": "pieces"}


async def test_a_message_in_fragments_with_a_ping_between_them_is_whole(server: Any, ws: Any) -> None:
    client = await server.ready()
    data = json.dumps(ECHO).encode()
    await client.send(
        ws.masked(1, data[:10], fin=False)
        + ws.masked(9, b"are you there")
        + ws.masked(0, data[10:20], fin=False)
    )
    pong = await client.frame()
    assert (pong.first, pong.payload) == (0x8A, b"are you there")
    await client.send(ws.masked(0, data[20:]))
    assert (await client.item())["payload"] == "pieces"


async def test_one_byte_at_a_time_is_enough(server: Any, ws: Any) -> None:
    client = await server.ready()
    for byte in ws.text(ECHO):
        await client.send(bytes((byte,)))
    assert (await client.item())["payload"] == "pieces"


async def test_many_frames_in_one_packet_all_count(server: Any, ws: Any) -> None:
    client = await server.ready()
    await client.send(b"".join(ws.text({**ECHO, "id": str(n)}) for n in range(50)))
    assert [(await client.item())["re"] for _ in range(50)] == [str(n) for n in range(50)]


async def test_text_in_a_binary_frame_is_taken_as_well(server: Any, ws: Any) -> None:
    client = await server.ready()
    await client.send(ws.masked(2, json.dumps(ECHO).encode()))
    assert (await client.item())["payload"] == "pieces"


@pytest.mark.parametrize("size", [125, 126, 65_000, 65_536, 90_000])
async def test_messages_of_any_size_go_both_ways(server: Any, size: int) -> None:
    client = await server.ready()
    for _ in range(3):
        assert await client.ask_echo("ü" * (size // 2)) == "ü" * (size // 2)


async def test_a_close_is_answered_with_its_own_number(server: Any, ws: Any) -> None:
    for payload, number in [(b"", 1000), (b"\x03\xe8bye", 1000), (b"\x0f\xa1", 4001)]:
        client = await server.ready()
        await client.send(ws.masked(8, payload))
        close = await client.closed()
        assert close is not None
        assert close.number == number
    await server.until(lambda: not server.transport._links)


async def test_what_follows_a_close_does_not_count(server: Any, ws: Any) -> None:
    client = await server.ready()
    await client.send(ws.masked(8, b"\x03\xe8") + ws.text(ECHO) + ws.masked(8, b"\x03\xe8"))
    close = await client.closed()
    assert close is not None
    assert close.number == 1000


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("a text that is not UTF-8", 1007),
        ("fragments that are not UTF-8", 1007),
        ("a continuation of nothing", 1002),
        ("a message inside of another", 1002),
        ("reserved bits", 1002),
        ("a reserved opcode", 1002),
        ("a fragmented ping", 1002),
        ("a ping that is too long", 1002),
        ("a close of one byte", 1002),
        ("a close number that cannot be", 1002),
        ("a close reason that is not UTF-8", 1007),
    ],
)
async def test_a_violation_has_its_number_and_hurts_nobody_else(
    server: Any, ws: Any, what: str, number: int
) -> None:
    frame = {
        "a text that is not UTF-8": ws.masked(1, b'{"type":"\xff"}'),
        "fragments that are not UTF-8": ws.masked(1, b"caf\xc3", fin=False) + ws.masked(0, b" ", fin=True),
        "a continuation of nothing": ws.masked(0, b"x"),
        "a message inside of another": ws.masked(1, b"x", fin=False) + ws.masked(1, b"y"),
        "reserved bits": ws.masked(1, b"x", rsv=2),
        "a reserved opcode": ws.masked(5, b"x"),
        "a fragmented ping": ws.masked(9, b"x", fin=False),
        "a ping that is too long": ws.masked(9, b"x" * 126),
        "a close of one byte": ws.masked(8, b"\x03"),
        "a close number that cannot be": ws.masked(8, (1005).to_bytes(2, "big")),
        "a close reason that is not UTF-8": ws.masked(8, b"\x03\xe8\xff"),
    }[what]
    client = await server.ready()
    await client.send(frame)
    close = await client.closed()
    assert close is not None
    assert close.number == number
    await server.bystander_is_well()


async def test_an_unmasked_frame_is_a_violation(ws: Any) -> None:
    async with ws.serving() as server:  # on picows: aiohttp does not mind
        client = await server.ready()
        await client.send(b"\x81\x02{}")
        assert (await client.closed()).number == 1002


@pytest.mark.parametrize("how", ["one frame", "fragments", "a header only"])
async def test_a_message_that_is_too_big_is_refused_by_its_code(server: Any, ws: Any, how: str) -> None:
    client = await server.ready()
    big = b"x" * 120_000
    if how == "one frame":
        await client.send(ws.masked(1, big))
    elif how == "fragments":
        await client.send(ws.masked(1, big[:60_000], fin=False) + ws.masked(0, big[:60_000], fin=False))
    else:
        await client.send(ws.masked(1, big)[:14])
    name, fields = await client.item()
    assert (name, fields["code"], fields["number"]) == ("close", "message_too_big", 4208)
    close = await client.closed()
    assert close is not None
    assert close.number == 4208
    await server.bystander_is_well()


async def test_a_client_that_leaves_without_a_word_is_noticed(server: Any) -> None:
    client = await server.ready()
    assert server.app.manager.get_metrics().transports["websocket"].connections == 1
    client.writer.transport.abort()
    await server.until(lambda: server.app.manager.get_metrics().transports["websocket"].connections == 0)
    assert not server.transport._links


async def test_noise_is_answered_with_a_close_or_silence(server: Any) -> None:
    dice = random.Random(6455)
    for _ in range(60):
        client = await server.upgraded()
        await client.send(dice.randbytes(dice.choice([1, 2, 7, 60, 2000])))
        client.writer.write_eof()
        await client.closed()
    await server.until(lambda: not server.transport._links)
    await server.bystander_is_well()


async def test_an_ending_session_says_why_before_the_socket_closes(server: Any, ws: Any) -> None:
    client = await server.upgraded()
    welcome = await client.hello()
    server.app.manager.disconnect(welcome["session"], "kicked")
    name, fields = await client.item()
    assert (name, fields["code"]) == ("close", "kicked")
    close = await client.frame()
    assert (close.number, close.payload[2:]) == (4203, b"kicked")
    await client.send(ws.masked(8, close.payload))
    assert await client.closed() is None


async def test_a_peer_that_does_not_answer_a_close_is_cut(ws: Any) -> None:
    for data_path in ("picows", "aiohttp"):
        async with ws.serving(websocket={"close_timeout": 0.1, "data_path": data_path}) as server:
            client = await server.upgraded()
            welcome = await client.hello()
            server.app.manager.disconnect(welcome["session"])
            assert (await client.closed()).number == 4203
            await server.until(lambda server=server: not server.transport._links)
