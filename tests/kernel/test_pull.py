"""What a session writes when its connection has room: replays in pieces, feeds at the client's pace, answers always."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import pytest

from rtcore import App, Message, Session
from rtcore.connection import Unread
from rtcore.pull import PIECE
from tests.kernel.harness import Peer, make_app, turn, until


class Memory:
    """A feed of numbered messages. `given` counts what was taken."""

    def __init__(self, session: Session, count: int, *, size: int = 10, type: str = "old") -> None:
        self.session = session
        self.left = deque(Message(type, {"n": n, "text": "x" * size}) for n in range(count))
        self.given = 0

    @property
    def waiting(self) -> int:
        return len(self.left)

    def take(self, count: int, size: int) -> Sequence[Message]:
        taken: list[Message] = []
        while self.left and len(taken) < count and size > 0:
            taken.append(self.left.popleft())
            size -= len(taken[-1].payload["text"])
        self.given += len(taken)
        if not self.left:
            self.session.unfollow(self)
        return taken


class Narrow:
    """The peer's link takes `room` bytes before it is full; reading makes room again."""

    def __init__(self, peer: Peer, room: int = 32 * 1024) -> None:
        self.peer, self.room, self.used, self.most = peer, room, 0, 0
        self._write = peer.link.write
        peer.link.write = self.write  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:
        self._write(data)
        self.used += len(data)
        self.most = max(self.most, self.used)
        if self.used > self.room and not self.peer.connection.paused:
            self.peer.connection.pause()

    def read(self) -> list[dict[str, Any]]:
        new = self.peer.read()
        self.used = 0
        if self.peer.connection.paused:
            self.peer.connection.resume()
        return new


def numbers(messages: Sequence[dict[str, Any]], type: str = "old") -> list[int]:
    return [message["payload"]["n"] for message in messages if message["type"] == type]


async def read_all(peer: Peer, narrow: Narrow, count: int) -> None:
    for _ in range(10_000):
        if len(peer.got) >= count:
            return
        narrow.read()
        peer.say("ack", n=peer.line.received)
        await turn()
    raise AssertionError(f"{len(peer.got)} of {count} came")


async def test_a_feed_is_read_at_the_pace_of_its_client_whatever_its_length() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        narrow = Narrow(peer)
        feed = Memory(peer.session, 2000, size=1000)
        peer.session.follow(feed)
        await turn()
        assert feed.given < 50, "the connection is full"
        assert peer.session.backlog >= 2000
        await read_all(peer, narrow, 2000)
        assert numbers(peer.got) == list(range(2000))
        assert narrow.most < 3 * 32 * 1024
        assert app.manager.get_metrics().drops["buffer_full"] == 0
        assert peer.session._pull is None


async def test_a_cut_in_the_middle_of_a_feed_loses_nothing() -> None:
    async with make_app({"message_buffer_size": 20}) as app:
        peer = Peer(app).connect()
        peer.read()
        peer.session.follow(Memory(peer.session, 300))
        for _ in range(40):
            await turn()
            peer.read()
            peer.cut()
            peer.connect().read()
            assert peer.control("welcome")["resumed"]
            for _ in range(3):
                await turn()
                peer.read()
                peer.say("ack", n=peer.line.received)
            await turn()  # this much is lost with the connection
        await until(
            lambda: len(peer.got) + len(peer.read()) >= 300 or not peer.say("ack", n=peer.line.received)
        )
        assert numbers(peer.got) == list(range(300))


async def test_no_more_of_a_feed_is_under_way_than_the_window_can_replay() -> None:
    async with make_app({"message_buffer_size": 40}) as app:
        peer = Peer(app).connect()
        feed = Memory(peer.session, 500)
        peer.session.follow(feed)
        await turn()
        assert feed.given == 30, "a quarter is left for what is posted meanwhile"
        for n in range(10):
            peer.session.send("new", {"n": n})
        await turn()
        assert not peer.session.window.overflowed
        peer.read()
        peer.say("ack", n=peer.line.received)
        await turn()
        assert feed.given == 60


async def test_a_client_that_never_confirms_gets_all_of_it_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rtcore.pull.PATIENCE", 0.01)
    async with make_app({"message_buffer_size": 40}) as app:
        peer = Peer(app).connect()
        peer.session.follow(Memory(peer.session, 500))
        await until(lambda: len(peer.got) + len(peer.read()) >= 500, turns=10_000_000)
        assert numbers(peer.got) == list(range(500))


async def test_what_is_posted_before_a_feed_goes_before_it_and_what_is_posted_later_does_not_wait_for_it() -> (
    None
):
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        narrow = Narrow(peer)
        peer.session.send("first", {"n": 0})
        peer.session.follow(Memory(peer.session, 400, size=1000))
        peer.session.send("answer", {"n": 0})
        await turn()
        peer.session.send("urgent", {"n": 0}, priority="critical")
        await read_all(peer, narrow, 403)
        types = [message["type"] for message in peer.got]
        assert types[:2] == ["first", "answer"]
        assert types.index("urgent") < 60
        assert numbers(peer.got) == list(range(400))


