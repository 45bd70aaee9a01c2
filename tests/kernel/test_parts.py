"""Messages in parts: what is large leaves a little at a time, urgent messages pass, a resume goes on where it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rtcore import App, Message, Rejected, Session
from rtcore.wire import Control
from rtcore.wire.parts import PART, SMALLEST, Large, cut
from tests.kernel.harness import Peer, PlainJson, make_app, turn

MANY = 1 << 24


def text(size: int) -> str:
    return "0123456789" * (size // 10)


def parts(peer: Peer) -> list[dict[str, Any]]:
    return [fields for name, fields in peer.controls if name == "part"]


class Narrow(Peer):
    """A client whose link takes one write, and then says that it is full."""

    def connect(self, **fields: Any) -> Narrow:
        super().connect(**{"parts": MANY, **fields})
        self.narrow()
        return self

    def narrow(self) -> None:
        write, connection = self.link.write, self.connection

        def narrow(data: bytes) -> None:
            write(data)
            connection.pause()

        self.link.write = narrow  # type: ignore[method-assign]

    def next(self) -> list[dict[str, Any]]:
        """Take what was written, and let it write once more."""
        new = self.read()
        self.connection.resume()
        return new


async def test_a_large_message_comes_in_parts_and_is_counted_with_the_last() -> None:
    async with make_app() as app:
        peer = Peer(app).connect(parts=MANY)
        peer.read()
        peer.session.send("small", "a")
        peer.session.send("large", text(50_000))
        peer.session.send("small", "b")
        await turn()
        assert [m["type"] for m in peer.read()] == ["small", "large", "small"]
        assert len(parts(peer)) == 4
        assert max(len(part["data"]) for part in parts(peer)) == PART
        assert peer.line.received == peer.session.window.sent == 3
        assert app.manager.get_metrics().messages_sent == 3


async def test_a_client_that_takes_no_parts_gets_it_whole() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.session.send("large", text(50_000))
        await turn()
        assert [m["payload"] for m in peer.read()] == [text(50_000)]
        assert not parts(peer)


async def test_urgent_messages_and_control_pass_between_two_parts_and_nothing_else_does() -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("large", text(100_000))
        await turn()
        peer.session.send("normal", priority="normal")
        peer.session.send("low", priority="low")
        peer.session.send("alarm", priority="critical")
        peer.session.send("soon", priority="high")
        peer.connection.control("ping", {})
        order: list[str] = []
        while "alarm" not in order:
            order += [m["type"] for m in peer.next()]
        assert len(parts(peer)) == 1, "it waited for the part that was written"
        while len(order) < 5:
            order += [m["type"] for m in peer.next()]
        assert order == ["alarm", "soon", "large", "normal", "low"]
        assert peer.line.received == peer.session.window.sent == 5


async def test_between_two_parts_urgent_messages_take_turns_with_them() -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("large", text(60_000))
        await turn()
        for n in range(50):
            peer.session.send("soon", text(10_000) + str(n), priority="high")
        seen: list[str] = []
        while "large" not in seen:
            seen += [m["type"] for m in peer.next()]
        assert len(seen) < 20, "it was not held up until they were done"


async def test_one_that_is_urgent_and_large_itself_waits_until_the_other_is_done() -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("large", text(60_000))
        await turn()
        peer.session.send("urgent", text(30_000), priority="critical")
        order: list[str] = []
        while len(order) < 2:
            order += [m["type"] for m in peer.next()]
        assert order == ["large", "urgent"]


@pytest.mark.parametrize("taken", [0, 1, 3])
async def test_a_resume_goes_on_where_the_client_is(taken: int) -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("before")
        peer.session.send("large", text(100_000))
        await turn()
        while len(parts(peer)) < taken:
            peer.next()
        peer.cut()
        assert peer.session.backlog == 2
        peer.controls.clear()
        peer.connect()
        got: list[dict[str, Any]] = []
        while len(got) < 1 + (not taken):
            got += peer.next()
        assert got[-1]["payload"] == text(100_000)
        assert parts(peer)[0]["at"] == taken * PART, "not from the beginning"
        assert peer.line.received == peer.session.window.sent == 2


async def test_what_was_counted_and_lost_is_written_again_from_where_the_client_is() -> None:
    async with make_app() as app:
        peer = Peer(app).connect(parts=MANY)
        peer.read()
        peer.session.send("large", text(50_000))
        await turn()
        assert peer.session.window.sent == 1
        frames = b"".join(peer.link.written).splitlines()
        peer.link.written[:] = [line + b"\n" for line in frames[:3]]  # the rest never arrives
        peer.read()
        peer.cut()
        peer.connect(parts=MANY)
        peer.session.send("next", priority="critical")
        await turn()
        peer.controls.clear()
        assert [m["type"] for m in peer.read()] == ["large", "next"], "what is counted keeps its place"
        assert parts(peer)[0]["at"] > 0
        assert peer.line.received == peer.session.window.sent == 2


async def test_another_transport_with_the_same_codec_goes_on_as_well() -> None:
    from tests.kernel.harness import Basics, Clock, MemoryTransport

    app = App({}, plugins=[Basics(MemoryTransport(), MemoryTransport("other"))], clock=Clock())
    async with app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("large", text(100_000))
        await turn()
        peer.next()
        peer.next()
        peer.connect(transport="other")
        peer.controls.clear()
        got: list[dict[str, Any]] = []
        while not got:
            got = peer.next()
        assert parts(peer)[0]["at"] == 2 * PART


async def test_a_link_that_carries_nothing_of_a_part_gets_smaller_ones_until_it_does() -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("large", text(40_000))
        peer.session.send("other", text(10_000))
        await turn()
        for _ in range(6):
            peer.link.written.clear()  # nothing arrives
            peer._read = 0
            peer.cut()
            peer.connect()
            welcome = [w for w in peer.link.written if b"welcome" in w]
            peer.link.written[:] = welcome
            peer._read = 0
            peer.read()
        assert peer.session.stride == SMALLEST
        peer.controls.clear()
        peer.connect()
        got: list[dict[str, Any]] = []
        while len(got) < 2:
            got += peer.next()
        assert [m["type"] for m in got] == ["large", "other"]
        assert {len(p["data"]) for p in parts(peer)} <= set(range(1, SMALLEST + 1))
        peer.cut()
        peer.connect()
        assert peer.session.stride > SMALLEST


async def test_a_message_larger_than_the_client_takes_is_told_and_those_behind_it_go_on() -> None:
    app = make_app()

    @app.handler("give")
    def give() -> str:
        return text(100_000)

    async with app:
        peer = Peer(app).connect(parts=50_000)
        peer.read()
        peer.send("give", id="7")
        peer.session.send("news", text(90_000), room="r")
        peer.session.send("small")
        await turn()
        got = peer.read()
        assert [(m["type"], m.get("re")) for m in got if m["type"] != "gap"] == [
            ("error", "7"),
            ("small", None),
        ]
        assert got[0]["payload"]["code"] == "message_too_big"
        assert [m["payload"] for m in got if m["type"] == "gap"] == [
            {"reason": "message_too_big", "n": 1, "room": "r"}
        ]
        assert app.manager.get_metrics().drops["message_too_big"] == 2
        assert peer.line.received == peer.session.window.sent


async def test_a_place_that_cannot_be_begins_anew() -> None:
    async with make_app() as app:
        peer = Peer(app).connect(parts=MANY)
        peer.read()
        peer.session.send("large", "ä" * 20_000)
        await turn()
        of = json.loads(peer.link.written[-1].splitlines()[-1])[1]["of"]
        for at in (15, 16, 10**9):  # 15 or 16: within a character
            peer.cut()
            peer.connect(parts=MANY, part={"of": of, "at": at})
        peer.controls.clear()
        assert [m["payload"] for m in peer.read()] == ["ä" * 20_000]


async def test_a_session_that_ends_says_the_rest_of_what_it_began() -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        session = peer.session
        session.send("large", text(100_000))
        await turn()
        session.close()
        assert [m["type"] for m in peer.read()] == ["large"]
        assert peer.controls[-1][0] == "close"


async def test_what_is_half_out_or_half_here_is_weighed_while_its_session_is_away() -> None:
    async with make_app() as app:
        peer = Narrow(app).connect()
        peer.next()
        peer.session.send("large", text(100_000))
        item = Large(PlainJson().encode(Message("up", text(50_000))))
        peer.say("part", **cut(item, 0, PART, binary=False).fields(binary=False))
        await turn()
        peer.cut()
        assert app.manager._detached.size > 100_000 + PART
        peer.connect()
        assert app.manager._detached.size == 0
        peer.session.close()
        assert app.manager.get_metrics().drops["expired_session"] == 0


# -- upstream ----------------------------------------------------------------------------------------------------


def saying(app: App) -> list[Any]:
    said: list[Any] = []

    @app.handler("up")
    def up(session: Session, message: Message) -> None:
        said.append(message.payload)

    return said


def parts_of(size: int, kind: str = "up") -> list[dict[str, Any]]:
    item, at, made = Large(PlainJson().encode(Message(kind, text(size)))), 0, []
    while at < len(item):
        part = cut(item, at, PART, binary=False)
        at = part.end
        made.append(part.fields(binary=False))
    return made


async def test_parts_of_a_client_make_one_message_that_is_counted_with_the_last() -> None:
    app = make_app()
    said = saying(app)
    async with app:
        peer = Peer(app).connect()
        for part in parts_of(40_000):
            assert peer.session.received == 0
            peer.say("part", **part)
        assert (said, peer.session.received) == ([text(40_000)], 1)


async def test_a_welcome_says_what_is_held_and_the_client_goes_on_there() -> None:
    app = make_app()
    said = saying(app)
    async with app:
        peer = Peer(app).connect()
        peer.read()
        made = parts_of(40_000)
        peer.say("part", **made[0])
        peer.say("part", **made[1])
        peer.cut()
        peer.connect().read()
        assert peer.control("welcome")["part"] == {"of": made[0]["of"], "at": 2 * PART}
        peer.say("part", **made[2])
        assert said == [text(40_000)]


async def test_acks_tell_how_far_a_message_is_that_comes_in_parts() -> None:
    app = make_app({"max_message_size": 1 << 20})
    async with app:
        peer = Peer(app).connect()
        made = parts_of(300_000)
        for part in made[:5]:
            peer.say("part", **part)
        await turn()
        peer.read()
        acks = [fields for name, fields in peer.controls if name == "ack"]
        assert acks == [{"n": 0, "part": {"of": made[0]["of"], "at": 5 * PART}}]
        app.manager.heartbeat.tick(app.clock() + 10)
        assert len([1 for name, _ in peer.controls if name == "ack"]) == 1, "it knows"
        peer.say("part", **made[5])
        app.manager.heartbeat.tick(app.clock() + 20)
        peer.read()
        assert [fields for name, fields in peer.controls if name == "ack"][-1]["part"]["at"] == 6 * PART


async def test_a_part_that_does_not_continue_ends_the_connection_and_not_the_session() -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        made = parts_of(40_000)
        peer.say("part", **made[0])
        peer.say("part", **made[2])
        peer.read()
        close = peer.control("close")
        assert (close["code"], close["number"]) == ("bad_part", 4011)
        assert "16384 of" in close["reason"]
        assert len(app.manager.sessions) == 1
        peer.line.detach(peer.connection)
        peer.connect().read()
        assert peer.control("welcome")["resumed"]
        assert peer.control("welcome")["part"]["at"] == PART


async def test_what_is_too_large_in_parts_is_too_large() -> None:
    async with make_app({"max_message_size": 20_000}) as app:
        peer = Peer(app).connect()
        peer.say("part", **parts_of(40_000)[0])
        peer.read()
        assert peer.control("close")["code"] == "message_too_big"
        assert not app.manager.sessions


@pytest.mark.parametrize(
    "item", [b"nonsense", b'["bye",{}]', b'{"type":"up"}\n{"type":"up"}', b'{"a":1}', b"[1"]
)
async def test_parts_that_make_no_message_are_one_that_cannot_be_decoded(item: bytes) -> None:
    async with make_app() as app:
        peer = Peer(app).connect()
        peer.say("part", of="x", at=0, size=len(item), data=item.decode())
        await turn()
        [error] = peer.read()
        assert (error["payload"]["code"], error["payload"]["n"]) == ("undecodable", 1)
        assert peer.session.received == 1


async def test_a_post_with_parts_is_taken_once_however_often_it_comes() -> None:
    app = make_app({"max_message_size": 1 << 20})
    said = saying(app)
    async with app:
        peer = Peer(app).connect()
        connection = peer.connection
        made = [Control("part", fields) for fields in parts_of(40_000)]
        whole = [
            Message("up", "between"),
            made[0],
            made[1],
            Message("up", "urgent"),
            made[2],
            Message("up", "after"),
        ]
        assert connection.receive_from(0, whole[:3]) == {
            "n": 1,
            "part": {"of": made[0].fields["of"], "at": 2 * PART},
        }
        assert connection.receive_from(0, whole) == {"n": 4}
        wanted = ["between", "urgent", text(40_000), "after"]
        assert said == wanted
        for again in (whole, whole[:2], whole[:3], whole[:5]):
            assert connection.receive_from(0, again) == {"n": 4}
        assert connection.receive_from(2, whole[4:]) == {"n": 4}
        assert connection.receive_from(1, whole[1:4]) == {"n": 4}
        assert said == wanted


async def test_a_post_whose_part_does_not_continue_is_a_gap_and_nothing_of_it_is_taken() -> None:
    app = make_app()
    said = saying(app)
    async with app:
        peer = Peer(app).connect()
        made = [Control("part", fields) for fields in parts_of(40_000)]
        peer.connection.receive_from(0, [made[0]])
        with pytest.raises(Rejected) as refused:
            peer.connection.receive_from(0, [Message("up", "a"), made[2]])
        assert refused.value.code == "gap"
        assert refused.value.details == {"expected": 0, "part": {"of": made[0].fields["of"], "at": PART}}
        assert not said
        with pytest.raises(Rejected) as refused:
            peer.connection.receive_from(0, [Control("part", {"of": "x"})])
        assert refused.value.code == "bad_part"
        assert peer.connection.receive_from(0, [Message("up", "a"), made[1], made[2]]) == {"n": 2}
        assert said == ["a", text(40_000)]
