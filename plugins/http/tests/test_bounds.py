"""What a client may cost: heads, bodies, handshakes and descriptors, over raw sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from rtcore_http.body import read_body
from rtcore_http.places import Places
from rtcore_http.routes import Route


async def test_a_head_that_dribbles_is_cut_off(serve: Any, connect: Any) -> None:
    _, url = await serve(header_timeout=0.2)
    slow = await connect(url)
    await slow.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n")

    async def dribble() -> None:
        while True:
            await slow.send(b"X-A: b\r\n")
            await asyncio.sleep(0.02)

    began = time.monotonic()
    dribbling = asyncio.create_task(dribble())
    assert await slow.rest() == b""
    assert time.monotonic() - began < 2
    dribbling.cancel()
    await asyncio.gather(dribbling, return_exceptions=True)


async def test_a_connection_that_says_nothing_is_cut_off(serve: Any, connect: Any) -> None:
    _, url = await serve(header_timeout=0.2)
    silent = await connect(url)
    assert await silent.rest() == b""


async def test_the_second_head_on_a_connection_has_its_time_as_well(serve: Any, connect: Any) -> None:
    _, url = await serve(header_timeout=0.2, keepalive_timeout=30)
    kept = await connect(url)
    await kept.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b" 200 " in await kept.head()
    await kept.reader.readexactly(16)
    await asyncio.sleep(0.6)  # idle for longer than a head may take: that is no offence
    await kept.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b" 200 " in await kept.head()
    await kept.reader.readexactly(16)
    await kept.send(b"GET /heal")
    assert await kept.rest() == b""


async def test_a_tls_handshake_that_never_ends_is_cut_off(serve: Any, connect: Any, tls: Any) -> None:
    _, url = await serve(tls_certificate=str(tls.certificate), tls_key=str(tls.key), tls_timeout=0.2)
    silent = await connect(url)
    assert await silent.rest() == b""


async def test_a_slow_body_is_refused(serve: Any, connect: Any) -> None:
    _, url = await serve(body_timeout=0.2)
    slow = await connect(url)
    await slow.send(
        b"POST /rt/send HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\n["
    )
    assert b" 408 " in await slow.head()


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_nothing_to_log(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ended = asyncio.Event()

    async def read(request: web.Request) -> web.Response:
        try:
            return web.Response(body=await read_body(request, 1000))
        finally:
            ended.set()

    _, url = await serve(Route("POST", "/read", read))
    leaving = await connect(url)
    await leaving.send(b"POST /read HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf")
    leaving.writer.transport.abort()
    async with asyncio.timeout(10):
        await ended.wait()
    staying = await connect(url)
    await staying.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b" 200 " in await staying.head(), "the server has turned to others meanwhile"
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_route_whose_own_connection_breaks_has_failed(
    serve: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def break_(request: web.Request) -> web.Response:
        raise ConnectionResetError("the database")

    _, url = await serve(Route("GET", "/break", break_))
    client = await connect(url)
    await client.send(b"GET /break HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b" 500 " in await client.head()
    assert "GET /break failed" in caplog.text


async def test_a_body_that_says_that_it_is_too_big_is_not_read(serve: Any, connect: Any) -> None:
    _, url = await serve(top={"max_message_size": 1000})
    big = await connect(url)
    await big.send(
        b"POST /rt/send HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 999999999\r\n\r\n"
    )
    assert b" 413 " in await big.head()


async def test_a_body_without_a_length_is_read_no_further_than_it_may(serve: Any, connect: Any) -> None:
    _, url = await serve(top={"max_message_size": 1000})
    endless = await connect(url)
    await endless.send(
        b"POST /rt/send HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    async def pour() -> None:
        while True:
            await endless.send(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    pouring = asyncio.create_task(pour())
    head = await endless.head()
    assert b" 413 " in head
    assert b"message_too_big" in await endless.body(head)
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)


async def test_large_cookies_pass_and_larger_ones_are_refused(
    serve: Any, browser: aiohttp.ClientSession
) -> None:
    _, url = await serve(max_header_size=20_000)
    async with browser.get(url + "/healthz", headers={"Cookie": "a=" + "b" * 16_384}) as response:
        assert response.status == 200
    async with browser.get(url + "/healthz", headers={"Cookie": "a=" + "b" * 30_000}) as response:
        assert response.status == 400


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"x" * 100_000, b"\r\n" * 50]
)
async def test_garbage_is_answered_or_dropped_and_hurts_nobody(
    serve: Any, connect: Any, browser: aiohttp.ClientSession, garbage: bytes
) -> None:
    _, url = await serve(header_timeout=0.3)
    rude = await connect(url)
    with contextlib.suppress(ConnectionError):
        await rude.send(garbage)
    answer = await rude.rest()
    assert answer == b"" or b" 400 " in answer
    async with browser.get(url + "/healthz") as response:
        assert response.status == 200


async def test_the_last_descriptors_are_kept_and_the_client_is_told(
    serve: Any, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await serve()
    monkeypatch.setattr(Places, "scarce", lambda self, transport: True)
    async with browser.get(url + "/healthz") as response:
        assert response.status == 503
        assert (await response.json())[1]["code"] == "server_full"
    monkeypatch.undo()
    async with browser.get(url + "/healthz") as response:
        assert response.status == 200


async def test_with_no_descriptor_left_a_connection_is_dropped_at_once(
    serve: Any, connect: Any, browser: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, url = await serve()
    monkeypatch.setattr(Places, "gone", lambda self, listening: True)
    dropped = await connect(url)
    assert await dropped.rest() == b""
    monkeypatch.undo()
    async with browser.get(url + "/healthz") as response:
        assert response.status == 200


def descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def test_room_is_measured_by_the_number_that_comes_next() -> None:
    places = Places(spare=64)
    assert not places.gone(0)
    hard, places._hard = places._hard, 0
    assert not places.gone(
        0
    )  # it is asked once a turn: what was found out holds for all that were accepted in it
    await asyncio.sleep(0)
    assert places.gone(0)
    places._hard = hard
    assert places.gone(0)  # and so is whoever was accepted in the same turn
    await asyncio.sleep(0)
    assert not places.gone(0)
    before = descriptors()
    for _ in range(100):
        places.gone(0)
        await asyncio.sleep(0)
    assert descriptors() == before


SERVER = """
import asyncio, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
import rtcore_http
from rtcore.app import App
from rtcore.testing import PlainCodec
from rtcore_http.service import Http

