"""Heads that come again are not parsed again, and nobody can tell by the answers."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from rtcore_http.answers import Answer
from rtcore_http.guard import Guarded
from rtcore_http.hatches import Reply
from rtcore_http.heads import KEPT, LARGEST
from rtcore_http.routes import Route


class Parser:
    """Counts the bytes that aiohttp's parser is given."""

    def __init__(self) -> None:
        self.fed: list[bytes] = []


@pytest.fixture
def parser(monkeypatch: pytest.MonkeyPatch) -> Parser:
    seen = Parser()
    real = RequestHandler.data_received

    def data_received(self: RequestHandler, data: bytes) -> None:
        seen.fed.append(data)
        real(self, data)

    monkeypatch.setattr(RequestHandler, "data_received", data_received)
    return seen


async def handle(request: web.Request) -> web.StreamResponse:
    return Answer(b"got " + await request.read(), "text/plain").response()


def take(request: web.Request, body: bytes, reply: Reply) -> None:
    reply.answer(Answer(b"got " + body, "text/plain"))


@pytest.fixture
async def raw(serve: Any, connect: Any) -> Any:
    _, url = await serve(Route("POST", "/mirror", handle, hatch=take))
    return await connect(url)


def post(body: bytes, more: str = "") -> bytes:
    return f"POST /mirror HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


async def ask(raw: Any, request: bytes, *, answers: int = 1) -> list[bytes]:
    await raw.send(request)
    return [await raw.body(await raw.head()) for _ in range(answers)]


async def test_a_head_that_was_parsed_is_not_parsed_again(raw: Any, parser: Parser) -> None:
    for body in (b"one", b"two", b"six"):
        assert await ask(raw, post(body)) == [b"got " + body]
    assert parser.fed == [post(b"one")]


async def test_another_head_is_parsed_and_then_known_as_well(raw: Any, parser: Parser) -> None:
    for _ in range(3):
        for body in (b"abcdef", b""):
            assert await ask(raw, post(body)) == [b"got " + body]
    assert len(parser.fed) == 2


async def test_few_heads_are_kept_and_no_large_ones(raw: Any, parser: Parser) -> None:
    bodies = [b"x" * n for n in range(KEPT + 1)]
    for body in (*bodies, bodies[-1], bodies[0]):
        await ask(raw, post(body))
    assert len(parser.fed) == KEPT + 2, "the first had to make room"
    large = f"X-Large: {'x' * LARGEST}\r\n"
    for _ in range(2):
        await ask(raw, post(b"abc", large))
    assert len(parser.fed) == KEPT + 4


def in_pieces(request: bytes) -> list[list[bytes]]:
    return [[request[:at], request[at:]] for at in (1, len(request) - 4, len(request) - 1)]


@pytest.mark.parametrize("pieces", in_pieces(post(b"abc")))
async def test_what_comes_in_pieces_is_the_parsers_and_so_is_all_that_follows(
    raw: Any, parser: Parser, pieces: list[bytes]
) -> None:

    await ask(raw, post(b"abc"))
    await raw.send(pieces[0])
    await asyncio.sleep(0.05)
    assert await ask(raw, pieces[1]) == [b"got abc"]
    for body in (b"def", b"ghi"):
        assert await ask(raw, post(body)) == [b"got " + body]
    assert parser.fed[-2:] == [post(b"def"), post(b"ghi")]


async def test_several_in_one_packet_are_the_parsers(raw: Any, parser: Parser) -> None:
    await ask(raw, post(b"abc"))
    assert await ask(raw, post(b"def") + post(b"ghi"), answers=2) == [b"got def", b"got ghi"]
    assert await ask(raw, post(b"jkl")) == [b"got jkl"]
    assert len(parser.fed) == 3


SMUGGLED = b"POST /mirror HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n" + post(b"abc"),
        b"\r\n\r\n" + post(b"abc"),
        post(b"abc").replace(b"\r\n", b"\n"),
        post(b"abc").replace(b"Host: a\r\n", b"Host: a\n"),
        post(SMUGGLED, more="X: y\n\r\n"),
        post(SMUGGLED, more="X: y\r\r\n"),
        b"POST /mirror HTTP/1.1\n\n" + post(b"abc"),
        b"POST /mirror HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        post(b"abc", more="Content-Length: 3\r\n"),
        post(b"abc", more="Content-Length: 4\r\n"),
        post(b"abc", more="Expect: 100-continue\r\n"),
        b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
        post(b"abc") + b"\r\n",
        post(b"abc") + b"x",
        post(b"abc") + b"GET /healthz HT",
        post(b"abc") + post(b"def")[:-1],
        post(b"abc")[:-1],
    ],
)
async def test_a_strange_request_gets_the_same_answers_however_often_it_comes(
    serve: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, request_: bytes
) -> None:
    """As by the parser alone: the same bytes, with nothing kept and with all that may be."""
    await same_by_the_parser(serve, connect, monkeypatch, [post(b"abc"), *[request_] * 3])


