"""Connect, reconnect, refuse: what a hello leads to."""

from __future__ import annotations

import pytest

from rtcore import Message, Rejected, hookimpl
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake
from tests.kernel.harness import Clock, MemoryLink, Peer, make_app, turn

NONCE = "0123456789abcdef"


class Tokens:
    """Everybody whose token is `<name>!` is that name."""

    name = "tokens"

    @hookimpl
    def rtcore_authenticators(self) -> list[Tokens]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token is None:
            return None
        if not handshake.token.endswith("!"):
            raise Rejected("unauthenticated", "a bad token")
        return Identity(handshake.token[:-1])


async def test_a_hello_gets_a_welcome_that_states_limits_and_heartbeat() -> None:
    async with make_app({"max_message_size": 4096, "heartbeat_interval": 7.0}) as app:
        welcome = Peer(app).connect().control("welcome")
    assert welcome["resumed"] is False
    assert "reason" not in welcome
    window = {"window": 100, "window_bytes": 4 * 1024 * 1024}
    assert welcome["limits"] == {"max_message_size": 4096, "part": 16384, **window}
    assert welcome["heartbeat"] == {"interval": 7.0, "timeout": 5.0}
    assert welcome["session"].startswith(app.node + ".")


class Stated:
    """A limiter that says what it lets through."""

    def __init__(self, name: str, rate: float, burst: float) -> None:
        self.name, self.rate, self.burst = name, rate, burst

    @hookimpl
    def rtcore_limiters(self) -> list[Stated]:
        return [self]

    def take(self, session: object, cost: float = 1.0) -> float:
        return 0.0


async def test_a_welcome_states_the_slowest_pace_that_limiters_ask_for() -> None:
    async with make_app({}, Stated("one", 50.0, 5.0), Stated("two", 20.0, 30.0)) as app:
        limits = Peer(app).connect().control("welcome")["limits"]
        assert (limits["rate_per_second"], limits["burst"]) == (20.0, 5.0)
    async with make_app() as app:
        assert "rate_per_second" not in Peer(app).connect().control("welcome")["limits"]


async def test_a_welcome_advises_on_reconnecting_only_where_the_settings_do() -> None:
    async with make_app() as app:
        assert "reconnect" not in Peer(app).connect().control("welcome")
    async with make_app({"max_reconnect_attempts": 9, "reconnect_delay": 3.0}) as app:
        assert Peer(app).connect().control("welcome")["reconnect"] == {"attempts": 9, "delay": 3.0}


async def test_a_reconnect_resumes_and_replays_what_was_missed_in_order() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        for i in range(5):
            peer.session.send("n", i)
        await turn()
        peer.cut()
        for i in range(5, 10):
            app.manager.broadcast(Message("n", i))
        peer.connect()
        await turn()
        peer.read()
        assert peer.control("welcome")["resumed"] is True
        assert [m["payload"] for m in peer.got] == list(range(10))
        assert app.manager.get_metrics().resumes == 1


async def test_frames_of_the_connection_that_was_left_do_not_count() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        old, old_link = peer.connection, peer.link
        peer.read()
        peer.connect()
        assert old_link.closed == (4200, "superseded")
        old.receive(b'{"type": "late"}')
        assert peer.session.received == 0
        assert app.manager.counters.drops["fenced"] == 1
        old.lost()
        assert peer.session.transport == "memory"


async def test_a_stale_hello_changes_nothing() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        first = peer.control("welcome")
        peer.connect()
        live = peer.connection
        second = peer.control("welcome")
        peer.connect(hello=False)
        peer.say(
            "hello", attach=1, nonce=NONCE, session=first["session"], secret=second["secret"], received=0
        )
        assert peer.link.closed == (4008, "stale_attach")
        assert live.session.connection is live


@pytest.mark.parametrize(
    ("fields", "code", "word"),
    [
        ({"attach": 1}, "bad_hello", "`nonce` is missing"),
        ({"attach": 1, "nonce": "short"}, "bad_hello", "at least 16"),
        ({"attach": "1", "nonce": NONCE}, "bad_hello", "expected int, given str"),
        ({"attach": True, "nonce": NONCE}, "bad_hello", "given bool"),
        ({"attach": 0, "nonce": NONCE}, "bad_hello", "expected 1 to"),
        ({"attach": -1, "nonce": NONCE}, "bad_hello", "expected 0 to"),
        ({"attach": 1, "nonce": NONCE, "session": "x"}, "bad_hello", "come together"),
        ({"attach": 1, "nonce": NONCE, "v": 9}, "unsupported_version", "version 9"),
    ],
)
async def test_a_bad_hello_is_refused_and_says_what_was_expected(
    fields: dict[str, object], code: str, word: str
) -> None:
    async with make_app() as app:
        peer = Peer(app).connect(hello=False)
        peer.say("hello", **fields)
        close = peer.control("close")
        assert close["code"] == code
        assert word in close["reason"]
        assert peer.link.closed is not None
        peer.say("hello", attach=1, nonce=NONCE)
        assert not app.manager.sessions, "a second hello on a refused connection is not heard"


