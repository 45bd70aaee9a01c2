"""What is wrong is answered with a status, a code and a reason, and costs nothing that stays."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import aiohttp
import pytest
from sse_client import until

from rtcore.wire.codes import CODES

HELLO = b'["hello",{"attach":1,"nonce":"0123456789abcdef"}]'


async def refused(http: aiohttp.ClientSession, url: str, status: int, code: str, **request: Any) -> str:
    async with http.post(f"{url}/rt/sse{request.pop('query', '')}", **request) as response:
        assert response.status == status
        name, fields = json.loads(await response.read())
    assert (name, fields["code"]) == ("error", code)
    assert code in CODES
    return str(fields["reason"])


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "hello"),
        (b"garbage", "JSON"),
        (b"\xff\xfe", ""),
        (b'{"type":"a"}', "hello"),
        (b'["poll",{}]', "hello"),
        (b'["hello",{}]', "`nonce`"),
        (b'["hello",{"attach":1,"nonce":"short"}]', "at least 16"),
        (b'["hello",{"attach":-1,"nonce":"0123456789abcdef"}]', "`attach`"),
        (b'["hello",{"attach":1,"nonce":"0123456789abcdef","session":"a"}]', "together"),
        (b'\x01{"a":1}', ""),
        (b"[" * 60_000, ""),
    ],
)
async def test_a_body_that_is_no_hello(
    serve: Any, http: aiohttp.ClientSession, body: bytes, reason: str
) -> None:
    app, url = await serve()
    assert reason in await refused(http, url, 400, "bad_hello", data=body)
    assert app.manager.get_metrics().transports["sse"].connections == 0
    assert not app.manager.sessions


async def test_a_version_that_is_not_spoken(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    hello = b'["hello",{"v":2,"attach":1,"nonce":"0123456789abcdef"}]'
    await refused(http, url, 400, "unsupported_version", data=hello)


async def test_a_body_that_is_too_large(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    await refused(http, url, 413, "message_too_big", data=b"x" * 70_000)

    async def endless() -> Any:
        while True:
            yield b"x" * 10_000

    with pytest.raises((AssertionError, aiohttp.ClientError)):  # cut, or answered before all of it was sent
        await refused(http, url, 413, "never", data=endless())


async def test_a_codec_that_is_not_here(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    assert "json" in await refused(http, url, 415, "unsupported_codec", query="?codec=xml", data=b"<hello/>")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_another_method(serve: Any, http: aiohttp.ClientSession, method: str) -> None:
    _, url = await serve()
    async with http.request(method, f"{url}/rt/sse") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


async def test_a_server_that_is_full_says_when_to_come_back(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(max_connections=1)
    async with http.post(f"{url}/rt/sse", data=HELLO) as first:
        assert first.status == 200
        async with http.post(f"{url}/rt/sse", data=HELLO.replace(b"abc", b"xyz")) as response:
            assert response.status == 503
            assert int(response.headers["Retry-After"]) >= 1
            assert (await response.json())[1]["code"] == "server_full"
        assert len(app.manager.sessions) == 1


async def test_a_flood_of_connects_and_leaves_costs_nothing_that_stays(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(session_ttl=0)
    before = len(asyncio.all_tasks())

    async def come_and_go() -> None:
        hello = HELLO.replace(b"0123456789abcdef", secrets.token_hex(8).encode())
        async with http.post(f"{url}/rt/sse", data=hello) as response:
            assert response.status == 200
            await response.content.readany()

    for _ in range(10):
        await asyncio.gather(*[come_and_go() for _ in range(50)])
    await until(lambda: not app.manager.sessions)
    assert app.manager.get_metrics().transports["sse"].connections == 0
    [transport] = app.registry.transports.values()
    assert not transport._streams.links()
    await until(lambda: len(asyncio.all_tasks()) <= before)


async def test_a_head_without_end_is_given_up(serve: Any) -> None:
    app, url = await serve(http={"body_timeout": 0.2})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b'POST /rt/sse HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n["hello",')
    assert b" 408 " in await reader.readline()
    writer.close()
    assert not app.manager.sessions
