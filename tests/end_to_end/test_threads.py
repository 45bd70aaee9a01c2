"""A program's threads speak to clients over real sockets: everything arrives, in order, also while the server stops."""

from __future__ import annotations

import asyncio
import threading

import pytest
from rtcore_client import RealtimeClient, Timing
from stack import make, serving, until

from rtcore import Message, WrongThread
from rtcore.errors import Rejected
from rtcore.session import Session

TRANSPORTS = ("websocket", "sse", "polling")


@pytest.fixture
def app():
    app = make(message_buffer_size=10_000, rooms={"options": {"board:*": {"history": 1000}}})

    @app.handler("work")
    def work(session: Session, payload: int) -> None:
        """As a driver's callback: it is begun by a handler, and goes on in a thread of its own."""

        def speak() -> None:
            for n in range(payload):
                session.send("number", n)

        threading.Thread(target=speak).start()

    return app


@pytest.fixture(params=TRANSPORTS)
async def client(request, client_of):
    client = client_of(connection_type=request.param, fallback_types=())
    client.heard, client.gaps = [], []
    client.subscribe("number", lambda message: client.heard.append(message.payload))
    client.on("gap", client.gaps.append)
    await client.connect()
    return client


async def arrived(client, n):
    await until(lambda: len(client.heard) >= n)
    assert client.heard == list(range(n))
    assert not client.gaps


async def test_a_thread_begun_by_a_handler_reaches_its_client(client, app):
    await client.request("work", 3000)
    await arrived(client, 3000)
    assert not any(app.manager.get_metrics().drops.values())


async def test_broadcasts_of_a_thread_reach_everybody(client, app):
    def work() -> list[int]:
        return [app.manager.broadcast(Message("number", n)) for n in range(3000)]

    assert set(await asyncio.to_thread(work)) == {1}
    await arrived(client, 3000)


@pytest.mark.parametrize("room", ["lobby", "board:1"])
async def test_a_room_is_spoken_to_joined_and_left_in_a_thread(client, app, room):
    manager, session_id = app.manager, client.get_connection_info().session_id

    def work() -> None:
        app.from_thread(manager.join_room, session_id, room)
        assert list(manager.rooms) == [room]
        for n in range(500):
            assert manager.send_to_room(room, Message("number", n)) is None
        position = app.from_thread(manager.send_to_room, room, Message("number", 500))
        assert getattr(position, "offset", None) == (501 if room.startswith("board") else None)
        app.from_thread(manager.drained, room, timeout=10)
        assert manager.backlog(room) == 0
        assert manager.leave_room(session_id, room) is True
        assert app.from_thread(lambda: list(manager.rooms)) == []
        assert manager.leave_room(session_id, room) is False

    await asyncio.to_thread(work)
    await arrived(client, 501)


async def test_without_a_rooms_plugin_a_thread_is_told_at_once():
    from rtcore.app import App

    app = App({"http": {"host": "127.0.0.1", "port": 0}}, plugins=_without_rooms())
    async with app:

        def work() -> str:
            try:
                app.manager.send_to_room("lobby", Message("number", 1))
            except Rejected as refusal:
                return refusal.code
            return "nothing"

        assert await asyncio.to_thread(work) == "no_rooms"


def _without_rooms():
    from stack import PLUGINS

    return [plugin for plugin in PLUGINS if plugin.__name__ not in {"rtcore_rooms", "rtcore_memory"}]


async def test_a_client_may_be_sent_away_from_a_thread(client, app):
    ends = []
    client.on("error", lambda error: ends.append(error.code))
    assert (
        await asyncio.to_thread(app.manager.disconnect, client.get_connection_info().session_id, "kicked")
        is True
    )
    await until(lambda: ends == ["kicked"])


async def test_a_flood_of_many_threads_is_complete_and_a_bystander_is_answered(client, app, client_of):
    bystander = client_of()
    await bystander.connect()
    session = app.manager.sessions[client.get_connection_info().session_id]
    heard: dict[int, list[int]] = {me: [] for me in range(4)}
    client.subscribe("mine", lambda message: heard[message.payload[0]].append(message.payload[1]))

    def work(me: int) -> None:
        for n in range(1000):
            session.send("mine", [me, n])
            if n % 100 == 0:
                app.from_thread(session.drained, below=2000, timeout=20)

    working = asyncio.gather(*(asyncio.to_thread(work, me) for me in range(4)))
    loop, slowest = asyncio.get_running_loop(), 0.0
    while not working.done():
        begun = loop.time()
        await bystander.request("echo", 1, timeout=10)
        slowest = max(slowest, loop.time() - begun)
    await working
    await until(lambda: all(len(ones) == 1000 for ones in heard.values()))
    assert all(ones == list(range(1000)) for ones in heard.values())
    assert slowest < 5.0


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_while_the_server_stops_nothing_hangs_and_what_came_is_in_order(transport):
    app = make(message_buffer_size=100_000)
    counts, told = [0, 0, 0], []
    over = threading.Event()

    def work(me: int, call) -> None:
        try:
            while not over.is_set():
                call(counts[me])
                counts[me] += 1
        except WrongThread as error:
            told.append(str(error))

    async with serving(app) as port:
        client = RealtimeClient(
            f"http://127.0.0.1:{port}/rt", connection_type=transport, fallback_types=(), auto_reconnect=False,
            timing=Timing(open=5.0),
        )  # fmt: skip
        heard = []
        client.subscribe("number", lambda message: heard.append(message.payload))
        await client.connect()
        session_id = client.get_connection_info().session_id
        calls = (
            lambda n: app.manager.send_to_connection(session_id, Message("number", n)),
            lambda _n: app.from_thread(app.manager.get_metrics),
            lambda _n: app.manager.broadcast(Message("other")),
        )
        workers = [threading.Thread(target=work, args=(me, call)) for me, call in enumerate(calls)]
        for worker in workers:
            worker.start()
        await until(lambda: len(heard) > 100)
    over.set()
    for worker in workers:
        await asyncio.to_thread(worker.join, 10)
        assert not worker.is_alive()
    assert len(told) >= 2, "those that are not answered by `False` are told"
    await client.close()
    assert heard == list(range(len(heard)))
    assert len(heard) <= counts[0]
