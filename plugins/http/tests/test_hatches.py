"""Hatches: what comes whole is answered without a task, what does not as ever, and both get the same answer."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from rtcore_http.answers import Answer, refusal
from rtcore_http.guard import IN_A_ROW, Guarded
from rtcore_http.hatches import SMALL, Reply
from rtcore_http.routes import Route

from rtcore.errors import Rejected

#: Bytes of a big answer.
BIG = 8_000


class Mirror:
    """Answers with the body.

    Attributes:
        ways: by which each request came in.
        kept: replies that are due.
        gone: clients that have gone while they waited.
    """

    def __init__(self) -> None:
        self.ways: list[str] = []
        self.kept: list[tuple[Reply, bytes]] = []
        self.gone = 0

    def routes(self) -> list[Route]:
        return [Route("POST", "/mirror", self.handle, hatch=self.take)]

    def answer(self, path: str, body: bytes) -> Answer:
        if "refuse" in path:
            return refusal(Rejected("too_many_requests", "later", retry_after=3))
        body = b"x" * BIG if "big" in path else body
        return Answer(b"got " + body, "text/plain", headers={"X-More": "yes"})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.ways.append("handler")
        body = await request.read()
        if "raise" in request.path_qs:
            raise ValueError("a bug")
        return self.answer(request.path_qs, body).response()

    def take(self, request: web.Request, body: bytes, reply: Reply) -> None:
        self.ways.append("hatch")
        if "raise" in request.path_qs:
            raise ValueError("a bug")
        if "rejected" in request.path_qs:
            raise Rejected("forbidden", "not you")
        if "later" in request.path_qs:
            reply.watch(self)
            self.kept.append((reply, body))
        else:
            reply.answer(self.answer(request.path_qs, body))

    def go_on(self) -> None:
        """Answer what was to be answered later."""
        kept, self.kept = self.kept, []
        for reply, body in kept:
            reply.answer(self.answer("", body))

    def pause(self) -> None:
        pass

    def resume(self) -> None:
        pass

    def lost(self) -> None:
        self.gone += 1


@pytest.fixture
def mirror() -> Mirror:
    return Mirror()


def post(body: bytes, path: str = "/mirror", more: str = "", version: str = "1.1") -> bytes:
    head = f"POST {path} HTTP/{version}\r\nHost: a\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


async def answer_of(raw: Any) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the next answer."""
    head: bytes = await raw.head()
    first, *lines = head.decode().strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), headers, await raw.body(head)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - what is waited for is another side's state
            await asyncio.sleep(0.01)


async def one_that_waits(serve: Any, connect: Any, mirror: Mirror) -> Any:
    """Return the connection of a client whose request is to be answered later."""
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    await raw.send(post(b"first", "/mirror?later"))
    await until(lambda: bool(mirror.kept))
    return raw


CHUNKED = b"POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
UNUSUAL = [
    CHUNKED,
    post(b"abc", version="1.0"),
    post(b"abc", more="Content-Encoding: identity\r\n"),
    post(b"abc", more="Expect: 100-continue\r\n"),
]


@pytest.mark.parametrize("path", ["/mirror", "/mirror?refuse", "/mirror?raise"])
@pytest.mark.parametrize("origin", ["", "Origin: https://b.example\r\n", "Origin: https://c.example\r\n"])
async def test_the_answer_is_the_same_by_either_way(
    serve: Any, connect: Any, mirror: Mirror, path: str, origin: str
) -> None:
    _, url = await serve(*mirror.routes(), origins=["https://b.example"])
    raw = await connect(url)
    await raw.send(post(b"abc", path, origin))
    by_hatch = await answer_of(raw)
    await raw.send(post(b"abc", path, origin + "Content-Encoding: identity\r\n"))
    by_handler = await answer_of(raw)
    assert mirror.ways == ["hatch", "handler"]
    for headers in (by_hatch[1], by_handler[1]):
        headers.pop("Date")
    assert by_hatch == by_handler


