"""What is fuzzed over sockets: bytes of a WebSocket and of HTTP, against a real server, beside an innocent client.

Whatever comes, the server answers or closes, logs no error, loses no session that it should have, and the innocent
client's round trips go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
import struct
import time
from collections.abc import Callable
from typing import Any

import cbor2
from rtcore_client import RealtimeClient

from tests.fuzz.mutate import CBOR_TOKENS, HTTP_TOKENS, JSON_TOKENS, Mutator

Talk = Callable[[int, random.Random, dict[str, Mutator]], Any]

UPGRADE = (
    b"GET /rt/ws?codec=%s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n%s\r\n"
)


class Complaints(logging.Handler):
    """Remembers what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record)[:2000])


def frame(payload: bytes, opcode: int, *, fin: bool = True, rsv: int = 0) -> bytes:
    """Return a client's frame (RFC 6455, section 5.2), masked with zeros."""
    size = len(payload)
    head = bytes(((0x80 if fin else 0) | rsv << 4 | opcode,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65536:
        head += struct.pack("!BH", 0x80 | 126, size)
    else:
        head += struct.pack("!BQ", 0x80 | 127, size)
    return head + bytes(4) + payload


async def websocket(port: int, chance: random.Random, made: dict[str, Mutator]) -> None:
    """Upgrade, say hello, and then say anything: items that are wrong, frames that are wrong, both."""
    codec = chance.choice(("json", "cbor"))
    more = b"Sec-WebSocket-Extensions: permessage-deflate\r\n" if chance.random() < 0.3 else b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(UPGRADE % (codec.encode(), port, more))
        await reader.readuntil(b"\r\n\r\n")
        hello = [
            "hello",
            {"v": 1, "attach": 1, "nonce": secrets.token_urlsafe(18), "parts": True, "compress": ["deflate"]},
        ]
        opcode = 1 if codec == "json" else 2
        writer.write(frame(json.dumps(hello).encode() if codec == "json" else cbor2.dumps(hello), opcode))
        for _ in range(chance.randrange(1, 8)):
            body = made[codec]() if chance.random() < 0.7 else chance.choice(made[codec].pool)
            if chance.random() < 0.1:
                body = b"\x01" + body
            sent = frame(
                body[:60_000], chance.randrange(16) if chance.random() < 0.1 else opcode,
                fin=chance.random() > 0.1, rsv=chance.randrange(8) if chance.random() < 0.05 else 0,
            )  # fmt: skip
            writer.write(made[codec].change(sent) if chance.random() < 0.1 else sent)
        await writer.drain()
        await asyncio.wait_for(reader.read(65536), 0.05)
    except (OSError, EOFError, TimeoutError):
        pass
    finally:
        writer.close()


REQUESTS = [
    b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /rt/ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"OPTIONS /rt/send HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    *(
        b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
        % (path, len(body), body)
        for path in (b"/rt/send", b"/rt/poll", b"/rt/sse", b"/rt/poll?codec=cbor", b"/rt/send?codec=zz")
        for body in (
            b'["send",{"session":"a","secret":"b","attach":1,"from":0}]\n{"type":"x"}',
            b'["poll",{"session":"a","secret":"b","attach":1,"received":0}]',
            b'["hello",{"v":1,"attach":1,"nonce":"aaaaaaaaaaaaaaaaaaaaaaa"}]',
            b"",
        )
    ),
    b"POST /rt/send HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[]\n\r\n0\r\n\r\n",
]


async def http(port: int, chance: random.Random, made: dict[str, Mutator]) -> None:
    """Send requests, some of them changed, in pieces of any size."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        whole = b"".join(
            made["http"]() if chance.random() < 0.5 else chance.choice(REQUESTS) for _ in range(3)
        )
        while whole:
            cut = chance.choice((len(whole), chance.randrange(1, len(whole) + 1)))
            writer.write(whole[:cut])
            whole = whole[cut:]
            await writer.drain()
            await asyncio.sleep(0)
        await asyncio.wait_for(reader.read(65536), 0.05)
    except (OSError, EOFError, TimeoutError):
        pass
    finally:
        writer.close()


async def converse(
    port: int, talk: Talk, *, seconds: float, seed: int, pools: tuple[list[bytes], list[bytes]]
) -> int:
    """Talk to a server for so long, eight at a time; return how many conversations there were.

    Raises:
        AssertionError: the innocent client was hurt, or an error was logged.
    """
    chance = random.Random(seed)
    made = {
        "json": Mutator(pools[0], JSON_TOKENS, chance),
        "cbor": Mutator(pools[1], CBOR_TOKENS, chance),
        "http": Mutator(REQUESTS, HTTP_TOKENS, chance),
    }
    complaints = Complaints()
    logging.getLogger().addHandler(complaints)
    count, longest = 0, 0.0
    end = time.monotonic() + seconds

    async def again() -> None:
        nonlocal count
        while time.monotonic() < end:
            await talk(port, chance, made)
            count += 1

    try:
        async with RealtimeClient(f"http://127.0.0.1:{port}/rt", auto_reconnect=False) as innocent:
            before = innocent.get_connection_info().session_id
            crowd = [asyncio.create_task(again()) for _ in range(8)]
            while time.monotonic() < end:
                began = time.monotonic()
                assert await innocent.request("echo", began, timeout=10) == began
                longest = max(longest, time.monotonic() - began)
                await asyncio.sleep(0.02)
            await asyncio.gather(*crowd)
            assert innocent.get_connection_info().session_id == before
    finally:
        logging.getLogger().removeHandler(complaints)
    assert not complaints.told, f"seed {seed}: {complaints.told[0]}"
    assert longest < 5, f"seed {seed}: an innocent client waited for {longest:.1f} s"
    return count