async def main():
    http = {"port": 0, "tls_timeout": 60, "header_timeout": 60, "spare_files": 32}
    if len(sys.argv) > 1:
        http |= {"tls_certificate": sys.argv[1], "tls_key": sys.argv[2]}
    async with App({"http": http}, plugins=[rtcore_http, PlainCodec()]) as app:
        print(app.get(Http).port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


@pytest.mark.parametrize("secure", [False, True])
async def test_a_server_survives_more_connections_than_it_has_descriptors(
    browser: aiohttp.ClientSession, tls: Any, secure: bool
) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        SERVER,
        *([str(tls.certificate), str(tls.key)] if secure else []),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    port = int(await server.stdout.readline())
    url = f"http{'s' if secure else ''}://127.0.0.1:{port}/healthz"
    crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(200)]
    # Those that came too late are gone; the others sit where they are.
    async with asyncio.timeout(10):
        while sum(reader.at_eof() for reader, _ in crowd) < 72:  # noqa: ASYNC110 - 200 came, the limit is 128
            await asyncio.sleep(0.01)
    for _, writer in crowd:
        writer.transport.abort()
    async with asyncio.timeout(10):
        while True:
            try:
                async with browser.get(url, ssl=tls.client if secure else True) as response:
                    if response.status == 200:
                        break
            except aiohttp.ClientError:
                await asyncio.sleep(0.02)
    server.stdin.close()
    async with asyncio.timeout(10):
        _, complaints = await server.communicate()
    assert complaints == b""