@pytest.mark.parametrize("request_", UNUSUAL)
async def test_what_is_unusual_is_the_handlers_and_what_follows_is_not(
    serve: Any, connect: Any, mirror: Mirror, request_: bytes
) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    await raw.send(request_)
    if b"Expect" in request_:
        assert b" 100 " in await raw.head()
    assert (await answer_of(raw))[2] == b"got abc"
    assert mirror.ways == ["handler"]
    if b"HTTP/1.0" not in request_:  # which closes
        await raw.send(post(b"next"))
        assert (await answer_of(raw))[2] == b"got next"
        assert mirror.ways == ["handler", "hatch"]


async def test_a_large_body_is_the_handlers(serve: Any, connect: Any, mirror: Mirror) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    for size in (SMALL, SMALL + 1):
        await raw.send(post(b"x" * size))
        assert len((await answer_of(raw))[2]) == size + 4
    assert mirror.ways[-1] == "handler"


async def test_cut_anywhere_a_request_is_answered_once(serve: Any, connect: Any, mirror: Mirror) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    request = post(b"abc")
    for at in range(1, len(request)):
        await raw.send(request[:at])
        await asyncio.sleep(0.001)
        await raw.send(request[at:])
        assert (await answer_of(raw))[2] == b"got abc"
    assert len(mirror.ways) == len(request) - 1
    assert set(mirror.ways) == {"hatch", "handler"}, "in a head or whole, and within a body"


async def test_what_is_pipelined_is_answered_in_its_order_whichever_way_it_goes(
    serve: Any, connect: Any, mirror: Mirror
) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    healthz = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    await raw.send(post(b"1") + post(b"2") + healthz + post(b"3") + CHUNKED + post(b"4"))
    bodies = [(await answer_of(raw))[2] for _ in range(6)]
    assert [bodies[0], bodies[1], *bodies[3:]] == [b"got 1", b"got 2", b"got 3", b"got abc", b"got 4"]
    await raw.send(post(b"5"))
    assert (await answer_of(raw))[2] == b"got 5"
    assert mirror.ways[:2] == ["hatch", "hatch"]
    assert mirror.ways[-1] == "hatch"


async def test_one_that_asks_much_at_once_leaves_turns_to_the_others(
    serve: Any, connect: Any, mirror: Mirror
) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    seen: list[int] = []

    async def look() -> None:
        while True:
            seen.append(len(mirror.ways))
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    count = 20 * IN_A_ROW
    await raw.send(post(b"x") * count)
    for _ in range(count):
        await answer_of(raw)
    looking.cancel()
    assert max(after - before for before, after in itertools.pairwise(seen)) <= IN_A_ROW


async def test_what_comes_behind_one_that_waits_waits_for_it(
    serve: Any, connect: Any, mirror: Mirror
) -> None:
    raw = await one_that_waits(serve, connect, mirror)
    await raw.send(post(b"second") + CHUNKED)
    await asyncio.sleep(0.05)
    assert mirror.ways == ["hatch"]
    mirror.go_on()
    assert [(await answer_of(raw))[2] for _ in range(3)] == [b"got first", b"got second", b"got abc"]


async def test_the_one_that_waits_hears_when_its_client_has_gone_and_may_answer_all_the_same(
    serve: Any, connect: Any, mirror: Mirror
) -> None:
    raw = await one_that_waits(serve, connect, mirror)
    reply, _ = mirror.kept[0]
    assert reply.open
    raw.writer.close()
    await until(lambda: mirror.gone == 1)
    assert not reply.open
    mirror.go_on()


async def test_a_hatch_may_refuse(serve: Any, connect: Any, mirror: Mirror) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    await raw.send(post(b"abc", "/mirror?rejected"))
    status, _, body = await answer_of(raw)
    assert (status, b"not you" in body) == (403, True)


