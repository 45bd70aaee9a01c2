"""Batches on real sockets: several messages in one frame where both sides want it, compressed as a whole."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from rtcore_brotli.compressor import BrotliCompressor
from stack import make, serving, until

from rtcore import App, Message, Session

#: Too small to be compressed alone, and much alike.
TEXT = "one of many small messages that say nearly the same. " * 3


async def frames(port: int, *, batch: bool, compress: list[str], count: int) -> list[bytes]:
    """Ask for so many messages; return the frames that they come in."""
    hello = {"v": 1, "attach": 1, "nonce": "0123456789abcdef", "batch": batch, "compress": compress}
    got: list[bytes] = []
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"http://127.0.0.1:{port}/rt/ws", decode_text=False) as socket,
        asyncio.timeout(10),
    ):
        await socket.send_str(json.dumps(["hello", hello]))
        await socket.receive()
        await socket.send_str(json.dumps({"type": "many", "payload": count}))
        while sum(messages_in(frame) for frame in got) < count:
            got.append((await socket.receive()).data)
    return [frame for frame in got if messages_in(frame)]


def messages_in(frame: bytes) -> int:
    if frame[0] == 1:
        frame = BrotliCompressor().decompress(frame[1:], max_size=1_000_000)
    return sum(line.startswith(b"{") for line in frame.split(b"\n"))


async def test_the_server_puts_many_messages_into_one_frame_and_compresses_it_whole() -> None:
    app = make(enable_batching=True, batch_size=25, batch_interval=0.01)

    @app.handler("many")
    def many(session: Session, payload: int) -> None:
        for n in range(payload):
            session.send("one", {"n": n, "text": TEXT})

    async with serving(app) as port:
        alone = await frames(port, batch=False, compress=["brotli"], count=50)
        assert [messages_in(frame) for frame in alone] == [1] * 50
        assert {frame[:1] for frame in alone} == {b"{"}, "each is too small for that"
        plain = await frames(port, batch=True, compress=[], count=50)
        assert [messages_in(frame) for frame in plain] == [25, 25]
        packed = await frames(port, batch=True, compress=["brotli"], count=50)
        assert [messages_in(frame) for frame in packed] == [25, 25]
        assert {frame[0] for frame in packed} == {1}
        assert sum(map(len, packed)) < sum(map(len, plain)) / 5


@pytest.fixture
def seen() -> list[int]:
    return []


@pytest.fixture
def app(seen: list[int]) -> App:
    app = make()

    @app.handler("one")
    def one(message: Message) -> None:
        seen.append(message.payload["n"])

    return app


async def test_a_client_does_the_same_in_the_other_direction(app, client_of, seen) -> None:
    async def cost(**options: object) -> int:
        client = client_of(fallback_types=(), **options)
        await client.connect()
        before = app.manager.counters.bytes_received
        seen.clear()
        for n in range(50):
            await client.send("one", {"n": n, "text": TEXT})
        await until(lambda: len(seen) == 50)
        assert seen == list(range(50))
        cost = app.manager.counters.bytes_received - before
        await client.close()
        return cost

    alone = await cost()
    together = await cost(enable_batching=True, batch_size=25, batch_interval=0.05)
    assert together < alone / 5
    assert alone > 50 * len(TEXT)
