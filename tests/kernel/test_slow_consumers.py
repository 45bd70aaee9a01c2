"""Clients that do not keep up: order, policies, bounds, batches, and what publishers feel of it."""

from __future__ import annotations

import asyncio
import json

import pytest

from rtcore import App, Message, RtcoreError
from rtcore.wire.policy import Policy, by_path, concatenate
from tests.kernel.harness import Basics, Clock, MemoryTransport, Peer, make_app, turn, until


def slow_peer(app: App) -> Peer:
    """A client whose connection is full."""
    peer = Peer(app).connect()
    peer.read()
    peer.connection.pause()
    return peer


def payloads(peer: Peer) -> list[object]:
    peer.connection.resume()
    return [message["payload"] for message in peer.read() if message["type"] != "gap"]


def gaps(peer: Peer) -> list[object]:
    return [message["payload"] for message in peer.got if message["type"] == "gap"]


async def test_conflation_keeps_the_latest_of_each_key_in_the_place_of_the_first() -> None:
    settings = {"policies": {"cursor:*": {"policy": "conflate", "key": "user"}}}
    async with make_app(settings) as app:
        peer = slow_peer(app)
        for i in range(100):
            app.manager.broadcast(Message("cursor:moved", {"user": i % 3, "x": i}))
        app.manager.broadcast(Message("chat", "hi"))
        assert payloads(peer) == [{"user": 0, "x": 99}, {"user": 1, "x": 97}, {"user": 2, "x": 98}, "hi"]
        assert app.manager.get_metrics().drops["conflated"] == 97
        assert gaps(peer) == [{"reason": "conflated", "n": 97}]


async def test_merging_joins_token_deltas_and_loses_none() -> None:
    app = make_app()
    app.policy("stream:data", Policy("merge", key=by_path("id"), merge=concatenate("text")))
    async with app:
        peer = slow_peer(app)
        for i in range(200):
            for stream in ("a", "b"):
                app.manager.broadcast(Message("stream:data", {"id": stream, "text": f"{i} "}))
        whole = "".join(f"{i} " for i in range(200))
        assert payloads(peer) == [{"id": "a", "text": whole}, {"id": "b", "text": whole}]
        assert app.manager.get_metrics().drops["merged"] == 398
        assert gaps(peer) == []


async def test_a_client_that_keeps_up_never_meets_a_policy() -> None:
    async with make_app({"policies": {"*": {"policy": "conflate"}}}) as app:
        peer = Peer(app).connect()
        peer.read()
        for i in range(50):
            app.manager.broadcast(Message("n", i))
        await turn()
        assert [m["payload"] for m in peer.read()] == list(range(50))


@pytest.mark.parametrize(
    ("policy", "kept", "reason"),
    [("drop_oldest", range(5, 15), "buffer_full"), ("drop_new", range(10), "dropped_new")],
)
async def test_full_lanes_drop_as_their_policy_says(policy: str, kept: range, reason: str) -> None:
    async with make_app({"message_buffer_size": 10, "policies": {"n": {"policy": policy}}}) as app:
        peer = slow_peer(app)
        for i in range(15):
            app.manager.broadcast(Message("n", i))
        assert payloads(peer) == list(kept)
        assert gaps(peer) == [{"reason": reason, "n": 5}]
        assert app.manager.get_metrics().drops[reason] == 5


async def test_the_policy_disconnect_gives_the_connection_up_and_keeps_the_session() -> None:
    async with make_app({"message_buffer_size": 10, "policies": {"n": {"policy": "disconnect"}}}) as app:
        peer = slow_peer(app)
        for i in range(11):
            app.manager.broadcast(Message("n", i))
        await turn()
        assert peer.link.closed == (4002, "slow_consumer")
        assert len(app.manager.sessions) == 1
        assert peer.connect().control("welcome")["resumed"] is True


async def test_all_lanes_together_are_bounded() -> None:
    async with make_app({"max_backlog_bytes": 10_000}) as app:
        peers = [slow_peer(app) for _ in range(10)]
        for i in range(20):
            app.manager.broadcast(Message("n", f"{i:0100d}"))
        assert app.manager.pool.used <= 10_000
        assert app.manager.get_metrics().drops["buffer_full"] > 100
        for peer in peers:
            peer.session.close()
        assert app.manager.pool.used == 0


async def test_all_lanes_together_are_bounded_in_messages_too() -> None:
    async with make_app({"max_backlog_messages": 50}) as app:
        peers = [slow_peer(app) for _ in range(10)]
        for i in range(20):
            app.manager.broadcast(Message("n", i))
        assert app.manager.pool.count == 50
        assert app.manager.get_metrics().drops["buffer_full"] == 150
        assert [peer.session.backlog for peer in peers] == [5] * 10, "each pays for itself"
        for peer in peers:
            payloads(peer)
        assert (app.manager.pool.count, app.manager.pool.used) == (0, 0)


async def test_whoever_owns_a_session_sees_what_it_missed_and_why() -> None:
    settings = {"message_buffer_size": 10, "policies": {"cursor": {"policy": "conflate"}}}
    async with make_app(settings) as app:
        fast, slow = Peer(app).connect(), slow_peer(app)
        for i in range(15):
            app.manager.broadcast(Message("n", i))
        for i in range(3):
            app.manager.broadcast(Message("cursor", i))
        assert slow.session.drops == {"buffer_full": 6, "conflated": 2}
        assert fast.session.drops == {}
        assert app.manager.get_metrics().drops["buffer_full"] == 6
        slow.session.close()
        assert slow.session is None or slow.connection.session.drops["expired_session"] == 10