async def test_a_feed_has_its_share_though_the_lanes_never_empty() -> None:
    async with make_app({"message_buffer_size": 1000}) as app:
        peer = Peer(app).connect()
        peer.read()
        narrow = Narrow(peer)
        feed = Memory(peer.session, 100, size=1000)
        peer.session.follow(feed)
        await turn()
        for _ in range(100):
            for n in range(40):
                peer.session.send("flood", {"n": n, "text": "x" * 1000})
            narrow.read()
            peer.say("ack", n=peer.line.received)
            await turn()
            if not feed.waiting:
                break
        assert not feed.waiting, "it was starved"


async def test_a_replay_is_written_in_pieces_and_before_what_came_later() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        for n in range(60):
            peer.session.send("old", {"n": n, "text": "x" * 30_000})
        await turn()
        peer.cut()
        peer.session.send("new", {"n": 60}, priority="critical")
        peer.connect(hello=False)
        narrow = Narrow(peer)
        hello = peer.line.hello(peer.connection)
        peer.say("hello", **hello.fields())
        assert narrow.most < 32 * 1024 + 2 * 30_000 + PIECE
        assert peer.session.replaying > 50
        peer.session.send("new", {"n": 61}, priority="critical")
        await read_all(peer, narrow, 62)
        assert [message["payload"]["n"] for message in peer.got] == list(range(62))
        assert peer.session.replaying == 0


async def test_a_replay_that_is_cut_short_begins_anew_where_the_client_says() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        for n in range(50):
            peer.session.send("old", {"n": n, "text": "x" * 10_000})
        await turn()
        for _ in range(20):
            peer.cut()
            peer.connect(hello=False)
            narrow = Narrow(peer)
            peer.say("hello", **peer.line.hello(peer.connection).fields())
            narrow.peer.read()  # only what the socket held
        await read_all(peer, narrow, 50)
        assert numbers(peer.got) == list(range(50))


def asking(app: App) -> None:
    @app.handler("double")
    def double(n: int) -> int:
        return 2 * n

    @app.handler("later")
    async def later(n: int) -> int:
        await turn()
        return 2 * n


@pytest.mark.parametrize("type_", ["double", "later"])
async def test_every_request_is_answered_however_slow_its_client_is(type_: str) -> None:
    app = make_app({"message_buffer_size": 20, "policies": {"*": {"policy": "conflate"}}})
    asking(app)
    async with app:
        peer = Peer(app).connect()
        peer.read()
        narrow = Narrow(peer, room=200)
        peer.connection.pause()
        for n in range(300):
            peer.send(type_, n, id=str(n))
        await turn()
        session = peer.session
        await until(lambda: session.swamped)
        assert len(session.outbox) <= 20 + app.options.max_handlers_per_session
        assert session.unread & Unread.REPLIES
        for n in range(50):  # what may be dropped has room of its own, and is dropped
            app.manager.broadcast(Message("news", n))
        await read_all(peer, narrow, 302)  # with the latest news, and a gap that counts the others
        answers = {message["re"]: message["payload"] for message in peer.got if message["type"] == "reply"}
        assert answers == {str(n): 2 * n for n in range(300)}
        await until(lambda: not session.unread)
        assert app.manager.get_metrics().drops["buffer_full"] == 0


async def test_a_refusal_is_an_answer_too() -> None:
    async with make_app({"message_buffer_size": 10}) as app:
        peer = Peer(app).connect()
        peer.read()
        narrow = Narrow(peer, room=200)
        peer.connection.pause()
        for n in range(60):
            peer.send("nobody", n, id=str(n) if n % 2 else None)
        await read_all(peer, narrow, 60)
        assert sorted(int(message["re"]) for message in peer.got if "re" in message) == list(range(1, 60, 2))
        assert sorted(m["payload"]["n"] for m in peer.got if "re" not in m) == list(range(1, 61, 2))


async def test_answers_of_one_session_are_held_back_when_all_that_waits_is_too_much() -> None:
    app = make_app({"max_backlog_bytes": 20_000})

    @app.handler("large")
    def large() -> str:
        return "x" * 5_000

    async with app:
        peer = Peer(app).connect()
        peer.read()
        peer.connection.pause()
        for n in range(50):
            peer.send("large", id=str(n))
        assert app.manager.pool.used < 30_000
        narrow = Narrow(peer)
        await read_all(peer, narrow, 50)
        assert sorted(int(message["re"]) for message in peer.got) == list(range(50))
        assert app.manager.pool.used == 0


async def test_what_was_received_and_not_handled_ends_with_its_session_and_is_counted() -> None:
    app = make_app({"message_buffer_size": 10})
    asking(app)
    async with app:
        peer = Peer(app).connect()
        peer.read()
        peer.connection.pause()
        for n in range(30):
            peer.send("double", n, id=str(n))
        session = peer.session
        session.close()
        assert session.drops["expired_session"] == 30
