"""A request that was given up: the server is told of it until it has answered, and its answer reaches nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from rtcore_client import RequestError, Timeout


async def asks(client: Any, timeout: float = 0.01) -> None:
    with pytest.raises(Timeout):
        await client.request("ask", timeout=timeout)


async def test_a_cancel_said_offline_is_repeated_after_the_resume_until_there_is_an_answer(
    server: Any, client_of: Any, until: Any
) -> None:
    asked, given_up, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    ids: list[Any] = []

    async def first(peer: Any) -> None:
        await peer.welcome()
        ids.append((await peer.hear())["id"])
        await peer.say(["ack", {"n": 1}])
        asked.set()

    async def again(peer: Any) -> None:
        await given_up.wait()
        await peer.welcome(received=1)
        ids.append((await peer.hear("cancel"))[1]["id"])

    async def answers(peer: Any) -> None:
        await peer.welcome(received=1)
        ids.append((await peer.hear("cancel"))[1]["id"])
        await peer.say({"type": "error", "re": ids[0], "payload": {"code": "cancelled"}}, ["ping", {}])
        await peer.hear("pong")
        answered.set()

    async def quiet(peer: Any) -> None:
        await peer.welcome(received=1, **{"from": 1})
        await peer.say(["ping", {}])
        ids.append((await peer.hear("cancel", "pong"))[0])
        await peer.stay()

    server.play(first, again, answers, quiet)
    client = client_of()
    heard: list[Any] = []
    client.subscribe("*", heard.append)
    client.on("error", heard.append)
    await client.connect()
    asking = asyncio.create_task(client.request("ask"))
    await asked.wait()
    await until(lambda: not client.is_connected)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    given_up.set()
    await until(lambda: len(ids) == 4)
    assert ids == [ids[0], ids[0], ids[0], "pong"]
    assert answered.is_set()
    assert heard == []


async def test_a_request_that_the_server_may_not_have_yet_is_cancelled_again_once_it_has(
    server: Any, client_of: Any, until: Any
) -> None:
    said: list[Any] = []

    async def play(peer: Any) -> None:
        await peer.welcome()
        await peer.hear()
        said.append((await peer.hear("cancel"))[0])
        await peer.say(["ack", {"n": 1}])
        said.append((await peer.hear("cancel"))[0])
        await peer.say(["ack", {"n": 1}], ["ping", {}])
        said.append((await peer.hear("cancel", "pong"))[0])
        await peer.stay()

    server.play(play)
    client = client_of()
    await client.connect()
    await asks(client)
    await until(lambda: len(said) == 3)
    assert said == ["cancel", "cancel", "pong"]


async def test_another_session_is_not_told_of_it(server: Any, client_of: Any, until: Any) -> None:
    said: list[Any] = []
    given_up = asyncio.Event()

    async def first(peer: Any) -> None:
        await peer.welcome()
        await peer.hear()
        await given_up.wait()

    async def other(peer: Any) -> None:
        await peer.welcome(
            session="s2", resumed=False, reason="node_lost", rooms=False, received=0, **{"from": 0}
        )
        await peer.say(["ping", {}])
        said.append((await peer.hear("cancel", "pong"))[0])
        await peer.stay()

    server.play(first, other)
    client = client_of()
    await client.connect()
    await asks(client)
    given_up.set()
    await until(lambda: said)
    assert said == ["pong"]


async def test_what_is_sent_and_given_up_many_times_is_bounded(server: Any, client_of: Any) -> None:
    async def play(peer: Any) -> None:
        await peer.welcome()
        await peer.stay()

    server.play(play)
    client = client_of()
    await client.connect()
    requests = client._session.requests
    for _ in range(1100):
        await asks(client, timeout=0.0001)
    assert len(requests.given_up) <= 1000


async def test_an_answer_that_is_late_or_anothers_reaches_nobody(
    server: Any, client_of: Any, until: Any
) -> None:
    async def play(peer: Any) -> None:
        await peer.welcome()
        late = (await peer.hear())["id"]
        await peer.hear("cancel")
        asked = (await peer.hear())["id"]
        await peer.say(
            {"type": "reply", "re": late, "payload": "late"},
            {"type": "reply", "re": "1", "payload": "the page before asked this"},
            {"type": "error", "re": "r1", "payload": {"code": "internal"}},
            {"type": "pong", "re": "r1"},
            {"type": "reply", "re": asked, "payload": "mine"},
        )
        await peer.stay()

    server.play(play)
    client = client_of()
    heard: list[Any] = []
    client.subscribe("*", heard.append)
    client.on("error", heard.append)
    await client.connect()
    await asks(client)
    assert await client.request("ask") == "mine"
    assert heard == []


async def test_no_two_clients_make_the_same_id(server: Any, client_of: Any) -> None:
    async def play(peer: Any) -> None:
        await peer.welcome()
        for _ in range(2):
            asked = (await peer.hear())["id"]
            await peer.say({"type": "reply", "re": asked, "payload": asked})
        await peer.stay()

    server.play(play)
    ids = set()
    for _ in range(3):
        client = client_of()
        await client.connect()
        ids |= {await client.request("ask"), await client.request("ask")}
    assert len(ids) == 6


async def test_a_request_that_may_run_twice_keeps_its_id(server: Any, client_of: Any) -> None:
    ids: list[Any] = []

    async def first(peer: Any) -> None:
        await peer.welcome()
        ids.append((await peer.hear())["id"])

    async def other(peer: Any) -> None:
        await peer.welcome(
            session="s2", resumed=False, reason="node_lost", rooms=False, received=0, **{"from": 0}
        )
        ids.append((await peer.hear())["id"])
        await peer.say({"type": "reply", "re": ids[-1], "payload": "done"})
        await peer.stay()

    server.play(first, other)
    client = client_of()
    await client.connect()
    assert await client.request("ask", idempotent=True) == "done"
    assert ids[0] == ids[1]


async def test_an_error_is_still_an_error(server: Any, client_of: Any) -> None:
    async def play(peer: Any) -> None:
        await peer.welcome()
        asked = (await peer.hear())["id"]
        await peer.say({"type": "error", "re": asked, "payload": {"code": "bad_payload"}})
        await peer.stay()

    server.play(play)
    client = client_of()
    await client.connect()
    with pytest.raises(RequestError) as error:
        await client.request("ask")
    assert error.value.code == "bad_payload"
