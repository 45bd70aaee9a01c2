"""What is written a second time, and hellos that are said a second time."""

from __future__ import annotations

from tests.kernel.harness import Peer, make_app, turn


async def test_a_lost_welcome_is_repeated_and_makes_no_second_session() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.session.send("greeting")
        await turn()
        peer.cut()
        peer.connect()
        await turn()
        assert [m["type"] for m in peer.read()] == ["greeting"]
        assert len(app.manager.sessions) == 1


async def test_so_is_one_that_answered_a_hello_for_a_session_that_is_gone() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        for i in range(3):
            peer.session.send("old", i)
        await turn()
        peer.read()
        app.manager.close_session(peer.session, "session_expired")
        peer.cut()
        peer.connect()
        peer.session.send("new")
        await turn()
        peer.cut()
        peer.connect()
        welcome = peer.control("welcome")
        assert (welcome["resumed"], welcome["reason"], welcome["rooms"]) == (False, "expired", False)
        assert len(app.manager.sessions) == 1
        assert [m["type"] for m in peer.got] == ["old", "old", "old", "new"]
        assert peer.line.received == 1


async def test_batched_messages_are_replayed_in_whole_frames() -> None:
    async with make_app({"enable_batching": True, "batch_size": 3, "batch_interval": 0.01}) as app:
        peer = Peer(app).connect(batch=True)
        peer.read()
        peer.say("ping")
        for i in range(7):
            peer.session.send("n", i, priority="critical")
        await turn()
        peer.cut()
        peer.connect(batch=True)
        peer.read()
        assert [m["payload"] for m in peer.got] == list(range(7))


async def test_a_poll_has_batched_messages_written_again_in_whole_frames() -> None:
    async with make_app({"enable_batching": True, "batch_size": 3, "batch_interval": 0.01}) as app:
        peer = Peer(app).connect(batch=True)
        peer.read()
        for i in range(7):
            peer.session.send("n", i, priority="critical")
        await turn()
        written = len(peer.link.written)
        peer.connection.rewind(2)
        again = b"".join(peer.link.written[written:])
        assert again.count(b'"n"') == 5
        assert len([line for line in again.splitlines() if line]) == 5
