"""Rooms with a history, on real sockets: everything comes, once, in order, at the pace of the link; or it is told."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import pytest
from rtcore_client import RealtimeClient, Timing
from slow_link import SlowLink
from stack import make, serving, until

from rtcore import App, Message

TRANSPORTS = ("websocket", "sse", "polling")
#: Each transport with each codec that it has.
LINES = [
    ("websocket", "json"),
    ("websocket", "cbor"),
    ("sse", "json"),
    ("polling", "json"),
    ("polling", "cbor"),
]
ROOM = {"rooms": {"options": {"answer:*": {"history": 5000}, "plain:*": {}}}}


@pytest.fixture
def app() -> App:
    app = make(rate_limit_per_second=0, **ROOM)

    @app.handler("ask")
    def ask(payload: int) -> int:
        return payload

    return app


def publish(app: App, numbers, room: str = "answer:1", size: int = 0) -> None:
    for number in numbers:
        app.manager.send_to_room(room, Message("tok", {"n": number, "text": "x" * size}))


class Got:
    """What a client's application is given."""

    def __init__(self, client: RealtimeClient) -> None:
        self.numbers: list[int] = []
        self.gaps: list[tuple[str, int, str | None]] = []
        self.news: list[object] = []
        client.subscribe("tok", lambda message: self.numbers.append(message.payload["n"]))
        client.subscribe("news", lambda message: self.news.append(message.payload))
        client.on("gap", lambda gap: self.gaps.append((gap.reason, gap.n, gap.room)))


def session_of(app: App, client: RealtimeClient):
    return app.manager.sessions[client.get_connection_info().session_id]


# -- catching up -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "codec"), LINES)
async def test_a_member_on_a_slow_link_gets_all_of_a_history_and_then_what_is_live(
    transport: str, codec: str
) -> None:
    app = make(**ROOM)
    async with serving(app) as port, SlowLink(port, rate=400_000) as link:
        publish(app, range(1000), size=500)
        options = {
            "connection_type": transport,
            "fallback_types": (),
            "codec": codec,
            "enable_compression": False,
        }
        async with RealtimeClient(link.url, **options) as client:
            got = Got(client)
            answer = await client.join_room("answer:1", history=5000)
            assert (answer["since"], answer["offset"], "missed" in answer) == (0, 1000, False)
            publish(app, range(1000, 1100), size=500)
            session = session_of(app, client)
            assert len(session.outbox) < 10, "nothing is queued for it: it is in the history"
            await until(lambda: len(got.numbers) == 1100, within=30)
            assert got.numbers == list(range(1100))
            assert got.gaps == []
            assert session.drops == {}
            publish(app, [1100])
            await until(lambda: len(got.numbers) == 1101)


@pytest.mark.parametrize(("transport", "codec"), LINES)
async def test_what_is_urgent_and_what_is_asked_passes_a_history_that_is_under_way(
    transport: str, codec: str
) -> None:
    app = make(**ROOM)

    @app.handler("ask")
    def ask(payload: int) -> int:
        return payload

    async with serving(app) as port, SlowLink(port, rate=200_000) as link:
        publish(app, range(1000), size=1000)
        options = {
            "connection_type": transport,
            "fallback_types": (),
            "codec": codec,
            "enable_compression": False,
        }
        async with RealtimeClient(link.url, **options) as client:
            got = Got(client)
            await client.join_room("answer:1", history=5000)
            await until(lambda: len(got.numbers) > 50)
            assert await client.request("ask", 7, timeout=3) == 7
            assert len(got.numbers) < 900
            await until(lambda: len(got.numbers) == 1000, within=30)
            assert got.numbers == list(range(1000))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_burst_of_requests_right_after_the_connection_is_answered(
    app, proxy, client_of, transport: str
) -> None:
    client = client_of(connection_type=transport, fallback_types=())
    got = Got(client)
    await client.connect()
    for _ in range(3):
        answers = await asyncio.gather(*(client.request("ask", n, timeout=10) for n in range(400)))
        assert answers == list(range(400))
    assert got.gaps == []
    assert app.manager.get_metrics().drops["buffer_full"] == 0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_network_that_cuts_everything_hides_nothing_of_a_history(
    app, proxy, client_of, transport: str
) -> None:
    randomly = random.Random(TRANSPORTS.index(transport))
    publish(app, range(1500), size=50)
    client = client_of(
        connection_type=transport,
        fallback_types=(),
        max_reconnect_attempts=10_000,
        timing=Timing(open=2.0, climb=600.0, max_reconnect_delay=0.05, close=1.0),
    )
    got = Got(client)
    await client.connect()
    proxy.cut_after = lambda: randomly.randrange(3_000, 25_000)
    proxy.cut()
    answer = await client.join_room("answer:1", history=5000)
    for number in range(1500, 1800):
        publish(app, [number], size=50)
        if number % 30 == 0:
            await asyncio.sleep(0.01)
    await until(lambda: len(got.numbers) >= 1800 - answer["since"], within=60)
    proxy.cut_after = None
    assert got.numbers == list(range(answer["since"], 1800))
    assert got.gaps == []
    assert proxy.cuts > 3