@pytest.mark.parametrize("frame", [b"", b"garbage", b"{}", b'{"type":"x"}', b'["ack",{"n":1}]', b"\x01zip"])
async def test_whatever_comes_first_and_is_no_hello_is_refused(frame: bytes) -> None:
    async with make_app() as app:
        peer = Peer(app).connect(hello=False)
        peer.connection.receive(frame)
        assert peer.control("close")["code"] == "bad_hello"


async def test_a_session_that_cannot_be_resumed_says_why() -> None:
    clock = Clock()
    async with make_app({"session_ttl": 60.0}, clock=clock) as app:
        peer = Peer(app).connect()
        peer.control("welcome")
        peer.say("ack", n=0)
        peer.cut()
        clock.now += 61
        app.manager.heartbeat.tick(clock.now)
        gone, secret = peer.line.session, peer.line.secret
        peer.connect(session=gone, secret="x" * 24)
        assert peer.control("welcome")["reason"] == "unknown", "how it ended is its own client's business"
        peer.connect(session=gone, secret=secret)
        assert peer.control("welcome")["reason"] == "expired"

        peer.connect(session=f"{app.node}.nobody", secret="x" * 24, attach=9)
        assert peer.control("welcome")["reason"] == "unknown"
        peer.connect(session="elsewhere.abc", secret="x" * 24, attach=9)
        assert peer.control("welcome")["reason"] == "node_lost"


async def test_a_wrong_secret_gets_a_new_session_and_leaves_the_old_one_alone() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        welcome = peer.control("welcome")
        victim = peer.connection
        thief = Peer(app).connect(session=welcome["session"], secret="guess", received=0, attach=5)
        assert thief.control("welcome")["reason"] == "unknown"
        assert thief.control("welcome")["session"] != welcome["session"]
        assert victim.session.connection is victim


async def test_a_full_window_is_told_as_overflow_with_the_number_lost() -> None:
    async with make_app({"message_buffer_size": 10}) as app:
        peer = Peer(app).connect()
        peer.read()
        for i in range(25):
            peer.session.send("n", i)
            await turn()
        peer.cut()
        welcome = peer.connect().control("welcome")
        assert (welcome["resumed"], welcome["reason"], welcome["from"]) == (False, "overflow", 15)
        assert [m["payload"] for m in peer.got] == list(range(15, 25))


async def test_messages_for_a_client_that_is_away_are_bounded_and_the_gap_is_told() -> None:
    async with make_app({"message_buffer_size": 10}) as app:
        peer = Peer(app).connect()
        peer.read()
        peer.say("ack", n=0)
        peer.cut()
        for i in range(25):
            app.manager.broadcast(Message("n", i))
        peer.connect()
        assert peer.control("welcome")["resumed"] is True
        assert [m["payload"] for m in peer.got] == [{"reason": "buffer_full", "n": 15}, *range(15, 25)]
        assert app.manager.get_metrics().drops["buffer_full"] == 15


async def test_a_lost_welcome_leads_to_the_same_session() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.cut()
        peer.connect()
        peer.read()
        assert len(app.manager.sessions) == 1


async def test_a_session_that_nobody_confirmed_is_not_kept_for_long() -> None:
    clock = Clock()
    async with make_app({"hello_timeout": 5.0, "session_ttl": 100.0}, clock=clock) as app:
        Peer(app).connect().cut()
        clock.now += 6
        app.manager.heartbeat.tick(clock.now)
        assert not app.manager.sessions


async def test_a_reload_keeps_identity_and_resets_both_counts() -> None:
    async with make_app() as app:
        app.manager.inbound  # noqa: B018 - booted
        peer = Peer(app).connect()
        peer.read()
        peer.send("unknown")
        peer.cut()
        welcome = peer.connect(received=None).control("welcome")
        assert (welcome["resumed"], welcome["reason"], welcome["received"], welcome["rooms"]) == (
            False,
            "reset",
            0,
            True,
        )


