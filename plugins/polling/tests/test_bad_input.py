"""What is wrong is answered with a status, a code and a reason, in the codec of the client."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from polling_client import Poller, message, until

from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity
from rtcore.testing import PlainCodec

HELLO = b'["hello",{"attach":1,"nonce":"0123456789abcdef"}]'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_control"),
        (b"garbage", "malformed_frame"),
        (b"\xff\xfe", "malformed_frame"),
        (b"[" * 60_000, "bad_control"),
        (b'{"type":"a"}', "bad_control"),
        (b'["send",{}]', "bad_control"),
        (b'["hello",{}]', "bad_hello"),
        (b'["hello",{"v":2,"attach":1,"nonce":"0123456789abcdef"}]', "unsupported_version"),
        (b'["poll",{}]', "bad_control"),
        (b'["poll",{"session":"a","secret":1,"attach":1,"received":0}]', "bad_control"),
        (b"\x01compressed", "malformed_frame"),
    ],
)
async def test_a_body_that_is_neither_hello_nor_poll(
    serve: Any, http: aiohttp.ClientSession, body: bytes, code: str
) -> None:
    app, url = await serve()
    answer = await Poller(http, url).post("/rt/poll", body)
    assert (answer.status, answer.code) == (400, code)
    assert not app.manager.sessions
    assert app.manager.get_metrics().connection_count == 0


async def test_a_poll_carries_nothing_else(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = Poller(http, url)
    await poller.hello()
    answer = await poller.poll(poller.codec.encode(message(1)))
    assert (answer.status, answer.code) == (400, "bad_control")
    assert "/rt/send" in answer.control("error")["reason"]
    [session] = app.manager.sessions.values()
    assert session.received == 0


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"session": "nobody"}, 404, "unknown_session"),
        ({"secret": "guessed"}, 404, "unknown_session"),
        ({"attach": 0}, 409, "superseded"),
        ({"received": 1}, 400, "bad_control"),
        ({"received": -1}, 400, "bad_control"),
        ({"received": None}, 400, "bad_control"),
        ({"received": "0"}, 400, "bad_control"),
    ],
)
async def test_a_poll_whose_fields_do_not_fit(
    serve: Any, http: aiohttp.ClientSession, wrong: dict[str, Any], status: int, code: str
) -> None:
    app, url = await serve()
    poller = Poller(http, url)
    await poller.hello()
    answer = await poller.poll(**wrong)
    assert (answer.status, answer.code) == (status, code)
    app.manager.broadcast(message(1))
    assert (await poller.poll()).payloads == [1], "the session is as well as before"


async def test_a_poll_in_another_codec_than_its_hello(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    poller = Poller(http, url)
    await poller.hello()
    other = Poller(http, url, codec=PlainCodec("turned", binary=True))
    answer = await other.poll(**poller.fields)
    assert (answer.status, answer.code) == (400, "bad_control")
    assert "json" in answer.control("error")["reason"]


async def test_a_body_that_is_too_large(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    answer = await Poller(http, url).post("/rt/poll", b"x" * 70_000)
    assert (answer.status, answer.code) == (413, "message_too_big")


async def test_a_body_that_never_ends(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(http={"body_timeout": 0.2})
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(b'POST /rt/poll HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n["hello",')
    assert b" 408 " in await reader.readline()
    writer.close()
    assert not app.manager.sessions


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_another_method(serve: Any, http: aiohttp.ClientSession, method: str) -> None:
    _, url = await serve()
    async with http.request(method, f"{url}/rt/poll") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


async def test_a_page_of_another_host(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    headers = {"Origin": "https://elsewhere.example", "Content-Type": "text/plain"}
    async with http.post(f"{url}/rt/poll", data=HELLO, headers=headers) as response:
        assert response.status == 403
        assert (await response.json())[1]["code"] == "origin_refused"


async def test_a_server_that_is_full(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve(max_connections=1)
    await Poller(http, url).hello()
    answer = await Poller(http, url).hello()
    assert (answer.status, answer.code) == (503, "server_full")


class Slow:
    """Knows nobody, and says so when it is told to."""

    name = "slow"

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()

    @hookimpl
    def rtcore_authenticators(self) -> list[Slow]:
        return [self]

    async def authenticate(self, handshake: Any) -> Identity | None:
        self.asked.set()
        await self.go.wait()
        return None


async def test_nobody_vouches_for_it(serve: Any, http: aiohttp.ClientSession) -> None:
    slow = Slow()
    app, url = await serve(plugins=(slow,))
    slow.go.set()
    answer = await Poller(http, url).hello()
    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert app.manager.get_metrics().connection_count == 0


async def test_a_client_that_leaves_while_it_is_checked_leaves_nothing_behind(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    slow = Slow()
    app, url = await serve(plugins=(slow,))
    request = asyncio.create_task(Poller(http, url).hello())
    await slow.asked.wait()
    assert app.manager.get_metrics().connection_count == 1
    request.cancel()
    await until(lambda: app.manager.get_metrics().connection_count == 0)
    slow.go.set()
    await asyncio.sleep(0)
    assert not app.manager.sessions


async def test_a_flood_of_polls_of_one_session_holds_one(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    poller = Poller(http, url)
    await poller.hello()
    polls = [asyncio.create_task(poller.poll()) for _ in range(100)]
    await until(lambda: sum(poll.done() for poll in polls) == 99)
    app.manager.broadcast(message(1))
    answers = [await poll for poll in polls]
    assert sum(len(answer.items) for answer in answers) == 1