# -- holes -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def away(app: App, client: RealtimeClient, proxy, *, deaf: bool = False):
    """The client has no network for a while. `deaf`: what the server sends still leaves, and does not arrive."""
    session = session_of(app, client)
    if deaf:
        proxy.silent = True
        yield session
        proxy.silent = False
        proxy.cut()
    else:
        await proxy.down()
        await until(lambda: not client.is_connected)
        yield session
        await proxy.up()
    await client.connect()
    await until(lambda: session.connection is not None and client.is_connected)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_outage_of_any_length_that_the_history_bridges_loses_nothing(
    app, proxy, client_of, transport: str
) -> None:
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    got = Got(client)
    await client.connect()
    await client.join_room("answer:1")
    publish(app, range(20))
    await until(lambda: len(got.numbers) == 20)
    async with away(app, client, proxy) as session:
        publish(app, range(20, 2000))
        assert len(session.outbox) <= 100
    publish(app, range(2000, 2010))
    await until(lambda: len(got.numbers) >= 2010)
    assert got.numbers == list(range(2010))
    assert got.gaps == []
    assert client.get_connection_info().resumed
    assert session.drops == {}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_session_whose_window_has_overflowed_gets_the_rest_from_the_history(
    app, proxy, client_of, transport: str
) -> None:
    client = client_of(connection_type=transport, fallback_types=(), max_reconnect_attempts=1000)
    got = Got(client)
    await client.connect()
    await client.join_room("answer:1")
    publish(app, range(5))
    await until(lambda: len(got.numbers) == 5)
    async with away(app, client, proxy, deaf=True):
        for number in range(5, 605):
            publish(app, [number])
            await asyncio.sleep(0)
    publish(app, range(605, 610))
    await until(lambda: len(got.numbers) >= 610)
    assert got.numbers == list(range(610)), "in order, too: nothing newer comes before what was lost"
    assert got.gaps == []


async def test_what_was_lost_and_is_in_no_history_is_told_and_nothing_else(app, proxy, client_of) -> None:
    client = client_of(fallback_types=(), max_reconnect_attempts=1000)
    got = Got(client)
    await client.connect()
    await client.join_room("answer:1")
    await client.join_room("plain:1")
    async with away(app, client, proxy, deaf=True) as session:
        for number in range(300):
            publish(app, [number])
            if number % 3 == 0:
                app.manager.send_to_room("plain:1", Message("news", number))
            if number % 10 == 0:
                session.send("news", f"for you {number}")
            await asyncio.sleep(0)
    await until(lambda: len(got.numbers) >= 300)
    assert got.numbers == list(range(300))
    await until(lambda: got.gaps)
    [(reason, n, room)] = got.gaps
    assert (reason, room) == ("overflow", None)
    assert n == 130 - len(got.news)
    assert client.get_connection_info().counters["missed"] == n


async def test_what_the_history_has_no_more_is_told_with_its_room(proxy, app, client_of) -> None:
    app.get  # noqa: B018 - the fixture has it running
    client = client_of(fallback_types=(), max_reconnect_attempts=1000)
    got = Got(client)
    await client.connect()
    await client.join_room("answer:1")
    publish(app, range(5))
    await until(lambda: len(got.numbers) == 5)
    async with away(app, client, proxy):
        publish(app, range(5, 9000))
    await until(lambda: got.numbers[-1] == 8999)
    assert got.numbers == [*range(5), *range(4000, 9000)]
    assert got.gaps == [("history", 3995, "answer:1")]


async def test_a_client_may_go_on_from_where_another_one_was(app, proxy, client_of) -> None:
    first, second = client_of(fallback_types=()), client_of(fallback_types=())
    places = []
    first.subscribe("tok", lambda message: places.append({"offset": message.offset, "epoch": message.epoch}))
    await first.connect()
    await first.join_room("answer:1")
    publish(app, range(30))
    await until(lambda: len(places) == 30)
    await first.close()
    got = Got(second)
    await second.connect()
    answer = await second.join_room("answer:1", since=places[19])
    assert (answer["since"], answer["offset"]) == (20, 30)
    await until(lambda: len(got.numbers) == 10)
    assert got.numbers == list(range(20, 30))
    again = await second.join_room("answer:1", history=15)
    assert again["since"] == 15
    await until(lambda: len(got.numbers) == 15)
    assert got.numbers == [*range(20, 30), *range(15, 20)], "what it had does not come again"


async def test_a_room_that_the_program_has_put_a_client_into_survives_an_overflow(
    app, proxy, client_of
) -> None:
    """The client knows nothing of its place there, and cannot ask."""
    client = client_of(fallback_types=(), max_reconnect_attempts=1000)
    got = Got(client)
    await client.connect()
    await app.manager.join_room(session_of(app, client), "answer:1")
    publish(app, range(5))
    await until(lambda: len(got.numbers) == 5)
    async with away(app, client, proxy, deaf=True):
        for number in range(5, 300):
            publish(app, [number])
            await asyncio.sleep(0)
    publish(app, range(300, 310))
    await until(lambda: got.numbers[-1] == 309)
    assert got.numbers == sorted(set(got.numbers))
    await until(lambda: got.gaps)
    assert sum(n for _, n, _ in got.gaps) == 310 - len(got.numbers)


async def test_joining_and_leaving_at_once_ends_outside(app, proxy, client_of) -> None:
    for transport in TRANSPORTS:
        client = client_of(connection_type=transport, fallback_types=())
        got = Got(client)
        await client.connect()
        joined, left = await asyncio.gather(client.join_room("answer:1"), client.leave_room("answer:1"))
        assert (joined["members"], left, client.get_connection_info().rooms) == (1, True, ())
        publish(app, [1])
        await client.request("ask", 1)
        assert got.numbers == []
