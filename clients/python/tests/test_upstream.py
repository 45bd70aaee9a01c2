"""POST upstream: what was posted is posted again until somebody says that it has arrived; and polls."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from rtcore_client import RealtimeClient, Timing


class PollServer:
    """Long polling without a session: it welcomes, answers polls from a queue, and POSTs as a test says."""

    def __init__(self) -> None:
        self.app = web.Application()
        self.app.router.add_post("/rt/poll", self._poll)
        self.app.router.add_post("/rt/send", self._send)
        self.say: asyncio.Queue[list[object]] = asyncio.Queue()
        self.polls: list[dict[str, object]] = []
        self.posts: list[tuple[int, list[object]]] = []
        self.answers: list[object] = []
        self.received = 0
        self.hellos = 0

    async def _poll(self, request: web.Request) -> web.Response:
        name, fields = json.loads(await request.text())
        if name == "hello":
            self.hellos += 1
            return _frame(
                ["welcome", {
                    "session": "s", "secret": "x", "attach": fields["attach"], "nonce": fields["nonce"],
                    "resumed": "session" in fields, "received": self.received,
                    "from": fields.get("received", 0), "rooms": True,
                    "heartbeat": {"interval": 30, "timeout": 0.3}, "transport": "polling",
                    "limits": {"max_message_size": 8192},
                }]
            )  # fmt: skip
        self.polls.append(fields)
        answer = await self.say.get()
        if answer == ["cut"]:
            assert request.transport is not None
            request.transport.abort()
        return _frame(*answer)

    async def _send(self, request: web.Request) -> web.Response:
        (_, fields), *items = map(json.loads, (await request.text()).split("\n"))
        messages = [item["payload"] for item in items if isinstance(item, dict)]
        self.posts.append((fields["from"], messages))
        answer = self.answers.pop(0) if self.answers else "take"
        if answer == "lose":
            self.received = max(self.received, fields["from"] + len(messages))
        if answer in ("lose", "cut"):
            assert request.transport is not None
            request.transport.abort()
            return _frame()
        if isinstance(answer, tuple):
            status, code, more = answer
            return _frame(["error", {"code": code, **more}], status=status)
        self.received = max(self.received, fields["from"] + len(messages))
        return _frame(["ack", {"n": self.received}])


def _frame(*items: object, status: int = 200) -> web.Response:
    return web.Response(
        text="\n".join(map(json.dumps, items)), status=status, content_type="application/json"
    )


@pytest.fixture
async def server():
    server = PollServer()
    async with TestServer(server.app) as running:
        server.url = str(running.make_url("/rt"))
        yield server
        for _ in range(10):
            server.say.put_nowait([])  # whoever still polls is let go


@pytest.fixture
async def client(server):
    client = RealtimeClient(
        server.url,
        connection_type="polling",
        fallback_types=(),
        reconnect_delay=0.01,
        timing=Timing(open=1.0, close=0.1),
    )
    await client.connect()
    yield client
    await client.close()


def posted(server):
    return [post for post in server.posts if post[1]]


async def test_messages_of_one_turn_share_a_post_and_it_says_where_it_begins(server, client, until):
    for n in range(3):
        await client.send("n", n)
    await until(lambda: server.received == 3)
    await client.send("n", 3, confirm=True)
    assert posted(server) == [(0, [0, 1, 2]), (3, [3])]


async def test_a_post_whose_answer_was_lost_is_sent_again_as_it_was(server, client, until):
    server.answers = ["take", "lose"]
    await until(lambda: server.posts)
    await client.send("n", "once", confirm=True)
    assert posted(server) == [(0, ["once"]), (0, ["once"])]
    assert client.get_connection_info().counters["confirmed"] == 1


async def test_a_server_that_lacks_something_gets_it_from_there(server, client, until):
    await until(lambda: server.posts)
    server.answers = [(409, "gap", {"details": {"expected": 1}})]
    await client.send("n", 0)
    await client.send("n", 1)
    await until(lambda: len(posted(server)) == 2)
    assert posted(server) == [(0, [0, 1]), (1, [1])]


async def test_a_post_that_is_refused_because_the_session_is_gone_begins_a_new_attach(server, client, until):
    await until(lambda: server.posts)
    server.answers = [(503, "going_away", {"retry_after": 0.01})]
    await client.send("n", 0)
    await until(lambda: server.hellos == 2 and server.received == 1)
    assert posted(server) == [(0, [0]), (0, [0])]


async def test_overload_is_waited_for(server, client, until):
    await until(lambda: server.posts)
    server.answers = [(429, "rate_limited", {"retry_after": 0.1})]
    await client.send("n", 0, confirm=True)
    assert server.hellos == 1
    assert posted(server) == [(0, [0]), (0, [0])]


async def test_a_post_is_never_larger_than_the_server_takes(server, client, until):
    for _ in range(20):
        await client.send("n", "x" * 1000)
    await until(lambda: server.received == 20)
    assert len(posted(server)) >= 3
    assert [start for start, _ in posted(server)] == sorted({start for start, _ in posted(server)})


async def test_a_poll_that_was_cut_is_asked_again_from_where_it_began(server, client, until):
    heard = []
    client.subscribe("a", lambda message: heard.append(message.payload))
    server.say.put_nowait([{"type": "a", "payload": 1}])
    await until(lambda: heard == [1])
    server.say.put_nowait(["cut"])
    await until(lambda: len(server.polls) == 3)
    server.say.put_nowait([{"type": "a", "payload": 2}])
    await until(lambda: heard == [1, 2])
    assert [poll["received"] for poll in server.polls[:3]] == [0, 1, 1]
    assert server.hellos == 1


async def test_an_empty_answer_is_no_news(server, client, until):
    server.say.put_nowait([])
    await until(lambda: len(server.polls) == 2)
    assert client.is_connected


async def test_a_close_in_an_answer_ends_the_link(server, client, until):
    reasons = []
    client.on("disconnect", reasons.append)
    server.say.put_nowait([["close", {"code": "slow_consumer", "number": 4002}]])
    await until(lambda: reasons == ["slow_consumer"] and server.hellos == 2)


async def test_posts_say_nothing_of_the_secret_in_their_url(server, client, until):
    await until(lambda: server.posts)
    assert "secret" not in repr(client)
    assert "x" not in server.url.rpartition("/")[2]