KNOWN = post(b"abc")


@pytest.mark.parametrize(
    ("packets", "requests"),
    [
        ([KNOWN + post(KNOWN)[: -len(KNOWN)], KNOWN], 2),
        ([KNOWN, KNOWN + post(KNOWN)[: -len(KNOWN)], KNOWN], 3),
        ([KNOWN, post(KNOWN)[: -len(KNOWN)], KNOWN], 2),
        ([KNOWN, post(KNOWN * 2)[: -2 * len(KNOWN)], KNOWN, KNOWN], 2),
    ],
)
async def test_a_body_that_looks_like_a_known_request_is_a_body(
    serve: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, packets: list[bytes], requests: int
) -> None:
    """Else who fills in a form could have the next request of the same connection, a proxy's, answered with another."""
    said = await same_by_the_parser(serve, connect, monkeypatch, packets)
    assert said.count(b"HTTP/1.1 200") == requests + 1
    assert b"got POST" in said


async def test_a_header_that_looks_like_a_known_request_is_a_header(
    serve: Any, connect: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = b"POST /nowhere HTTP/1.1\r\nX: "
    said = await same_by_the_parser(serve, connect, monkeypatch, [KNOWN + begun, KNOWN])
    assert said.count(b"got abc") == 1
    assert b"HTTP/1.1 404" in said


async def same_by_the_parser(
    serve: Any, connect: Any, monkeypatch: pytest.MonkeyPatch, packets: list[bytes]
) -> bytes:
    """Return what is answered to these packets and a last request, after a comparison with the parser's answers."""

    async def answers() -> bytes:
        _, url = await serve(Route("POST", "/mirror", handle, hatch=take))
        raw = await connect(url)
        for packet in (*packets, post(b"end", more="Connection: close\r\n")):
            if not raw.reader._eof:  # it may be one that ends the connection
                await raw.send(packet)
                await asyncio.sleep(0.03)  # so that each is a packet of its own
        said: bytes = await raw.rest()
        return b"\r\n".join(line for line in said.split(b"\r\n") if not line.startswith(b"Date:"))

    kept = await answers()
    monkeypatch.setattr("rtcore_http.heads.Heads.find", lambda _self, _data: None)
    assert kept == await answers()
    return kept


async def test_a_client_that_ends_its_connection_each_time_is_heard_each_time(
    serve: Any, connect: Any, parser: Parser
) -> None:
    _, url = await serve(Route("POST", "/mirror", handle, hatch=take))
    for _ in range(2):
        raw = await connect(url)
        await ask(raw, post(b"abc"))
        request = post(b"abc", more="Connection: close\r\n")
        assert await ask(raw, request) == [b"got abc"]
        assert await raw.rest() == b""
    assert len(parser.fed) == 4, "heads are kept by connection"


async def test_while_an_answer_is_due_all_is_the_parsers(serve: Any, connect: Any, parser: Parser) -> None:
    due: list[tuple[Reply, bytes]] = []

    def later(request: web.Request, body: bytes, reply: Reply) -> None:
        due.append((reply, body))

    _, url = await serve(Route("POST", "/mirror", handle, hatch=later))
    raw = await connect(url)
    for body in (b"abc", b"def", b"ghi"):
        await raw.send(post(body))
        await asyncio.sleep(0.05)
    assert len(parser.fed) == 3
    for body in (b"abc", b"def", b"ghi"):
        ((reply, taken),) = due
        due.clear()
        assert taken == body
        reply.answer(Answer(b"got " + body, "text/plain"))
        assert await raw.body(await raw.head()) == b"got " + body


async def test_a_connection_that_is_gone_leaves_nothing(raw: Any) -> None:
    """The requests that are kept know their connection; nobody but the collector would part them."""
    await ask(raw, post(b"abc"))
    await ask(raw, post(b"abc"))
    one = next(one for one in gc.get_objects() if type(one) is Guarded and one.transport is not None)
    gc.collect()
    gc.disable()
    try:
        raw.writer.close()
        async with asyncio.timeout(5):
            while one.transport is not None:  # noqa: ASYNC110 - another side's state
                await asyncio.sleep(0.01)
        assert not [held for held in gc.get_referrers(one) if isinstance(held, web.Request)]
    finally:
        gc.enable()
