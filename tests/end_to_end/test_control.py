"""Control waits behind nothing: with all handlers busy a ping is answered and a cancel works, on every transport."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from stack import make, serving, until

TRANSPORTS = ("websocket", "sse", "polling")
each = pytest.mark.parametrize("transport", TRANSPORTS)


@pytest.fixture
def app() -> Any:
    app: Any = make(
        rate_limit_per_second=0, max_handlers_per_session=4, heartbeat_interval=0.4, ping_timeout=0.4,
        message_buffer_size=10_000,
    )  # fmt: skip
    app.gate, app.began, app.ended = asyncio.Event(), [], []

    @app.handler("slow", concurrent=True)
    async def slow(payload: dict[str, Any]) -> int:
        n: int = payload["n"]
        app.began.append(n)
        try:
            await app.gate.wait()
        except asyncio.CancelledError:
            app.ended.append(n)
            raise
        return n

    return app


def session_of(app: Any) -> Any:
    (session,) = app.manager.sessions.values()
    return session


@each
@pytest.mark.parametrize(("many", "size"), [(30, 10), (700, 2000), (40, 100_000)])
async def test_a_cancel_works_and_the_connection_lives_though_all_handlers_are_busy(
    transport: str, many: int, size: int, app: Any, client_of: Any
) -> None:
    client = client_of(connection_type=transport, fallback_types=(), heartbeat_interval=0.4, ping_timeout=0.4)
    told: list[Any] = []
    for event in ("disconnect", "reconnect", "gap", "error"):
        client.on(event, told.append)
    await client.connect()
    asking = [
        asyncio.create_task(client.request("slow", {"n": n, "fill": "x" * size}, timeout=60))
        for n in range(many)
    ]
    await until(lambda: session_of(app).unread)
    for n in range(0, many, 3):
        asking[n].cancel()
    await until(lambda: 0 in app.ended)
    await until(lambda: not client._session.requests.given_up)
    await asyncio.sleep(1.5)  # several heartbeats of both, in which nothing else passes
    assert told == []
    app.gate.set()
    got = await asyncio.gather(*asking, return_exceptions=True)
    assert [n for n, answer in enumerate(got) if n % 3 and answer != n] == []
    assert all(isinstance(answer, asyncio.CancelledError) for answer in got[::3])
    assert app.began == sorted(app.began)
    assert await client.request("echo", 1) == 1
    assert told == []
    assert app.manager.get_metrics().errors.get("too_many_requests", 0) == 0


@each
async def test_where_there_is_no_room_for_more_the_connection_lives_and_all_is_answered_in_the_end(
    transport: str, client_of: Any, app: Any, proxy: Any
) -> None:
    app.manager.held.limit = 0  # as if other sessions held all that there may be
    client = client_of(connection_type=transport, fallback_types=(), heartbeat_interval=0.4, ping_timeout=0.4)
    told: list[Any] = []
    for event in ("disconnect", "reconnect", "gap", "error"):
        client.on(event, told.append)
    await client.connect()
    asking = [
        asyncio.create_task(client.request("slow", {"n": n, "fill": "x" * 2000}, timeout=60))
        for n in range(900)
    ]
    await until(lambda: session_of(app).unread)
    asking[0].cancel()
    await asyncio.sleep(1.5)
    app.gate.set()
    got = await asyncio.gather(*asking, return_exceptions=True)
    assert got[1:] == list(range(1, 900))
    await until(lambda: not client._session.requests.given_up)
    assert told == []


async def test_posts_are_answered_soon_with_how_much_was_taken(app: Any) -> None:
    async with serving(app) as port, aiohttp.ClientSession() as http:
        app.manager.held.limit = 0
        base = f"http://127.0.0.1:{port}/rt"

        async def post(path: str, *items: Any) -> list[Any]:
            async with http.post(f"{base}/{path}", data="\n".join(map(json.dumps, items))) as answer:
                assert answer.status == 200
                return [json.loads(line) for line in (await answer.text()).split("\n") if line]

        welcome = (await post("poll", ["hello", {"v": 1, "attach": 1, "nonce": "0123456789abcdef"}]))[0][1]
        name = {"session": welcome["session"], "secret": welcome["secret"], "attach": 1}
        sent = 0
        messages = [
            {"type": "slow", "id": str(n), "payload": {"n": n, "fill": "x" * 1000}} for n in range(2000)
        ]
        began = asyncio.get_running_loop().time()
        while True:
            (ack,) = await post("send", ["send", {**name, "from": sent}], *messages[sent : sent + 100])
            taken, sent = ack[1]["n"] - sent, ack[1]["n"]
            if taken < 100:
                break
        assert 0 < sent < 1024
        (again,) = await post("send", ["send", {**name, "from": sent}], *messages[sent : sent + 100])
        assert again == ["ack", {"n": sent}]
        (again,) = await post(
            "send", ["send", {**name, "from": sent}], ["cancel", {"id": "0"}], *messages[sent : sent + 9]
        )
        assert again == ["ack", {"n": sent}]
        assert app.ended == [0]
        assert asyncio.get_running_loop().time() - began < 20, "25 s for each of them on the code before"
        app.gate.set()
        await until(lambda: len(app.began) == sent)
        (ack,) = await post("send", ["send", {**name, "from": sent}], *messages[sent : sent + 100])
        assert ack == ["ack", {"n": sent + 100}]
