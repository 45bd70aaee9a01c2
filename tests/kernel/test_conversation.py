"""Messages in, handlers, answers, acks, order, backpressure."""

from __future__ import annotations

import asyncio
import gc
from dataclasses import dataclass

import pytest

from rtcore import App, Message, PluginError, Rejected, Session, hookimpl
from rtcore.spi.interceptor import Stage
from tests.kernel.harness import Clock, Peer, make_app, turn, until


@dataclass
class Chat:
    text: str
    stars: int = 0


def payloads(peer: Peer) -> list[object]:
    peer.read()
    return [message["payload"] for message in peer.got]


async def test_what_a_handler_returns_answers_the_request() -> None:
    app = make_app()

    @app.handler("double")
    def double(payload: int) -> int:
        return payload * 2

    async with app:
        peer = Peer(app).connect()
        peer.send("double", 21, id="a")
        peer.send("double", 1)
        await turn()
        assert peer.read() == [{"type": "reply", "re": "a", "payload": 42}]


async def test_the_longest_pattern_wins_and_a_star_takes_the_rest() -> None:
    app = make_app()
    for pattern in ("chat:*", "chat:room:*", "*", "chat:exact"):
        app.handler(pattern)(lambda message, pattern=pattern: pattern)
    async with app:
        peer = Peer(app).connect()
        for type_ in ("chat:x", "chat:room:y", "other", "chat:exact"):
            peer.send(type_, id=type_)
        await turn()
        assert payloads(peer) == ["chat:*", "chat:room:*", "*", "chat:exact"]


async def test_a_typed_payload_is_validated_and_the_error_names_the_field() -> None:
    app = make_app()

    @app.handler("chat")
    def chat(session: Session, chat: Chat) -> str:
        return f"{chat.text}{chat.stars}"

    async with app:
        peer = Peer(app).connect()
        peer.send("chat", {"text": "hi", "stars": 3}, id="1")
        peer.send("chat", {"text": "hi", "stars": "three"}, id="2")
        peer.send("chat", {"stars": 3}, id="3")
        await turn()
        good, wrong, missing = payloads(peer)
        assert good == "hi3"
        assert wrong["code"] == missing["code"] == "bad_payload"
        assert wrong["details"]["path"] == "stars"
        assert "int" in wrong["reason"]
        assert "text" in str(missing)