async def test_a_token_in_hello_makes_an_identity_and_nobody_else_may_resume_it() -> None:
    async with make_app({}, Tokens()) as app:
        ann = Peer(app).connect(token="ann!")
        await turn()
        welcome = ann.control("welcome")
        assert ann.session.identity.subject == "ann"

        bob = Peer(app).connect(
            token="bob!", session=welcome["session"], secret=welcome["secret"], received=0, attach=2
        )
        await turn()
        assert bob.control("welcome")["reason"] == "identity_changed"
        assert ann.session.closed is None


@pytest.mark.parametrize(("token", "word"), [(None, "no credentials"), ("bad", "a bad token")])
async def test_missing_and_wrong_credentials_are_refused(token: str | None, word: str) -> None:
    async with make_app({}, Tokens()) as app:
        peer = Peer(app).connect(token=token)
        await turn()
        close = peer.control("close")
        assert close["code"] == "unauthenticated"
        assert word in close["reason"]
        assert not app.manager.sessions


async def test_an_authenticator_that_fails_refuses_only_its_client(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Tokens):
        async def authenticate(self, handshake: Handshake) -> Identity | None:
            raise RuntimeError("the database is away")

    async with make_app({}, Broken()) as app:
        peer = Peer(app).connect(token="ann!")
        await turn()
        assert peer.control("close")["code"] == "internal"
        assert "database" not in peer.control("close")["reason"]
    assert "the database is away" in caplog.text


async def test_frames_that_come_while_an_authenticator_thinks_are_held_in_order_and_bounded() -> None:
    async with make_app({}, Tokens()) as app:
        peer = Peer(app).connect(token="ann!")
        for i in range(3):
            peer.send("unknown", i)
        assert peer.link.reading is False
        await turn()
        assert peer.session.received == 3
        assert peer.link.reading is True

        flood = Peer(app).connect(token="ann!")
        for i in range(40):
            flood.send("unknown", i)
        assert flood.control("close")["code"] == "bad_hello"


async def test_connections_are_capped_before_and_after_the_hello() -> None:
    async with make_app({"max_connections": 2, "max_greetings": 2}) as app:
        greeting = [Peer(app).connect(hello=False) for _ in range(2)]
        with pytest.raises(Rejected) as refused:
            app.manager.add_connection(MemoryLink(), Handshake("memory"))
        assert refused.value.code == "too_many_greetings"
        assert refused.value.retry_after is not None
        for peer in greeting:
            peer.cut()

        Peer(app).connect(), Peer(app).connect()
        third = Peer(app).connect()
        assert third.control("close")["code"] == "server_full"
        assert third.control("close")["retry_after"] > 0


async def test_a_connection_that_never_says_hello_is_closed_in_time() -> None:
    clock = Clock()
    async with make_app({"hello_timeout": 3.0}, clock=clock) as app:
        peer = Peer(app).connect(hello=False)
        clock.now += 2.9
        app.manager.heartbeat.tick(clock.now)
        assert peer.link.closed is None
        clock.now += 0.2
        app.manager.heartbeat.tick(clock.now)
        assert peer.link.closed == (4005, "hello_timeout")


async def test_sessions_that_wait_are_capped_in_all_and_the_oldest_goes_first() -> None:
    async with make_app({"max_detached": 3}) as app:
        peers = [Peer(app).connect() for _ in range(5)]
        for peer in peers:
            peer.read()
            peer.cut()
        assert len(app.manager.sessions) == 3
        assert peers[0].connect().control("welcome")["reason"] == "evicted"
        assert peers[4].connect().control("welcome")["resumed"] is True


async def test_sessions_that_wait_are_capped_per_identity() -> None:
    async with make_app({"max_detached_per_identity": 1}, Tokens()) as app:
        peers = [Peer(app).connect(token=token) for token in ("ann!", "ann!", "bob!")]
        await turn()
        for peer in peers:
            peer.cut()
        assert sorted(s.identity.subject for s in app.manager.sessions.values()) == ["ann", "bob"]


async def test_an_unknown_codec_is_refused_with_the_names_of_those_that_are_here() -> None:
    async with make_app() as app:
        with pytest.raises(Rejected, match="installed: json") as refused:
            app.manager.add_connection(MemoryLink(), Handshake("memory", codec="morse"))
        assert refused.value.code == "unsupported_codec"