async def test_a_burst_is_written_in_pieces_so_that_what_is_urgent_can_overtake() -> None:
    async with make_app({"message_buffer_size": 1000, "message_buffer_bytes": 10_000_000}) as app:
        peer = Peer(app).connect()
        peer.read()
        write = peer.link.write
        buffered = 0

        def full_at_64_kib(data: bytes) -> None:
            nonlocal buffered
            write(data)
            buffered += len(data)
            if buffered > 65_536:
                peer.connection.pause()

        peer.link.write = full_at_64_kib  # type: ignore[method-assign]
        for i in range(500):
            peer.session.send("bulk", "x" * 10_000, id=str(i))
        await turn()
        assert buffered < 2 * 65_536
        peer.session.send("urgent", priority="critical")
        peer.read()
        peer.link.write = write  # type: ignore[method-assign]
        peer.connection.resume()
        assert peer.read()[0]["type"] == "urgent"
        assert len(peer.got) == 501


async def test_a_handler_can_wait_until_its_client_has_caught_up() -> None:
    async with make_app() as app:
        peer = slow_peer(app)
        sent = []

        async def stream() -> None:
            for i in range(50):
                peer.session.send("n", i)
                sent.append(i)
                await peer.session.drained(below=10)

        task = asyncio.create_task(stream())
        await turn()
        assert len(sent) == 10
        while not task.done():
            peer.connection.resume()
            peer.read()
            peer.say("ack", n=peer.line.received)
            await turn()
            peer.connection.pause()
        assert [m["payload"] for m in peer.got] == list(range(50))
        assert app.manager.get_metrics().drops["buffer_full"] == 0


async def test_waiting_for_a_client_ends_with_its_session() -> None:
    async with make_app() as app:
        peer = slow_peer(app)
        peer.session.send("n", 1)
        waiting = asyncio.create_task(peer.session.drained())
        await turn()
        assert not waiting.done()
        peer.session.close()
        await waiting


async def test_an_audience_knows_how_far_behind_it_is() -> None:
    async with make_app() as app:
        fast, slow = Peer(app).connect(), slow_peer(app)
        fast.read()
        audience = app.manager.audience()
        for peer in (fast, slow):
            audience.add(peer.session)
        for i in range(7):
            audience.publish(Message("n", i))
        await turn()
        assert audience.backlog == 7
        waiting = asyncio.create_task(audience.drained())
        for peer in (fast, slow):
            peer.connection.resume()
            peer.read()
            peer.say("ack", n=7)
            await turn()
        await waiting


async def test_who_is_away_holds_up_nobody_who_waits_for_the_others() -> None:
    async with make_app() as app:
        here, leaving, away = slow_peer(app), slow_peer(app), slow_peer(app)
        audience = app.manager.audience()
        for peer in (here, leaving, away):
            audience.add(peer.session)
        away.cut()
        for i in range(7):
            audience.publish(Message("n", i))
        waiting = asyncio.create_task(audience.drained(below=5))
        await turn()
        payloads(here)
        here.say("ack", n=7)
        await turn()
        assert not waiting.done()
        assert audience.backlog == 7
        leaving.cut()
        await waiting
        assert audience.backlog == 0


async def test_a_publisher_waits_while_what_it_sent_is_being_flushed() -> None:
    app = make_app({"max_connections": 10_000, "max_greetings": 10_000})
    async with app:
        peers = [Peer(app).connect() for _ in range(5000)]
        await until(lambda: not any(p.session.outbox for p in peers))
        app.manager.broadcast(Message("n", 1))
        assert app.manager.flusher.crowded
        publisher = peers[0]
        app.manager.flusher.slow(publisher.session)
        assert publisher.session.unread
        await until(lambda: not publisher.session.unread)
        assert not any(p.session.outbox for p in peers)


async def test_a_slowed_publisher_has_its_turn_though_others_never_stop() -> None:
    app = make_app({"max_connections": 10_000, "max_greetings": 10_000})
    async with app:
        peers = [Peer(app).connect() for _ in range(5000)]
        await until(lambda: not any(p.session.outbox for p in peers))
        publisher = peers[0]
        app.manager.broadcast(Message("n", 0))
        app.manager.flusher.slow(publisher.session)
        turns = 0
        while publisher.session.unread:
            app.manager.broadcast(Message("n", turns))
            await asyncio.sleep(0)
            turns += 1
            assert turns < 100
        assert app.manager.flusher.crowded, "there was no moment in which nothing was pending"


async def test_batches_are_one_frame_at_the_size_or_the_interval_and_never_hold_what_is_urgent() -> None:
    settings = {"enable_batching": True, "batch_size": 5, "batch_interval": 0.02}
    async with make_app(settings) as app:
        batching, plain = Peer(app).connect(batch=True), Peer(app).connect()
        for peer in (batching, plain):
            peer.read()
        written = batching.link.written
        start = len(written)

        for i in range(5):
            batching.session.send("n", i)
        await turn()
        assert len(written) - start == 1
        batching.session.send("n", 5)
        plain.session.send("n", 5)
        await turn()
        assert len(written) - start == 1, "one message makes no batch yet"
        assert [m["payload"] for m in plain.read()] == [5]
        batching.session.send("now", priority="high")
        await turn()
        assert len(written) - start == 2
        batching.session.send("n", 6)
        async with asyncio.timeout(5):
            await until(lambda: len(written) - start == 3, turns=10_000_000)
        assert [m["payload"] for m in batching.read()] == [0, 1, 2, 3, 4, 5, None, 6]
        assert [json.loads(line)["type"] for line in written[start + 1].splitlines()] == ["n", "now"]


def test_a_policy_is_said_before_the_app_boots() -> None:
    app = App(plugins=[Basics(MemoryTransport())], clock=Clock())
    app.boot()
    with pytest.raises(RtcoreError, match="has booted"):
        app.policy("n", Policy())