@pytest.mark.parametrize("style", ["plain", "async"])
async def test_a_handler_that_raises_affects_only_its_caller(
    style: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app()
    if style == "plain":

        @app.handler("boom")
        def boom(message: Message) -> None:
            raise RuntimeError("the secret is 42")
    else:

        @app.handler("boom")
        async def async_boom(message: Message) -> None:
            raise RuntimeError("the secret is 42")

    app.handler("fine")(lambda message: "fine")
    async with app:
        one, other = Peer(app).connect(), Peer(app).connect()
        one.send("boom", id="b")
        other.send("fine", id="f")
        one.send("fine", id="f")
        await turn()
        codes = {m["re"]: m["payload"] for m in (one.read(), one.got)[1]}
        assert codes["b"]["code"] == "handler_failed"
        assert "42" not in str(codes["b"])
        assert codes["f"] == "fine"
        assert payloads(other) == ["fine"]
    assert "the secret is 42" in caplog.text


async def test_a_rejection_travels_with_its_code_reason_and_retry() -> None:
    app = make_app()

    @app.handler("no")
    def no(message: Message) -> None:
        raise Rejected("forbidden", "not on Sundays", retry_after=86_400, details={"day": "Sunday"})

    async with app:
        peer = Peer(app).connect()
        peer.send("no", id="1")
        peer.send("no")
        await turn()
        first, second = payloads(peer)
        assert first == {
            "code": "forbidden", "reason": "not on Sundays", "retry_after": 86_400, "details": {"day": "Sunday"},
        }  # fmt: skip
        assert second["n"] == 2, "a message without an id is named by its place"


async def test_an_unknown_type_and_what_cannot_be_decoded_are_counted_and_answered() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.send("what", id="1")
        peer.connection.receive(b'{"type": "broken')
        peer.send("what", id="2")
        await turn()
        assert [p["code"] for p in payloads(peer)] == ["unknown_type", "undecodable", "unknown_type"]
        assert peer.session.received == 3
        assert app.manager.get_metrics().drops["undecodable"] == 1


async def test_a_frame_that_nobody_can_count_ends_the_session() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        peer.connection.receive(b"neither")
        assert peer.control("close")["code"] == "malformed_frame"
        assert not app.manager.sessions


async def test_a_frame_over_the_limit_ends_the_session() -> None:
    async with make_app({"max_message_size": 100}) as app:
        peer = Peer(app).connect(client=None)
        peer.connection.receive(b'{"type": "x", "payload": "' + b"y" * 200 + b'"}')
        assert peer.control("close")["code"] == "message_too_big"


async def test_async_handlers_of_a_session_run_in_order_and_of_others_beside() -> None:
    app = make_app()
    gate = asyncio.Event()
    begun: list[object] = []

    @app.handler("slow")
    async def slow(message: Message) -> object:
        begun.append(message.payload)
        await gate.wait()
        return message.payload

    async with app:
        one, other = Peer(app).connect(), Peer(app).connect()
        for i in range(3):
            one.send("slow", i, id=str(i))
        other.send("slow", "other", id="o")
        await turn()
        assert begun == [0, "other"]
        gate.set()
        await until(lambda: len(begun) == 4)
        await turn()
        assert payloads(one) == [0, 1, 2]


async def test_what_a_plain_handler_returns_is_awaited_in_its_turn_if_it_can_be() -> None:
    app = make_app()
    gate = asyncio.Event()
    seen: list[str] = []

    async def after(message: Message) -> str:
        seen.append(f"{message.payload} waits")
        await gate.wait()
        return f"{message.payload} done"

    @app.handler("lazy")
    def lazy(message: Message) -> object:
        seen.append(f"{message.payload} at once")
        return after(message)

    async with app:
        peer = Peer(app).connect()
        peer.send("lazy", "a", id="1")
        peer.send("lazy", "b")
        peer.send("lazy", "c", id="3")
        assert seen == ["a at once", "b at once", "c at once"]
        await turn()
        assert seen[3:] == ["a waits"]
        gate.set()
        await until(lambda: len(seen) == 6)
        await turn()
        assert payloads(peer) == ["a done", "c done"]
        assert seen[3:] == ["a waits", "b waits", "c waits"]


async def test_what_was_to_be_awaited_ends_with_its_session_and_by_a_cancel() -> None:
    app = make_app({"max_handlers_per_session": 1})
    ended: list[str] = []

    async def forever(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(str(message.payload))

    @app.handler("lazy")
    def lazy(message: Message) -> object:
        return forever(message)

    async with app:
        peer = Peer(app).connect()
        for name in "abcd":
            peer.send("lazy", name, id=name)
        peer.say("cancel", id="a")  # not begun
        peer.say("cancel", id="c")  # waits
        await turn()
        assert [m["re"] for m in peer.read()] == ["a", "c"]
        peer.session.close()
        await turn()
        assert ended == ["b"]
        gc.collect()  # a coroutine that nobody awaited would complain


async def test_concurrent_handlers_overtake_and_are_limited() -> None:
    app = make_app({"max_handlers_per_session": 2})
    gate = asyncio.Event()
    running = 0
    most = 0

    @app.handler("slow", concurrent=True)
    async def slow(message: Message) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gate.wait()
        running -= 1

    async with app:
        peer = Peer(app).connect()
        for _ in range(4):
            peer.send("slow")
        await turn()
        assert (running, bool(peer.session.unread)) == (2, True), "beyond the limit messages are held"
        gate.set()
        await until(lambda: not running)
        await turn()
        assert most == 2
        assert not peer.session.unread


async def test_a_cancel_reaches_a_running_and_a_waiting_handler() -> None:
    app = make_app()
    ended: list[str] = []

    @app.handler("slow")
    async def slow(message: Message) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(message.id or "")

    async with app:
        peer = Peer(app).connect()
        peer.send("slow", id="run")
        peer.send("slow", id="wait")
        await turn()
        peer.say("cancel", id="wait")
        peer.say("cancel", id="run")
        peer.say("cancel", id="nobody")
        await until(lambda: ended == ["run"])
        await turn()
        assert {m["re"]: m["payload"]["code"] for m in (peer.read(), peer.got)[1]} == {
            "wait": "cancelled",
            "run": "cancelled",
        }


async def test_handlers_end_with_their_session_unless_detached() -> None:
    app = make_app()
    gate = asyncio.Event()
    ended: list[str] = []

    async def slow(message: Message) -> None:
        try:
            await gate.wait()
            ended.append(f"{message.type} finished")
        except asyncio.CancelledError:
            ended.append(f"{message.type} cancelled")
            raise

    app.handler("plain", concurrent=True)(slow)
    app.handler("kept", concurrent=True, detached=True)(slow)
    async with app:
        peer = Peer(app).connect()
        peer.send("plain")
        peer.send("kept")
        await turn()
        peer.session.close()
        await turn()
        gate.set()
        await until(lambda: len(ended) == 2)
        assert ended == ["plain cancelled", "kept finished"]


async def test_acks_come_at_a_quarter_of_the_window_by_bytes_and_by_time() -> None:
    clock = Clock()
    app = make_app({"message_buffer_size": 40}, clock=clock)
    app.handler("x")(lambda message: None)
    async with app:
        peer = Peer(app).connect()
        peer.read()

        def acks() -> list[int]:
            peer.read()
            return [fields["n"] for name, fields in peer.controls if name == "ack"]

        for _ in range(9):
            peer.send("x")
        await turn()
        assert acks() == []
        peer.send("x")
        await turn()  # an ack leaves when the loop turns, in front of what else does
        assert acks() == [10]
        peer.send("x", "y" * 70_000)
        await turn()
        assert acks() == [10, 11]
        peer.send("x")
        clock.now += 1
        app.manager.heartbeat.tick(clock.now)
        assert acks() == [10, 11, 12]
        clock.now += 1
        app.manager.heartbeat.tick(clock.now)
        assert acks() == [10, 11, 12], "what is known is not said again"


async def test_an_ack_of_what_was_never_sent_is_an_error_and_confirms_nothing() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.say("ack", n=5)
        assert "only 0 messages were sent" in peer.control("error")["reason"]


@pytest.mark.parametrize(
    ("name", "fields"),
    [("dance", {}), ("ack", {}), ("ack", {"n": "1"}), ("cancel", {"id": 3}), ("hello", {})],
)
async def test_a_bad_control_item_is_answered_and_survived(name: str, fields: dict[str, object]) -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.say(name, **fields)
        assert peer.control("error")["code"] == "bad_control"
        peer.say("ping", t=7)
        assert peer.control("pong") == {"t": 7}


async def test_bye_ends_the_session_for_good() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.control("welcome")
        peer.say("bye")
        assert peer.control("close")["code"] == "bye"
        assert peer.connect().control("welcome")["reason"] == "unknown"


async def test_interceptors_run_in_their_stages_and_may_change_refuse_and_swallow() -> None:
    class Step:
        def __init__(self, name: str, stage: Stage) -> None:
            self.name, self.stage = name, stage

        @hookimpl
        def rtcore_interceptors(self) -> list[Step]:
            return [self]

        def inbound(self, session: Session, message: Message) -> Message | None:
            if message.type == f"refuse:{self.name}":
                raise Rejected("forbidden", self.name)
            if message.type == f"swallow:{self.name}":
                return None
            return Message(message.type, [*(message.payload or []), self.name], id=message.id)

    steps = [
        Step("auth", Stage.AUTHORISE),
        Step("trace", Stage.TRACE),
        Step("zize", Stage.SIZE),
        Step("lim", Stage.LIMIT),
    ]
    app = make_app({}, *steps)
    app.handler("x")(lambda message: message.payload)
    async with app:
        peer = Peer(app).connect()
        for type_ in ("x", "refuse:auth", "swallow:trace", "swallow:auth"):
            peer.send(type_, id=type_)
        await turn()
        first, *others = payloads(peer)
        assert first == ["trace", "zize", "lim", "auth"]
        assert [other["code"] for other in others] == ["forbidden"] * 3, (
            "who asks is told, also by who swallows"
        )
        assert app.manager.counters.drops["rejected"] == 3


class Slow:
    """A limiter that lets so many through, and says to wait a moment for the others."""

    name = "slow"

    def __init__(self, allowed: int) -> None:
        self.allowed = allowed

    @hookimpl
    def rtcore_limiters(self) -> list[Slow]:
        return [self]

    def take(self, session: Session, cost: float = 1.0) -> float:
        if self.allowed >= cost:
            self.allowed -= 1
            return 0.0
        return 0.01


async def test_a_limited_message_is_refused_with_the_time_to_wait() -> None:
    app = make_app({}, Slow(1))
    app.handler("x")(lambda message: "ok")
    async with app:
        peer = Peer(app).connect()
        peer.send("x", id="1")
        peer.send("x", id="2")
        await turn()
        ok, limited = payloads(peer)
        assert ok == "ok"
        assert (limited["code"], limited["retry"], limited["retry_after"]) == ("rate_limited", True, 0.01)


async def test_replays_are_delayed_by_the_limiter_and_never_refused() -> None:
    limiter = Slow(0)
    app = make_app({}, limiter)
    seen: list[object] = []
    done = asyncio.Event()

    @app.handler("x")
    def see(message: Message) -> None:
        seen.append(message.payload)
        if len(seen) == 3:
            done.set()

    async with app:
        peer = Peer(app).connect()
        peer.control("welcome")
        peer.say("ack", n=0)
        peer.cut()
        for i in range(3):
            peer.line.put(Message("x", i), 1)
        peer.connect()
        for i in range(3):
            peer.connection.receive(b'{"type":"x","payload":%d}' % i)
        assert peer.session.unread
        assert seen == []
        limiter.allowed = 10
        async with asyncio.timeout(5):
            await done.wait()
        assert seen == [0, 1, 2]
        assert "rate_limited" not in app.manager.counters.errors


def test_a_handler_that_cannot_be_called_is_found_at_boot() -> None:
    def two(a: int, b: int) -> None: ...

    app = make_app()
    app.handler("x")(two)
    with pytest.raises(PluginError, match="second payload"):
        app.boot()

    app = make_app()
    app.handler("x")(lambda: None)
    app.handler("x")(lambda: None)
    with pytest.raises(PluginError, match="two handlers"):
        app.boot()


async def test_posts_are_taken_once_and_a_hole_is_answered_with_what_was_expected() -> None:
    app = make_app()
    seen: list[object] = []
    app.handler("x")(lambda message: seen.append(message.payload))
    async with app:
        peer = Peer(app).connect()
        peer.read()
        found = app.manager.find(
            {"session": peer.line.session, "secret": peer.line.secret, "attach": peer.line.attach}
        )
        items = [Message("x", i) for i in range(3)]
        assert found.receive_from(0, items) == {"n": 3}
        assert found.receive_from(1, [*items[1:], Message("x", 3)]) == {"n": 4}
        with pytest.raises(Rejected) as hole:
            found.receive_from(9, items)
        assert hole.value.details == {"expected": 4}
        assert seen == [0, 1, 2, 3]
        assert app.manager.counters.drops["duplicate"] == 2


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "wrong"}, "unknown_session"),
        ({"session": "no.body"}, "unknown_session"),
        ({"attach": 0}, "superseded"),
        ({"attach": 99}, "going_away"),
        ({"attach": None}, "bad_control"),
    ],
)
async def test_a_post_that_does_not_fit_is_refused(change: dict[str, object], code: str) -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        fields = {"session": peer.line.session, "secret": peer.line.secret, "attach": peer.line.attach}
        with pytest.raises(Rejected) as refused:
            app.manager.find({**fields, **change})
        assert refused.value.code == code


async def test_a_poll_gets_again_what_its_last_answer_may_have_lost() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.read()
        for i in range(3):
            peer.session.send("n", i)
        await turn()
        before = len(peer.link.written)
        peer.connection.rewind(1)
        assert peer.link.written[before:] == [b'{"type": "n", "payload": 1}\n{"type": "n", "payload": 2}\n']
        with pytest.raises(Rejected, match="3 were sent"):
            peer.connection.rewind(7)


def test_an_app_is_ten_lines() -> None:
    app = App(plugins=[])
    app.boot()
    assert dict(app.manager.sessions) == {}


async def test_bytes_are_counted_in_both_directions_whatever_they_carry() -> None:
    async with make_app() as app:
        peer, written = Peer(app).connect(), 0
        peer.say("ping", t=1)
        peer.session.send("n", 1)
        await turn()
        written += sum(map(len, peer.link.written))
        peer.read()
        peer.cut()
        app.manager.broadcast(Message("n", 2))
        peer.line.received = 0  # as if nothing had come
        peer.connect()  # welcome, a replay, and what waited
        await turn()
        written += sum(map(len, peer.link.written))
        assert [message["payload"] for message in peer.read()] == [1, 2]
        assert app.manager.get_metrics().bytes_sent == written
