"""A room, read by a plain GET: as curl does, and as a browser's `EventSource`, which comes back from where it was."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import rtcore_memory
import rtcore_rooms
from sse_client import WITHIN, Event, EventSource, EventStream, until

from rtcore.app import App
from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.session import Session
from rtcore.spi.auth import Identity
from rtcore.spi.rooms import Rooms
from rtcore.spi.transport import Handshake
from rtcore.testing import PlainCodec
from rtcore.wire.codes import CODES
from rtcore.wire.message import Message

HISTORY = {"*": {"history": 1000}}


class House:
    """A server with rooms."""

    def __init__(self, app: App, url: str, http: aiohttp.ClientSession) -> None:
        self.app, self.url, self.http = app, url, http

    def say(self, payload: Any, room: str = "r", **fields: Any) -> None:
        self.app.manager.send_to_room(room, Message("said", payload, **fields))

    def source(self, room: str = "r", query: str = "", **headers: str) -> EventSource:
        return EventSource(self.http, f"{self.url}/rt/events/{room}{query}", **headers)

    @property
    def readers(self) -> int:
        return len(self.app.manager.sessions)

    @asynccontextmanager
    async def curl(self, room: str = "r", query: str = "", **headers: str) -> AsyncIterator[Curl]:
        async with self.http.get(f"{self.url}/rt/events/{room}{query}", headers=headers) as response:
            yield Curl(response)


class Curl:
    """One request, read for as long as it lasts."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.stream = EventStream()
        self.events: list[Event] = []

    async def read(self, count: int = 1) -> list[Event]:
        """The next events."""
        async with asyncio.timeout(WITHIN):
            while len(self.events) < count and (chunk := await self.response.content.readany()):
                self.events += self.stream.feed(chunk)
        taken, self.events = self.events[:count], self.events[count:]
        return taken

    async def payloads(self, count: int) -> list[Any]:
        return [json.loads(event.data)["payload"] for event in await self.read(count)]

    async def refusal(self) -> tuple[int, dict[str, Any]]:
        """The status, and the fields of its error."""
        name, fields = await self.response.json(content_type=None)
        assert name == "error"
        return self.response.status, fields


@pytest.fixture
def house(serve: Any, http: aiohttp.ClientSession) -> Any:
    async def open_house(*plugins: object, options: Any = HISTORY, **settings: Any) -> House:
        settings = {"rooms": {"options": options}, "sse": {"retry": 0.1}, **settings}
        app, url = await serve(plugins=(rtcore_rooms, rtcore_memory, *plugins), **settings)
        return House(app, url, http)

    return open_house


# -- reading -------------------------------------------------------------------------------------------------------


async def test_what_is_published_comes_as_it_is_on_the_wire_with_its_place(house: Any) -> None:
    h = await house()
    async with h.curl() as curl:
        assert curl.response.status == 200
        assert curl.response.headers["Content-Type"] == "text/event-stream"
        assert curl.response.headers["Cache-Control"] == "no-store, no-transform"
        [joined] = await curl.read()
        told = json.loads(joined.data)
        assert (joined.type, joined.last_id) == ("joined", f"{told['epoch']}:0")
        assert (told["room"], told["members"], told["offset"]) == ("r", 1, 0)
        h.say({"text": "one\ntwo é"})
        [said] = await curl.read()
        assert (said.type, said.last_id) == ("message", f"{told['epoch']}:1")
        assert json.loads(said.data) == {
            "type": "said",
            "room": "r",
            "payload": {"text": "one\ntwo é"},
            "offset": 1,
            "epoch": told["epoch"],
        }


async def test_who_begins_may_have_the_newest_of_the_history(house: Any) -> None:
    h = await house()
    for n in range(50):
        h.say(n)
    async with h.curl(query="?history=10") as curl:
        await curl.read()
        assert await curl.payloads(10) == list(range(40, 50))
        h.say("live")
        assert await curl.payloads(1) == ["live"]
    async with h.curl() as curl:
        await curl.read()
        h.say("later")
        assert await curl.payloads(1) == ["later"], "without a wish it begins now"


@pytest.mark.parametrize("way", ["header", "query"])
async def test_who_comes_back_has_what_it_missed_and_then_what_is_new(house: Any, way: str) -> None:
    h = await house()
    h.say(0)
    async with h.curl(query="?history=1") as curl:
        place = (await curl.read(2))[1].last_id
    for n in range(1, 301):
        h.say(n)
    back = h.curl(query=f"?last-event-id={place}") if way == "query" else h.curl(**{"Last-Event-ID": place})
    async with back as curl:
        [joined] = await curl.read()
        assert (joined.type, joined.last_id) == ("joined", place)
        assert await curl.payloads(300) == list(range(1, 301))
        h.say("live")
        assert await curl.payloads(1) == ["live"]


