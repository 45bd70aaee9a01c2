"""A plain `EventSource`: it says nothing, confirms nothing, and comes back with the last id that it saw."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import aiohttp
import pytest
from sse_client import EventSource, message, until

from rtcore.hooks import hookimpl
from rtcore.spi.auth import Identity
from rtcore.wire.codes import CODES, RESUME_REASONS
from rtcore.wire.message import Message


def source(http: aiohttp.ClientSession, url: str, **headers: str) -> EventSource:
    return EventSource(http, f"{url}/rt/sse", **headers)


async def test_it_needs_no_hello(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    async with source(http, url) as events:
        await events.until(lambda: events.controls("welcome"))
        [welcome] = events.controls("welcome")
        assert (welcome["transport"], welcome["resumed"], welcome["attach"]) == ("sse", False, 1)
        app.manager.broadcast(message(1))
        await events.until(lambda: events.messages)
        assert events.messages == [{"type": "n", "payload": 1}]


async def test_its_id_says_how_much_has_arrived(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        [welcome] = events.controls("welcome")
        assert events.last_id == f"{welcome['session']}:{welcome['secret']}:0"
        for n in range(3):
            app.manager.broadcast(message(n))
        await events.until(lambda: events.last_id.endswith(":3"))
        assert len(events.messages) == 3


async def test_what_came_while_it_was_away_comes_when_it_is_back(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(sse={"retry": 0.1})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        for round_ in range(10):
            app.manager.broadcast(message(round_ * 3))
            await events.until(lambda: events.last_id.endswith(f":{round_ * 3 + 1}"))  # noqa: B023
            events.cut()
            app.manager.broadcast(message(round_ * 3 + 1))
            await until(lambda: not app.manager.get_metrics().transports["sse"].connections)
            app.manager.broadcast(message(round_ * 3 + 2))
            await events.until(lambda: events.last_id.endswith(f":{round_ * 3 + 3}"))  # noqa: B023
        assert [item["payload"] for item in events.messages] == list(range(30))
        assert [welcome["resumed"] for welcome in events.controls("welcome")] == [False] + [True] * 10
        assert len({welcome["session"] for welcome in events.controls("welcome")}) == 1
        assert len({welcome["secret"] for welcome in events.controls("welcome")}) == 11


async def test_it_gets_again_what_it_did_not_note_and_loses_nothing(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    """Declared at least once: the stream is cut between an event and the id that would have noted it."""
    app, url = await serve(sse={"retry": 0.1})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        noted = events.last_id
        for n in range(5):
            app.manager.broadcast(message(n))
        await events.until(lambda: events.last_id.endswith(":5"))
        events.last_id = noted
        events.forget_id = True
        events.cut()
        await events.until(lambda: len(events.messages) >= 10)
        assert [item["payload"] for item in events.messages] == [*range(5), *range(5)]


async def test_replays_are_not_noted_before_they_are_written(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(sse={"retry": 0.1})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        events.cut()
        await until(lambda: not app.manager.get_metrics().transports["sse"].connections)
        for n in range(20):
            app.manager.broadcast(message(n))
        await events.until(lambda: len(events.messages) == 20)
        assert {event.last_id.rpartition(":")[2] for event in events.events} == {"", "0"}
        await events.until(lambda: events.last_id.endswith(":20"))


@pytest.mark.parametrize(
    "last_id",
    ["what?", "a:b", "a:b:c", "a:b:-1", ":::", "x" * 5000, "n.s:secret:99999999999999999999", "nobody.a:b:1"],
)
async def test_an_id_that_is_no_credential_gets_a_new_session_and_the_reason(
    serve: Any, http: aiohttp.ClientSession, last_id: str
) -> None:
    _, url = await serve()
    async with source(http, url, **{"Last-Event-ID": last_id}) as events:
        await events.until(lambda: events.controls("welcome"))
        [welcome] = events.controls("welcome")
        assert welcome["resumed"] is False
        assert welcome["reason"] in RESUME_REASONS
        await events.until(lambda: events.last_id.startswith(welcome["session"]))


async def test_a_wrong_secret_gets_a_new_session_too(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve()
    async with source(http, url) as first:
        await first.until(lambda: first.last_id)
        session, _, count = first.last_id.split(":")
        async with source(http, url, **{"Last-Event-ID": f"{session}:guessed:{count}"}) as second:
            await second.until(lambda: second.controls("welcome"))
            [welcome] = second.controls("welcome")
            assert (welcome["resumed"], welcome["reason"]) == (False, "unknown")
            assert welcome["session"] != session
        assert app.manager.sessions[session].transport == "sse"


async def test_more_than_was_ever_sent_is_told_so(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(sse={"retry": 0.1})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        events.last_id = events.last_id[:-1] + "77"
        events.forget_id = True
        events.cut()
        await events.until(lambda: len(events.controls("welcome")) == 2)
        assert events.controls("welcome")[1]["reason"] == "unknown"
        app.manager.broadcast(message(1))
        await events.until(lambda: events.last_id.endswith(":1"))


async def test_a_code_that_says_stop_stops_it(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(sse={"retry": 0.1})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        app.manager.disconnect(events.last_id.partition(":")[0], "kicked")
        await events.until(lambda: events.state == "closed")
        assert events.controls("close")[0]["code"] == "kicked"
        assert events.statuses == [200, 204]
        assert events.requests[1] == f"stop:{CODES['kicked'].number}"


async def test_a_code_that_says_afresh_makes_it_forget(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(sse={"retry": 0.1})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        app.manager.disconnect(events.last_id.partition(":")[0], "session_closed")
        await events.until(lambda: len(events.controls("welcome")) == 2)
        assert events.requests == [None, None]
        one, two = events.controls("welcome")
        assert one["session"] != two["session"]
        assert "reason" not in two


async def test_refused_for_now_it_is_told_when_to_come_back(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(max_connections=1, sse={"retry": 0.1})
    async with source(http, url) as first:
        await first.until(lambda: first.last_id)
        async with source(http, url) as second:
            await second.until(lambda: len(second.controls("close")) >= 2)
            assert second.controls("close")[0]["code"] == "server_full"
            assert set(second.statuses) == {200}, "any other status would end an EventSource for good"
            assert second.retry >= 1000
            app.manager.disconnect(first.last_id.partition(":")[0])
            await second.until(lambda: second.controls("welcome"))


class Nobody:
    """Knows nobody, and takes its time to say so."""

    name = "nobody"

    @hookimpl
    def rtcore_authenticators(self) -> list[Nobody]:
        return [self]

    async def authenticate(self, handshake: Any) -> Identity | None:
        await asyncio.sleep(0)
        return None


async def test_refused_for_good_it_gets_a_status_and_stops(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve(plugins=(Nobody(),))
    async with source(http, url) as events:
        await events.until(lambda: events.state == "closed")
        assert events.statuses == [401]


async def test_a_page_of_another_host_is_refused(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    async with source(http, url, Origin="https://elsewhere.example") as events:
        await events.until(lambda: events.state == "closed")
        assert events.statuses == [403]


async def test_nobody_pings_it_and_its_silence_is_no_end(serve: Any, http: aiohttp.ClientSession) -> None:
    app, url = await serve(heartbeat_interval=0.1, ping_timeout=0.1, sse={"keepalive": 0.2})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        await until(lambda: app.manager.get_metrics().uptime > 1.5)
        assert events.state == "open"
        assert not events.controls("ping")
        assert len(events.requests) == 1


async def test_the_system_ends_it_when_nothing_written_is_acknowledged(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    app, url = await serve(heartbeat_interval=2.0, ping_timeout=1.5)
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        [session] = app.manager.sessions.values()
        sock = session.connection.link._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3500
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == 16_384


async def test_its_session_is_kept_for_as_long_as_any_other(serve: Any, http: aiohttp.ClientSession) -> None:
    """It never uses its connection, so that the kernel alone would give it up as one that was never welcomed."""
    app, url = await serve(hello_timeout=0.3, session_ttl=60, sse={"retry": 3600})
    async with source(http, url) as events:
        await events.until(lambda: events.last_id)
        [session] = app.manager.sessions.values()
        session.connection.link._opened -= 1.0
    await until(lambda: session.transport is None)
    assert not app.manager.greeter.is_unconfirmed(session)


async def test_a_stream_that_was_left_behind_learns_no_secret(
    serve: Any, http: aiohttp.ClientSession
) -> None:
    _, url = await serve()
    async with source(http, url) as old:
        await old.until(lambda: old.last_id)
        async with source(http, url, **{"Last-Event-ID": old.last_id}) as new:
            await new.until(lambda: new.last_id)
            await old.until(lambda: old.state == "closed")
            assert old.controls("close")[0]["code"] == "superseded"
            assert old.last_id == f"stop:{CODES['superseded'].number}"
            secret = new.controls("welcome")[0]["secret"]
            assert not any(secret in event.last_id or secret in event.data for event in old.events)


async def test_one_that_is_there_and_takes_nothing_is_found_out(serve: Any) -> None:
    """Half-open, or as good as: no pong is missed, for none is expected, so the system's own clock has to run out."""
    app, url = await serve(heartbeat_interval=0.5, ping_timeout=0.5)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(url.rpartition(":")[2])))
        sock.sendall(b"GET /rt/sse HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: app.manager.sessions)
        [session] = app.manager.sessions.values()
        while session.connection is not None and not session.connection.paused:
            app.manager.broadcast(Message("bulk", "x" * 10_000))
            await asyncio.sleep(0)
        await until(lambda: session.transport is None)
