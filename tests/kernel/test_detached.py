"""Sessions that wait for their client: how many, for whom, and how many bytes are kept for them."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from rtcore import Message
from rtcore.detached import Detached
from rtcore.settings import Options
from rtcore.spi.auth import Identity
from tests.kernel.harness import Peer, make_app, turn

KIB = 1024


async def test_the_windows_of_all_who_are_away_are_bounded_together() -> None:
    async with make_app({"max_detached_bytes": 40 * KIB}) as app:
        peers = [Peer(app).connect() for _ in range(10)]
        for number, peer in enumerate(peers):
            peer.read()
            peer.session.send("n", f"{number}" * 10 * KIB)
        await turn()
        for peer in peers:
            peer.read()
            peer.cut()
        assert len(app.manager.sessions) == 3
        assert app.manager.get_metrics().evictions == {"max_detached_bytes": 7}
        assert peers[0].connect().control("welcome")["reason"] == "evicted"
        assert peers[9].connect().control("welcome")["resumed"] is True


async def test_what_everybody_was_sent_is_kept_once_for_all() -> None:
    async with make_app({"max_detached_bytes": 20 * KIB}) as app:
        peers = [Peer(app).connect() for _ in range(100)]
        app.manager.broadcast(Message("n", "x" * 10 * KIB))
        await turn()
        for peer in peers:
            peer.read()
            peer.cut()
        assert len(app.manager.sessions) == 100
        assert app.manager._detached.size < 11 * KIB
        for peer in peers:
            assert peer.connect().control("welcome")["resumed"] is True
        assert app.manager._detached.size == 0


async def test_what_was_confirmed_by_the_hello_is_not_weighed_any_more() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        for _ in range(3):
            peer.session.send("n", "x" * KIB)
            await turn()
            peer.read()
            peer.cut()
            assert app.manager._detached.size > KIB
            peer.connect().read()
            assert app.manager._detached.size == 0


@attrs.define(eq=False)
class Away:
    """As much of a session as is looked at."""

    identity: Identity
    window: Any
    ahead: Any = None
    assembly: Any = None


@attrs.define
class Held:
    held: list[Message]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["away", "back"]),
        st.integers(0, 7),  # which session
        st.lists(st.integers(0, 9), max_size=5),  # which of a few messages it holds
    ),
    max_size=60,
)


@given(STEPS, st.integers(0, 5), st.integers(1, 3), st.integers(0, 300))
def test_the_oldest_go_and_the_rest_is_weighed_message_by_message(
    steps: list[tuple[str, int, list[int]]], most: int, each: int, bytes_: int
) -> None:
    messages = [Message("m", raw=b"x" * 10 * i) for i in range(10)]
    options = Options(max_detached=most, max_detached_per_identity=each, max_detached_bytes=bytes_)
    waiting: list[Away] = []  # the model: oldest first
    sessions = [
        Away(Identity("?", anonymous=True) if i % 3 == 0 else Identity(f"user{i % 2}"), Held([]))
        for i in range(8)
    ]

    def evict(session: Any, bound: str) -> None:
        alike = [s for s in waiting if s.identity == session.identity]
        assert session is (alike if bound == "max_detached_per_identity" else waiting)[0], "not the oldest"
        waiting.remove(session)
        detached.discard(session)

    detached = Detached(options, evict)
    for what, which, holds in steps:
        session: Any = sessions[which]
        if what == "away" and session not in waiting:
            session.window.held = [messages[i] for i in holds]
            waiting.append(session)
            detached.add(session)
        elif what == "back":
            session.window.held = []  # what the hello confirms has left before this is heard of
            if session in waiting:
                waiting.remove(session)
            detached.discard(session)
        assert list(detached) == waiting
        assert detached.size == sum(m.size for m in {m for s in waiting for m in s.window.held})
        assert detached.size <= bytes_
        assert len(waiting) <= most
        for subject in ("user0", "user1"):
            assert sum(s.identity.subject == subject for s in waiting) <= each