async def test_an_eventsource_has_each_message_once_and_in_order_whenever_it_is_cut(house: Any) -> None:
    h = await house()
    async with h.source() as events:
        await events.until(lambda: events.last_id)
        for n in range(200):
            h.say(n)
            if n % 20 == 7:
                events.cut()
            if n % 20 == 14:
                await events.until(lambda: len(events.named("joined")) == n // 20 + 2)  # noqa: B023 - awaited in the loop
        await events.until(lambda: len(events.messages) >= 200)
        assert events.payloads == list(range(200))
        assert not events.named("gap")


async def test_what_came_while_it_was_away_comes_when_it_is_back(house: Any) -> None:
    h = await house()
    async with h.source() as events:
        await events.until(lambda: events.last_id)
        for round_ in range(5):
            events.cut()
            await until(lambda: not h.readers)
            h.say(2 * round_)
            await until(lambda: h.readers)
            h.say(2 * round_ + 1)
            await events.until(lambda: len(events.messages) == 2 * round_ + 2)  # noqa: B023 - awaited in the loop
        assert events.payloads == list(range(10))


@pytest.mark.parametrize("last_id", ["what?", "gone:5", ":::", "x" * 5000, "e:99999999999999999999", "é:1"])
async def test_a_place_that_is_no_more_is_told_and_all_that_there_is_comes(house: Any, last_id: str) -> None:
    h = await house()
    for n in range(3):
        h.say(n)
    async with h.source(**{"Last-Event-ID": last_id}) as events:
        await events.until(lambda: len(events.messages) == 3)
        assert [event.type for event in events.events] == ["joined", "gap", *["message"] * 3]
        assert events.named("gap") == [{"reason": "history", "n": 0, "room": "r"}]


async def test_what_the_history_has_forgotten_is_told(house: Any) -> None:
    h = await house(options={"*": {"history": 5}})
    async with h.source() as events:
        await events.until(lambda: events.last_id)
        events.cut()
        await until(lambda: not h.readers)
        for n in range(20):
            h.say(n)
        await events.until(lambda: len(events.messages) == 5)
        assert events.payloads == list(range(15, 20))
        assert len(events.named("gap")) == 1


async def test_a_room_without_a_history_is_live_and_says_that_something_may_be_missing(house: Any) -> None:
    h = await house(options={})
    async with h.source() as events:
        await events.until(lambda: events.named("joined"))
        h.say(1)
        await events.until(lambda: events.messages)
        assert events.last_id == "", "there is no place to come back to"
        events.cut()
        await events.until(lambda: len(events.named("joined")) == 2)
        h.say(2)
        await events.until(lambda: len(events.messages) == 2)


async def test_it_reads_one_room_and_hears_nothing_else(house: Any) -> None:
    h = await house()
    async with h.curl() as curl:
        await curl.read()
        [session] = h.app.manager.sessions.values()
        await h.app.get(Rooms).join(session, "other")
        h.say("other", room="other")
        h.app.manager.broadcast(Message("news", "to all"))
        session.send("private", "to you")
        h.say("mine")
        assert await curl.payloads(1) == ["mine"]


@pytest.mark.parametrize("room", ["chat:1", "a/b/c", "räum é", "a%2Fb", "q?uestion", "plus+", "..", "x y"])
async def test_any_name_of_a_room_can_be_read(house: Any, room: str) -> None:
    h = await house()
    from urllib.parse import quote

    from yarl import URL

    url = URL(f"{h.url}/rt/events/{quote(room, safe='')}", encoded=True)
    async with h.http.get(url) as response:
        curl = Curl(response)
        assert json.loads((await curl.read())[0].data)["room"] == room
        h.say(1, room=room)
        assert await curl.payloads(1) == [1]


async def test_below_another_base_it_moves_along(house: Any) -> None:
    h = await house(http={"base": "/app/live"})
    async with h.http.get(f"{h.url}/app/live/events/r") as response:
        assert json.loads((await Curl(response).read())[0].data)["room"] == "r"


async def test_members_see_a_reader_counted_and_not_named(house: Any) -> None:
    h = await house()
    async with h.curl() as curl:
        await curl.read()
        assert len(h.app.get(Rooms).members("r")) == 1
    await until(lambda: not h.readers)
    assert not h.app.get(Rooms).rooms()


# -- who may -------------------------------------------------------------------------------------------------------


class Doorman:
    """Knows whoever has a token or a cookie; lets nobody into `secret` but Ada."""

    name = "doorman"

    @hookimpl
    def rtcore_authenticators(self) -> list[Doorman]:
        return [self]

    @hookimpl
    def rtcore_authorizers(self) -> list[Doorman]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        await asyncio.sleep(0)
        name = handshake.token or handshake.headers.get("cookie", "").partition("=")[2]
        return Identity(name) if name else None

    async def authorize(self, session: Session, action: str, resource: str) -> None:
        await asyncio.sleep(0)
        if resource == "secret" and session.identity.subject != "ada":
            raise Rejected("forbidden", f"{session.identity.subject} may not {action} {resource}")


async def test_to_read_is_to_join_and_whoever_may_not_is_told_why(house: Any) -> None:
    h = await house(Doorman())
    async with h.curl("secret", Authorization="Bearer ada") as curl:
        assert json.loads((await curl.read())[0].data)["room"] == "secret"
    async with h.curl("secret", Cookie="name=ada") as curl:
        assert curl.response.status == 200
    async with h.curl("secret", Authorization="Bearer bob") as curl:
        status, fields = await curl.refusal()
        assert (status, fields["code"]) == (403, "forbidden")
        assert fields["reason"] == "bob may not room:join secret"
    async with h.curl("secret") as curl:
        assert (await curl.refusal())[0] == 401
        assert curl.response.headers["WWW-Authenticate"] == "Bearer"
    async with h.curl("secret", Origin="https://elsewhere.example", Cookie="name=ada") as curl:
        assert (await curl.refusal())[1]["code"] == "origin_refused"
    async with h.curl("secret", Cookie="name=ada", **{"Sec-Fetch-Site": "cross-site"}) as curl:
        assert (await curl.refusal())[1]["code"] == "origin_refused"
    await until(lambda: not h.readers)


@pytest.mark.parametrize(
    ("room", "query", "status", "code", "says"),
    [
        ("r", "?history=-1", 400, "bad_message", "history: expected a number"),
        ("r", "?history=many", 400, "bad_message", "given 'many'"),
        ("r", "?last-event-id=7", 400, "bad_message", "expected <epoch>:<offset>, given '7'"),
        ("r", "?codec=turned", 400, "unsupported_codec", "an event stream is text"),
        ("r", "?codec=none", 400, "unsupported_codec", "spoken here: json"),
        ("x" * 200, "", 400, "bad_room", "1 to 128"),
        ("%0A", "", 400, "bad_room", "control character"),
    ],
)
async def test_what_cannot_be_is_refused_with_what_could(
    house: Any, room: str, query: str, status: int, code: str, says: str
) -> None:
    h = await house(PlainCodec("turned", binary=True))
    async with h.curl(room, query) as curl:
        found, fields = await curl.refusal()
        assert (found, fields["code"]) == (415 if code == "unsupported_codec" else status, code)
        assert says in fields["reason"]
    await until(lambda: not h.readers)


async def test_a_room_that_is_full_sends_curl_away_and_keeps_an_eventsource_waiting(house: Any) -> None:
    h = await house(options={"r": {"members_limit": 1, "history": 10}})
    async with h.curl() as first:
        await first.read()
        async with h.curl() as second:
            status, fields = await second.refusal()
            assert (status, fields["code"]) == (503, "room_full")
            assert int(second.response.headers["Retry-After"]) >= 1
        events = h.source()
        await events.until(lambda: events.named("end"))
        assert events.named("end")[0]["code"] == "room_full"
        assert set(events.statuses) == {200}, "any other status would end an EventSource for good"
        assert events.retry >= 1000
    async with events:
        await events.until(lambda: events.named("joined"))


async def test_a_full_server_does_the_same(house: Any) -> None:
    h = await house(max_connections=1)
    async with h.curl() as first:
        await first.read()
        async with h.curl() as second:
            assert (await second.refusal())[1]["code"] == "server_full"
        async with h.source() as events:
            await events.until(lambda: events.named("end"))
            assert events.named("end")[0]["code"] == "server_full"


async def test_without_rooms_there_is_no_such_path(serve: Any, http: aiohttp.ClientSession) -> None:
    _, url = await serve()
    async with http.get(f"{url}/rt/events/r") as response:
        assert response.status == 404


async def test_it_is_read_only(house: Any) -> None:
    h = await house()
    async with h.http.post(f"{h.url}/rt/events/r", data=b"{}") as response:
        assert (response.status, response.headers["Allow"]) == (405, "GET")


# -- how it ends ---------------------------------------------------------------------------------------------------


async def test_its_session_ends_with_its_stream(house: Any) -> None:
    h = await house()
    async with h.curl() as curl:
        await curl.read()
        assert h.readers == 1
    await until(lambda: not h.readers)


async def test_one_that_is_thrown_out_is_told_and_does_not_come_back(house: Any) -> None:
    h = await house()
    async with h.source() as events:
        await events.until(lambda: events.named("joined"))
        [session] = h.app.manager.sessions.values()
        h.app.manager.disconnect(session.id, "kicked")
        await events.until(lambda: events.state == "closed")
        assert events.named("end")[0]["code"] == "kicked"
        assert events.statuses == [200, 204]
        assert events.requests[1] == f"stop:{CODES['kicked'].number}"


async def test_when_the_server_drains_it_is_told_to_come_again(house: Any) -> None:
    h = await house()
    async with h.source() as events:
        await events.until(lambda: events.last_id)
        draining = asyncio.create_task(h.app.drain(5.0))
        await events.until(lambda: events.named("end"))
        assert events.named("end")[0]["code"] == "going_away"
        assert events.last_id.endswith(":0"), "its place is kept"
        async with asyncio.timeout(4):
            await draining


# -- its pace --------------------------------------------------------------------------------------------------------


async def test_one_that_reads_slowly_has_all_of_a_long_history_and_costs_no_memory(house: Any) -> None:
    h = await house(options={"*": {"history": 3000}}, message_buffer_size=20)
    for n in range(3000):
        h.say([n, "x" * 1000])
    reader, writer = await asyncio.open_connection("127.0.0.1", int(h.url.rpartition(":")[2]), limit=4096)
    try:
        writer.write(b"GET /rt/events/r?history=3000 HTTP/1.0\r\nHost: a\r\n\r\n")
        stream, events = EventStream(), []
        await reader.readuntil(b"\r\n\r\n")
        [session] = h.app.manager.sessions.values()
        while len(events) < 3001:
            async with asyncio.timeout(WITHIN):
                events += stream.feed(await reader.read(50_000))
            assert len(session.window.held) + len(session.outbox) <= 40
            if len(events) == 2:
                h.say(["live", ""])
        got = [json.loads(event.data)["payload"][0] for event in events if event.type == "message"]
        assert got[:3000] == list(range(3000))
        assert not session.drops
    finally:
        writer.close()


async def test_one_that_is_there_and_takes_nothing_is_found_out(house: Any) -> None:
    h = await house(heartbeat_interval=0.5, ping_timeout=0.5)
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(h.url.rpartition(":")[2])))
        sock.sendall(b"GET /rt/events/r HTTP/1.1\r\nHost: a\r\n\r\n")
        await until(lambda: h.readers)
        while h.readers:
            h.say("x" * 100_000)
            await asyncio.sleep(0.01)


async def test_one_that_reads_is_not_pinged_and_its_silence_is_no_end(house: Any) -> None:
    h = await house(heartbeat_interval=0.1, ping_timeout=0.1, sse={"keepalive": 0.2})
    async with h.source() as events:
        await events.until(lambda: events.last_id)
        await events.until(lambda: events.comments >= 8)
        assert len(events.requests) == 1
        assert [event.type for event in events.events] == ["joined"]


async def test_the_system_ends_it_when_nothing_written_is_acknowledged(house: Any) -> None:
    h = await house(heartbeat_interval=2.0, ping_timeout=1.5)
    async with h.curl() as curl:
        await curl.read()
        [session] = h.app.manager.sessions.values()
        sock = session.connection.link._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 3500


async def test_an_event_is_made_once_for_all_readers_of_a_room(house: Any, monkeypatch: Any) -> None:
    from rtcore_sse import framing

    made: list[bytes] = []
    event = framing.event
    monkeypatch.setattr(framing, "event", lambda body, **more: (made.append(body), event(body, **more))[1])
    h = await house()
    async with h.curl() as one, h.curl() as two:
        await one.read()
        await two.read()
        h.say("once")
        assert await one.payloads(1) == await two.payloads(1) == ["once"]
        assert len(made) == 1
