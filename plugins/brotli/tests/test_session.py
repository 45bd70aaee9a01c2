from __future__ import annotations

import pytest
import rtcore_brotli
from rtcore_brotli.compressor import BrotliCompressor
from rtcore_brotli.settings import Settings

from rtcore.app import App
from rtcore.testing import InMemoryTransport, PlainCodec
from rtcore.wire.format import COMPRESSED
from rtcore.wire.message import Message

HELLO = {"attach": 1, "nonce": "0123456789abcdef", "compress": ["unheard-of", "brotli"]}


@pytest.fixture
async def ends():
    codec, transport = PlainCodec(), InMemoryTransport()
    app = App({"compression_threshold": 1000}, plugins=[rtcore_brotli, codec, transport])

    @app.handler("echo")
    def echo(payload):
        return payload

    async with app:
        end = transport.connect()
        await end.send(codec.encode_control("hello", HELLO))
        [welcome] = codec.decode(await end.receive())
        assert welcome.fields["compress"] == "brotli"
        yield codec, end


async def test_what_is_large_is_compressed_and_what_is_small_is_not(ends):
    codec, end = ends
    await end.send(codec.encode(Message("echo", "small", id="1")))
    assert codec.decode(await end.receive())[0].payload == "small"
    await end.send(codec.encode(Message("echo", "large " * 1000, id="2")))
    frame = await end.receive()
    assert frame[0] == COMPRESSED
    assert len(frame) < 500
    whole = BrotliCompressor().decompress(frame[1:], max_size=10_000)
    assert codec.decode(whole)[0].payload == "large " * 1000


async def test_a_client_may_compress_too(ends):
    codec, end = ends
    packed = BrotliCompressor(Settings()).compress(codec.encode(Message("echo", "up", id="1")))
    await end.send(bytes([COMPRESSED]) + packed)
    assert codec.decode(await end.receive())[0].payload == "up"


async def test_a_bomb_ends_its_session_and_nothing_else(ends):
    codec, end = ends
    bomb = BrotliCompressor().compress(codec.encode(Message("echo", "x" * 50_000_000, id="1")))
    await end.send(bytes([COMPRESSED]) + bomb)
    [close] = codec.decode(await end.receive())
    assert (close.name, close.fields["code"]) == ("close", "message_too_big")