async def test_a_bug_is_logged_and_the_client_is_told_no_details(
    serve: Any, connect: Any, mirror: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    await raw.send(post(b"abc", "/mirror?raise"))
    status, _, body = await answer_of(raw)
    assert (status, b"bug" in body) == (500, False)
    assert "a bug" in caplog.text


async def test_a_client_that_asks_for_the_end_gets_it(serve: Any, connect: Any, mirror: Mirror) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    await raw.send(post(b"abc", more="Connection: close\r\n"))
    _, headers, body = await answer_of(raw)
    assert (headers["Connection"], body, await raw.rest()) == ("close", b"got abc", b"")
    assert mirror.ways == ["hatch"]


async def test_with_an_access_log_each_request_is_the_handlers(
    serve: Any, connect: Any, mirror: Mirror, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="rtcore.http.access")
    _, url = await serve(*mirror.routes(), access_log=True)
    raw = await connect(url)
    await raw.send(post(b"abc"))
    await answer_of(raw)
    assert mirror.ways == ["handler"]


async def test_who_does_not_read_is_answered_no_more_until_it_does(
    serve: Any, connect: Any, mirror: Mirror
) -> None:
    """Else a client could ask without end, and the answers would fill the server's memory."""
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    raw.reader._transport.pause_reading()
    count = 10_000
    sender = asyncio.create_task(raw.send(post(b"", "/mirror?big") * count))
    await until(lambda: bool(mirror.ways))
    answered = 0
    while answered != len(mirror.ways):
        answered = len(mirror.ways)
        await asyncio.sleep(0.3)  # nothing tells that no more will be answered
    assert answered < count / 10
    assert set(mirror.ways) == {"hatch"}
    raw.reader._transport.resume_reading()
    for _ in range(count):
        assert len((await answer_of(raw))[2]) == BIG + 4
    await sender


@pytest.fixture
async def idle(serve: Any, connect: Any, mirror: Mirror) -> Any:
    _, url = await serve(*mirror.routes(), keepalive_timeout=0.3, header_timeout=0.2)
    return await connect(url)


@pytest.mark.parametrize("before", [b"", CHUNKED])
async def test_a_connection_that_asks_for_nothing_more_is_closed(idle: Any, before: bytes) -> None:
    if before:  # by the handler: aiohttp's task has begun, and has its own timer
        await idle.send(before)
        await answer_of(idle)
    await idle.send(post(b"abc"))
    await answer_of(idle)
    assert await idle.rest() == b""


@pytest.mark.parametrize("before", [b"", CHUNKED])
async def test_one_that_waits_for_its_answer_is_not_idle(idle: Any, mirror: Mirror, before: bytes) -> None:
    if before:
        await idle.send(before)
        await answer_of(idle)
    await idle.send(post(b"abc", "/mirror?later"))
    await asyncio.sleep(1.0)  # three times as long as an idle connection may live
    mirror.go_on()
    assert (await answer_of(idle))[2] == b"got abc"


async def test_no_task_is_made_for_what_goes_by_a_hatch(serve: Any, connect: Any, mirror: Mirror) -> None:
    _, url = await serve(*mirror.routes())
    raw = await connect(url)
    await raw.send(post(b"abc"))
    await answer_of(raw)
    await raw.send(post(b"abc", "/mirror?later"))
    await until(lambda: bool(mirror.kept))
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    assert not [name for name in names if "RequestHandler" in name]
    assert Guarded.start.__qualname__.startswith("RequestHandler"), "which is what would be seen"
    mirror.go_on()


async def test_a_port_that_closes_does_not_wait_for_one_that_waits(
    serve: Any, connect: Any, mirror: Mirror
) -> None:
    app, url = await serve(*mirror.routes(), stop_timeout=5)
    raw = await connect(url)
    await raw.send(post(b"abc", "/mirror?later"))
    await until(lambda: bool(mirror.kept))
    async with asyncio.timeout(2):
        await app.stop()
    assert await raw.rest() == b""
