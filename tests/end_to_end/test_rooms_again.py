"""Back in one's rooms after a session is gone: before anything that waited, from the first hole on, nothing twice."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
from stack import make, until

from rtcore import App, Message

ROOM = {"history": 1000, "policy": "conflate", "policy_key": "sender"}


@pytest.fixture
def app() -> App:
    return make(
        rooms={
            "options": {
                "board:*": ROOM,
                "chat:*": {"history": 1000},
                "quiet:*": {"history": 9, "echo": False},
            }
        }
    )


def session_of(app: App, client):
    return app.manager.sessions[client.get_connection_info().session_id]


@asynccontextmanager
async def without_its_session(app: App, client, proxy):
    """The client is cut off, and its session has ended when it comes back, which it can at the end of this."""
    session = session_of(app, client)
    proxy.blocked.add("/rt/ws")
    proxy.cut()
    await until(lambda: session.connection is None and not client.is_connected)
    app.manager.close_session(session, "session_expired")
    yield
    proxy.blocked.clear()


async def test_what_was_queued_for_a_room_finds_its_sender_a_member_of_the_new_session(app, proxy, client_of):
    ann, bob = client_of(fallback_types=()), client_of(url=f"http://127.0.0.1:{proxy.target}/rt")
    heard, errors = [], []
    bob.subscribe("say", lambda message: heard.append((message.room, message.payload)))
    ann.on("error", errors.append)
    for client in (ann, bob):
        await client.connect()
        await client.join_room("chat:1")
        await client.join_room("chat:2")
    async with without_its_session(app, ann, proxy):
        for number in range(20):
            await ann.send_to_room(f"chat:{1 + number % 2}", "say", number)
    await until(lambda: len(heard) == 20)
    for room, numbers in (("chat:1", range(0, 20, 2)), ("chat:2", range(1, 20, 2))):
        assert [number for where, number in heard if where == room] == list(numbers)
    assert errors == []


async def test_a_client_that_was_slow_comes_back_to_what_it_did_not_get(app, proxy, client_of):
    client = client_of(fallback_types=())
    got, gaps = [], []
    client.subscribe("move", lambda message: got.append((message.offset, message.payload)))
    client.on("gap", gaps.append)
    await client.connect()
    await client.join_room("board:1")

    def publish(number: int, sender: str) -> None:
        app.manager.send_to_room("board:1", Message("move", number, sender=sender))

    connection = session_of(app, client).connection
    connection.pause()
    for number in range(1, 11):
        publish(number, "ab"[number % 2])
    assert got == []
    connection.resume()
    await until(lambda: len(got) == 2)
    assert got == [(9, 9), (10, 10)], "the latest of each"
    assert gaps == [], "what they stand for is said in `covers`"
    assert session_of(app, client).drops == {"conflated": 8}
    cursor = client._rooms._rooms["board:1"].cursor
    assert (cursor.offset, cursor.ahead) == (10, ()), "they stand for the others"

    publish(11, "a")
    await until(lambda: len(got) == 3)
    async with without_its_session(app, client, proxy):
        publish(12, "a")
        publish(13, "a")
    await until(lambda: len(got) == 5)
    assert got[2:] == [(11, 11), (12, 12), (13, 13)]
    assert gaps == []


async def test_what_was_overtaken_and_then_lost_with_its_session_comes_after_all(app, proxy, client_of):
    client = client_of(fallback_types=())
    got, gaps = [], []
    client.subscribe("say", lambda message: got.append(message.offset))
    client.on("gap", gaps.append)
    await client.connect()
    await client.join_room("chat:1")
    session = session_of(app, client)
    connection = session.connection
    connection.pause()
    for number in range(1, 6):
        app.manager.send_to_room(
            "chat:1", Message("say", number, priority="critical" if number in {2, 4} else "normal")
        )
    # Two have overtaken; then the connection is full again, and the session ends with the others waiting.
    connection.link.write(session.form.finish([m.form(session.form) for m in take(session.outbox, 2)]))
    await until(lambda: got == [2, 4])
    async with without_its_session(app, client, proxy):
        pass
    await until(lambda: len(got) == 5)
    assert got == [2, 4, 1, 3, 5], "what is missing, and nothing twice"
    assert gaps == []


def take(lanes, count):
    return [lanes.popleft() for _ in range(count)]


async def test_ones_own_messages_are_no_holes_where_there_is_no_echo(app, proxy, client_of):
    ann, bob = client_of(fallback_types=()), client_of(fallback_types=())
    got, gaps = [], []
    ann.subscribe("*", lambda message: got.append((message.type, message.payload)))
    ann.on("gap", gaps.append)
    for client in (ann, bob):
        await client.connect()
        await client.join_room("quiet:1")
    for number in range(30):
        await (ann if number % 2 else bob).send_to_room("quiet:1", "say", number)
        await until(lambda number=number: ann._rooms._rooms["quiet:1"].cursor.offset == number + 1)
    async with without_its_session(app, ann, proxy):
        pass
    await until(lambda: bob.is_connected and ann.is_connected)
    await bob.send_to_room("quiet:1", "say", 30)
    await until(lambda: len(got) == 16)
    assert got == [("say", number) for number in range(0, 31, 2)]
    assert gaps == []


async def test_a_history_that_is_too_short_is_a_gap_and_what_it_has_comes(app, proxy, client_of):
    client = client_of(fallback_types=())
    got, gaps = [], []
    client.subscribe("say", lambda message: got.append(message.payload))
    client.on("gap", gaps.append)
    await client.connect()
    await client.join_room("quiet:1")
    async with without_its_session(app, client, proxy):
        for number in range(20):
            app.manager.send_to_room("quiet:1", Message("say", number))
    await until(lambda: len(got) == 9)
    assert got == list(range(11, 20))
    assert [(gap.reason, gap.room) for gap in gaps] == [("history", "quiet:1")]
