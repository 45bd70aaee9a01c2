"""Messages that wait for their handlers are held, and their client is read: its control waits for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from rtcore import App, Message, Session, hookimpl
from rtcore.connection import Unread
from rtcore.held import MOST, OWN, TELL
from rtcore.wire import Control
from tests.kernel.harness import Clock, Peer, make_app, turn, until


class Slow:
    """An app with a handler that waits for a gate; `busy` is what keeps all its handlers busy."""

    def __init__(self, clock: Clock | None = None, **settings: Any) -> None:
        self.app: App = make_app({"max_handlers_per_session": 2, **settings}, clock=clock)
        self.gate = asyncio.Event()
        self.began: list[Any] = []
        self.ended: list[Any] = []

        @self.app.handler("slow")
        async def slow(message: Message) -> Any:
            self.began.append(message.payload)
            try:
                await self.gate.wait()
            finally:
                self.ended.append(message.payload)
            return message.payload

        @self.app.handler("plain")
        def plain(message: Message) -> Any:
            self.began.append(message.payload)
            return message.payload

    async def busy(self, n: int = 3, **fields: Any) -> Peer:
        """A client whose handlers are all busy, with as many waiting as may."""
        peer = Peer(self.app).connect()
        peer.read()
        for i in range(n):
            peer.send("slow", i, id=str(i), **fields)
        await turn()
        return peer


def told(peer: Peer) -> list[bool]:
    """What the client was told of its flow, in order."""
    peer.read()
    return [fields["active"] for name, fields in peer.controls if name == "flow"]


def answers(peer: Peer) -> dict[str, Any]:
    peer.read()
    return {m["re"]: m["payload"] for m in peer.got if "re" in m}


async def test_a_ping_is_answered_and_a_cancel_works_wherever_its_request_is() -> None:
    slow = Slow()
    async with slow.app:
        peer = await slow.busy(40)
        assert (slow.began, bool(peer.session.unread)) == ([0], True)
        peer.say("ping", t=7)
        assert peer.control("pong") == {"t": 7}
        for request in ("39", "2", "0"):  # held, waiting for its turn, running
            peer.say("cancel", id=request)
        await turn()
        assert {re: m["code"] for re, m in answers(peer).items()} == dict.fromkeys(
            ["39", "2", "0"], "cancelled"
        )
        assert slow.began == [0, 1]
        slow.gate.set()
        await until(lambda: len(answers(peer)) == 40)
        assert slow.began == [n for n in range(40) if n not in {2, 39}], "the others, in their order"
        assert not peer.session.unread


async def test_all_kinds_wait_in_one_order() -> None:
    slow = Slow()
    async with slow.app:
        peer = await slow.busy()
        peer.send("plain", "a")
        peer.send("nobody", id="b")
        peer.send("plain", "c")
        await turn()
        assert slow.began == [0]
        assert answers(peer) == {}
        slow.gate.set()
        await until(lambda: len(slow.began) == 5)
        assert [n for n in slow.began if n in {"a", "c"}] == ["a", "c"]
        assert answers(peer)["b"]["code"] == "unknown_type"


async def test_the_client_is_told_to_wait_and_to_go_on() -> None:
    slow = Slow()
    async with slow.app:
        peer = await slow.busy()
        for n in range(TELL[0] - 2):
            peer.send("plain", n)
        assert told(peer) == []
        for n in range(10):
            peer.send("plain", n)
        assert told(peer) == [False]
        assert peer.link.reading
        slow.gate.set()
        await until(lambda: not peer.session.unread)
        assert told(peer) == [False, True]


async def test_a_new_connection_is_told_anew() -> None:
    slow = Slow()
    async with slow.app:
        peer = await slow.busy()
        for n in range(TELL[0] + 10):
            peer.send("plain", n)
        peer.read()
        peer.cut()
        peer.controls.clear()
        peer.connect()
        assert told(peer) == [False]
        assert [name for name, _ in peer.controls][:2] == ["welcome", "flow"]
        slow.gate.set()
        await until(lambda: not peer.session.unread)
        assert told(peer) == [False, True]


async def test_what_waits_while_it_is_away_is_handled_and_a_client_that_comes_later_is_told_nothing() -> None:
    slow = Slow()
    async with slow.app:
        peer = await slow.busy()
        for n in range(TELL[0] + 10):
            peer.send("plain", n)
        peer.read()
        peer.cut()
        slow.gate.set()
        await until(lambda: not peer.session.unread)
        peer.controls.clear()
        peer.connect()
        assert told(peer) == []


#: No room in the pool of all sessions: each has its own, and no more.
SCANT = {"max_backlog_bytes": 4}


async def beyond(slow: Slow, size: int) -> tuple[Peer, int]:
    """A client that sends until it is not read; and how many messages that took, beside four."""
    peer, sent = await slow.busy(4), 0
    while peer.link.reading:
        peer.send("plain", "x" * size)
        sent += 1
        assert sent <= MOST[0]
    return peer, sent


@pytest.mark.parametrize(
    ("size", "settings", "bound"),
    [(1, SCANT, OWN), (10_000, SCANT, OWN), (1, {}, MOST), (1_000_000, {}, MOST)],
)
async def test_one_that_goes_on_all_the_same_is_not_read(
    size: int, settings: dict[str, Any], bound: tuple[int, int]
) -> None:
    slow = Slow(**settings)
    async with slow.app:
        peer, sent = await beyond(slow, size)
        assert sent + 1 >= bound[0] or bound[1] <= sent * (size + 300) < bound[1] + 2 * (size + 300)
        assert peer.connection.unread == Unread.HELD
        peer.say("ping", t=1)  # it comes with what the transport has read before
        assert peer.control("pong") == {"t": 1}
        slow.gate.set()
        await until(lambda: peer.link.reading)
        await until(lambda: len(slow.began) == sent + 4)
        assert not peer.session.unread
        assert (slow.app.manager.held.used, slow.app.manager.held.count) == (0, 0)


async def test_one_that_comes_back_is_read_until_it_sends_more() -> None:
    slow = Slow(**SCANT)
    async with slow.app:
        peer, _ = await beyond(slow, 10_000)
        peer.read()
        peer.cut()
        peer.connect()
        peer.read()
        assert peer.link.reading
        peer.say("ping", t=3)
        assert peer.control("pong") == {"t": 3}
        peer.send("plain", 1)
        assert not peer.link.reading


async def test_a_client_that_is_not_read_hears_that_the_server_lives() -> None:
    clock = Clock()
    slow = Slow(clock, **SCANT)
    async with slow.app:
        peer, _ = await beyond(slow, 10_000)
        peer.read()
        peer.controls.clear()
        for _ in range(8):
            clock.now += 0.5
            slow.app.manager.heartbeat.tick(clock.now)
        peer.read()
        assert [name for name, _ in peer.controls].count("ping") == 4
        slow.gate.set()
        await until(lambda: not peer.session.unread)
        peer.read()
        peer.controls.clear()
        clock.now += 5
        slow.app.manager.heartbeat.tick(clock.now)
        peer.read()
        assert peer.controls == []


async def test_one_whose_messages_are_held_is_found_dead_like_any_other() -> None:
    clock = Clock()
    slow = Slow(clock, heartbeat_interval=10.0, ping_timeout=2.0, **SCANT)
    async with slow.app:
        peer = await slow.busy(30)
        for seconds in (10, 2):
            clock.now += seconds
            slow.app.manager.heartbeat.tick(clock.now)
        assert peer.link.closed == (4001, "ping_timeout")
        other = Peer(slow.app).connect()
        other.read()
        while other.link.reading:
            other.send("slow", "x" * 10_000)
        for seconds in (10, 2, 10, 2):
            clock.now += seconds
            slow.app.manager.heartbeat.tick(clock.now)
        assert other.link.closed is None, "what is not read cannot be heard"
        slow.gate.set()


async def test_one_who_sends_much_leaves_others_their_turn() -> None:
    slow = Slow()
    async with slow.app:
        peer, other = await slow.busy(), Peer(slow.app).connect()
        for n in range(1000):
            peer.send("plain", f"p{n}")
        slow.gate.set()
        await until(lambda: len(slow.began) > 3)
        assert len(slow.began) < 1000
        other.send("plain", "mine", id="1")
        assert slow.began[-1] == "mine"
        await until(lambda: len(slow.began) == 1004)
        assert [n for n in slow.began if str(n)[0] == "p"] == [f"p{n}" for n in range(1000)]


class Pace:
    """A limiter that takes so many messages."""

    name = "pace"

    def __init__(self, most: int) -> None:
        self.most = most

    @hookimpl
    def rtcore_limiters(self) -> list[Pace]:
        return [self]

    def take(self, session: Session) -> float:
        self.most -= 1
        if self.most >= 0:
            return 0.0
        self.most = 0
        return 0.001


async def test_what_the_server_has_held_is_delayed_by_a_limiter_and_never_refused() -> None:
    pace = Pace(3)
    app = make_app({"max_handlers_per_session": 1}, pace)
    gate, seen = asyncio.Event(), []

    @app.handler("slow")
    async def slow() -> None:
        await gate.wait()

    app.handler("plain")(lambda message: seen.append(message.payload))
    async with app:
        peer = Peer(app).connect()
        for _ in range(3):
            peer.send("slow")
        for n in range(20):
            peer.send("plain", n)
        gate.set()
        await turn()
        assert len(seen) == 0
        for allowed in range(20):
            pace.most = 1
            async with asyncio.timeout(5):
                while len(seen) <= allowed:  # noqa: ASYNC110 - the limiter's time is the loop's
                    await asyncio.sleep(0.001)
        peer.read()
        assert seen == list(range(20))
        assert not [m for m in peer.got if m["type"] == "error"]


async def test_what_waits_ends_with_its_session_and_is_counted() -> None:
    slow = Slow()
    async with slow.app:
        peer = await slow.busy(50)
        peer.session.close()
        assert peer.session.drops["expired_session"] == 49
        assert slow.app.manager.held.used == 0
        slow.gate.set()
        await turn()
        assert slow.began == [0]


async def test_a_session_that_ends_in_the_middle_of_it_goes_no_further() -> None:
    slow = Slow()

    @slow.app.handler("end")
    def end(session: Session) -> None:
        session.close()

    async with slow.app:
        peer = await slow.busy()
        peer.send("plain", "before")
        peer.send("end")
        peer.send("plain", "after")
        slow.gate.set()
        await until(lambda: peer.session.closed is not None)
        await turn()
        assert "after" not in slow.began
        assert peer.session.drops["expired_session"] >= 1


def post(*items: Any) -> list[Any]:
    return [
        Control(*item)
        if isinstance(item, list)
        else Message(item["type"], item.get("payload"), id=item.get("id"))
        for item in items
    ]


async def test_of_a_post_control_is_taken_and_as_many_messages_as_there_is_room_for() -> None:
    slow = Slow(**SCANT)
    async with slow.app:
        peer = await slow.busy()
        for n in range(OWN[0] - 2):
            peer.send("plain", n)
        assert peer.link.reading
        sent = peer.session.received
        more = [{"type": "plain", "payload": n} for n in range(5)]
        ack = peer.connection.receive_from(sent, post(*more[:2], ["cancel", {"id": "0"}], *more[2:]))
        assert ack == {"n": sent + 2}
        assert not peer.link.reading
        await turn()
        assert slow.ended == [0]
        # It is said again as it was: what is known is skipped, and nothing more is taken.
        again = peer.connection.receive_from(sent, post(["ping", {"t": 3}], *more))
        assert (again, peer.control("pong")) == ({"n": sent + 2}, {"t": 3})
        slow.gate.set()
        await until(lambda: peer.link.reading)
        assert peer.connection.receive_from(sent, post(*more)) == {"n": sent + 5}
        await until(lambda: not peer.session.unread)
        assert slow.began[-5:] == list(range(5))
