"""Polls that wait, over raw sockets: given up, overtaken, or there when the server stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from rtcore_http.service import Http

from rtcore.wire.message import Message


class Raw:
    """One kept-alive connection of a client that polls."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def post(self, path: str, *items: Any) -> None:
        body = b"\n".join(json.dumps(item).encode() for item in items)
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def answer(self) -> tuple[int, list[Any]]:
        """Return the status and the items of the next answer."""
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await self.reader.readexactly(length)
        return int(head.split()[1]), [json.loads(line) for line in body.splitlines()]


class Client:
    """A session that polls, by hand."""

    def __init__(self, app: Any, url: str) -> None:
        self.app, self.url = app, url
        self.fields: dict[str, Any] = {}
        self.opened: list[Raw] = []

    async def connect(self) -> Raw:
        host, port = self.url.split("//")[1].split(":")
        self.opened.append(Raw(*await asyncio.open_connection(host, int(port))))
        return self.opened[-1]

    async def attach(self) -> Raw:
        down = await self.connect()
        down.post("/rt/poll", ["hello", {"v": 1, "attach": 1, "nonce": "0123456789abcdef"}])
        _, [[_, welcome], *_] = await down.answer()
        self.fields = {key: welcome[key] for key in ("session", "secret", "attach")}
        return down

    @property
    def session(self) -> Any:
        return self.app.manager.sessions[self.fields["session"]]

    def poll(self, raw: Raw, received: int = 0) -> None:
        raw.post("/rt/poll", ["poll", {**self.fields, "received": received}])


@pytest.fixture
async def meet(serve: Any) -> AsyncIterator[Callable[..., Any]]:
    """Start a server with these settings; return a client of it."""
    met: list[Client] = []

    async def start(**settings: Any) -> Client:
        met.append(Client(*await serve(**settings)))
        return met[-1]

    yield start
    for raw in (raw for client in met for raw in client.opened):
        raw.writer.close()
        with contextlib.suppress(OSError):
            await raw.writer.wait_closed()


@pytest.fixture
async def client(meet: Any) -> Any:
    return await meet()


async def settle() -> None:
    await asyncio.sleep(0.05)


async def test_what_comes_answers_the_poll_that_waits_and_all_of_one_turn_at_once(client: Client) -> None:
    down = await client.attach()
    client.poll(down)
    await settle()
    for n in range(3):
        client.session.post(Message("news", n))
    status, items = await down.answer()
    assert (status, [item["payload"] for item in items]) == (200, [0, 1, 2])


async def test_a_poll_that_is_given_up_loses_nothing(client: Client) -> None:
    down = await client.attach()
    client.poll(down)
    await settle()
    client.session.post(Message("news", 1))
    down.writer.transport.abort()
    await settle()
    client.session.post(Message("news", 2))
    again = await client.connect()
    client.poll(again)
    _, items = await again.answer()
    assert [item["payload"] for item in items] == [1, 2]


async def test_of_two_polls_the_newer_gets_what_comes_and_the_older_ends_empty(client: Client) -> None:
    older = await client.attach()
    client.poll(older)
    await settle()
    newer = await client.connect()
    client.poll(newer)
    await settle()
    client.session.post(Message("news", 1))
    assert await older.answer() == (200, [])
    _, items = await newer.answer()
    assert [item["payload"] for item in items] == [1]


async def test_a_post_and_a_poll_may_share_a_connection_and_a_handler_that_is_not_a_hatchs(
    client: Client,
) -> None:
    raw = await client.attach()
    raw.post("/rt/send", ["send", {**client.fields, "from": 0}], {"type": "echo", "id": "1", "payload": "a"})
    assert await raw.answer() == (200, [["ack", {"n": 1}]])
    raw.writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await raw.answer())[0] == 200
    client.poll(raw)
    _, [reply] = await raw.answer()
    assert reply["payload"] == "a"


async def test_a_poll_that_waits_while_the_server_stops_is_told_so(client: Client) -> None:
    down = await client.attach()
    client.poll(down)
    await settle()
    stopping = asyncio.create_task(client.app.stop())
    _, items = await down.answer()
    assert items[-1][0] == "close"
    await stopping
    assert client.app.get(Http).urls == []


async def test_a_poll_that_nothing_comes_for_ends_empty_after_its_time(meet: Any) -> None:
    client = await meet(polling={"hold": 0.2}, heartbeat_interval=60.0)
    down = await client.attach()
    client.poll(down)
    assert await down.answer() == (200, [])
