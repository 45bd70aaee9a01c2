from __future__ import annotations

import asyncio

import attrs
import pytest

from rtcore.errors import Rejected, SettingsError
from rtcore.hooks import hookimpl
from rtcore.spi.broker import Position
from rtcore.testing import PlainCodec
from rtcore.wire.message import Message


async def test_a_message_with_a_room_and_no_handler_is_a_publication_to_every_member(house):
    async with house() as h:
        alice, bob = await h.client("r"), await h.client("r")
        await alice.send("chat:message", {"text": "ü"}, room="r", priority="high", timestamp=5.5, version=2)
        for client in (alice, bob):
            got = await client.receive()
            assert (got.type, got.payload, got.room) == ("chat:message", {"text": "ü"}, "r")
            assert (got.priority, got.timestamp, got.version) == ("high", 5.5, 2)
            assert got.sender == alice.welcome.session
            assert (got.id, got.re) == (None, None)


async def test_a_payload_travels_from_member_to_member_as_bytes(house):
    class Watch:
        name = "watch"
        seen: Message

        @hookimpl
        def rtcore_interceptors(self):
            return [self]

        stage = 3

        def inbound(self, session, message):
            self.seen = message
            return message

    watch = Watch()
    async with house(plugins=[watch]) as h:
        alice = await h.client("r")
        await alice.send("chat", {"a": 1}, room="r")
        await alice.receive()
        assert watch.seen.raw is not None
        assert watch.seen._payload is None


async def test_a_publication_with_an_id_is_confirmed_to_its_sender_alone(house):
    async with house({"kept": {"history": 10}}) as h:
        alice, bob = await h.client("r", "kept"), await h.client("r")
        assert (await alice.request("chat", 1, room="r")).payload is None
        got = await bob.receive()
        assert (got.payload, got.id) == (1, None)
        confirmed = (await alice.request("chat", 2, room="kept")).payload
        assert confirmed["offset"] == 1
        assert confirmed["epoch"]


async def test_what_a_sender_claims_of_itself_is_the_servers_to_say(house):
    async with house() as h:
        alice, bob = await h.client("r"), await h.client("r")
        await alice.send(
            "chat", room="r", sender="the queen", offset=99, epoch="e", re="1", trace="00-1-2-01"
        )
        got = await bob.receive()
        assert got.sender == alice.welcome.session
        assert (got.offset, got.epoch, got.re, got.trace) == (None, None, None, None)


@pytest.mark.parametrize("type_", ["reply", "error", "room:joined"])
async def test_nobody_can_speak_in_the_servers_name(house, type_):
    async with house() as h:
        alice, bob = await h.client("r"), await h.client("r")
        assert (await alice.request(type_, 1, room="r")).payload["code"] == "forbidden"
        assert not bob._inbox


async def test_one_who_is_no_member_is_refused(house):
    async with house() as h:
        await h.client("r")
        stranger = await h.client("other")
        for room in ("r", "nowhere"):
            assert (await stranger.request("chat", room=room)).payload["code"] == "not_a_member"


async def test_a_room_may_be_the_servers_to_speak_in(house):
    async with house({"news:*": {"send": "server"}}) as h:
        alice = await h.client("news:1")
        assert (await alice.request("chat", room="news:1")).payload["code"] == "forbidden"
        h.app.manager.send_to_room("news:1", Message("headline"))
        got = await alice.receive()
        assert (got.type, got.sender) == ("headline", None)


async def test_a_room_may_leave_the_sender_out(house):
    async with house({"quiet": {"echo": False}}) as h:
        alice, bob = await h.client("quiet"), await h.client("quiet")
        await alice.request("chat", 1, room="quiet")
        assert (await bob.receive()).payload == 1
        await bob.request("chat", 2, room="quiet")
        assert (await alice.receive()).payload == 2


async def test_the_server_may_leave_one_out_and_its_own_message_stays_as_it_was(house):
    async with house({"*": {"history": 5}}) as h:
        alice, bob = await h.client("a", "b"), await h.client("a", "b")
        message = Message("news", {"n": 1})
        first = h.app.manager.send_to_room("a", message, exclude=alice.welcome.session)
        h.app.manager.send_to_room("b", message)
        assert isinstance(first, Position)
        assert (message.room, message.offset) == (None, None)
        skip = await alice.receive()
        assert (skip.type, skip.room, skip.offset, skip.epoch) == ("room:skip", "a", *attrs.astuple(first))
        assert (await alice.receive()).room == "b"
        assert [(await bob.receive()).room for _ in range(2)] == ["a", "b"]


async def test_rooms_work_without_a_broker(house):
    async with house(broker=False) as h:
        alice = await h.client("r")
        await alice.send("chat", 1, room="r")
        assert (await alice.receive()).payload == 1
        assert h.app.manager.send_to_room("r", Message("news")) is None


async def test_what_no_member_can_be_told_is_the_publishers_error(house):
    async with house() as h:
        alice = await h.client("r")
        with pytest.raises(TypeError):
            h.app.manager.send_to_room("r", Message("news", object()))
        h.app.manager.send_to_room("r", Message("news", 1))
        assert (await alice.receive()).payload == 1


async def test_what_the_members_codec_cannot_express_is_the_senders_to_mend(house):
    async with house() as h:
        alice = await h.client("r")
        with pytest.raises(Rejected, match="bad_payload"):
            h.rooms.publish_from(h.session(alice), Message("chat", "half an emoji \ud83d", room="r"))


def test_the_longest_pattern_wins(house):
    from rtcore_rooms.settings import Patterns, RoomOptions

    patterns = Patterns(
        {"*": RoomOptions(history=1), "a:*": RoomOptions(history=2), "a:b:*": RoomOptions(history=3)}
        | {"a:b:c": RoomOptions(history=4)}
    )
    wanted = {"x": 1, "a:": 2, "a:c": 2, "a:b:": 3, "a:b:c": 4, "a:b:cd": 3}
    assert {room: patterns.of(room).history for room in wanted} == wanted


async def test_a_pattern_that_cannot_match_is_a_settings_error(house):
    with pytest.raises(SettingsError, match="a\\*b"):
        async with house({"a*b": {}}):
            pass


# -- history ---------------------------------------------------------------------------------------------


async def test_a_late_joiner_gets_the_newest_it_asks_for_after_the_answer_and_before_what_is_live(house):
    async with house({"r": {"history": 5}}) as h:
        alice = await h.client("r")
        for n in range(1, 9):
            await alice.request("chat", n, room="r")
        bob = await h.client()
        answer = (await bob.request("room:join", {"room": "r", "history": 3})).payload
        assert (answer["since"], answer["offset"]) == (5, 8)
        assert "missed" not in answer
        await alice.request("chat", 9, room="r")
        got = [await bob.receive() for _ in range(4)]
        assert [(m.payload, m.offset) for m in got] == [(6, 6), (7, 7), (8, 8), (9, 9)]


async def test_one_who_comes_back_gets_what_was_published_since(house):
    async with house({"r": {"history": 5}}) as h:
        alice = await h.client("r")
        place = (await alice.request("chat", 1, room="r")).payload
        for n in (2, 3):
            await alice.request("chat", n, room="r")
        bob = await h.client()
        answer = (await bob.request("room:join", {"room": "r", "since": place})).payload
        assert (answer["since"], answer["offset"]) == (1, 3)
        assert [(await bob.receive()).payload for _ in range(2)] == [2, 3]


async def test_a_member_can_ask_again_for_what_it_was_told_that_it_missed(house):
    async with house({"r": {"history": 5}}) as h:
        alice = await h.client("r")
        place = (await alice.request("chat", 1, room="r")).payload
        await alice.request("chat", 2, room="r")
        alice._inbox.clear()
        answer = (await alice.request("room:join", {"room": "r", "since": place})).payload
        assert (answer["since"], answer["offset"], answer["members"]) == (1, 2, 1)
        again = await alice.receive()
        assert (again.payload, again.offset) == (2, 2)


@pytest.mark.parametrize("since", [{"offset": 1, "epoch": "another"}, {"offset": 99, "epoch": ""}])
async def test_one_who_was_away_for_too_long_is_told_that_it_missed_something(house, since):
    async with house({"r": {"history": 5}}) as h:
        alice = await h.client("r")
        await alice.request("chat", 1, room="r")
        bob = await h.client()
        answer = (await bob.request("room:join", {"room": "r", "since": since, "history": 5})).payload
        assert (answer["missed"], answer["since"]) == (True, 0)
        assert (await bob.receive()).payload == 1


async def test_a_room_without_history_says_that_something_may_be_missing(house):
    async with house() as h:
        bob = await h.client()
        wish = {"room": "r", "since": {"offset": 1, "epoch": "e"}}
        assert (await bob.request("room:join", wish)).payload == {"room": "r", "members": 1, "missed": True}


async def test_ones_own_messages_are_not_in_the_history_of_a_room_without_echo(house):
    async with house({"r": {"history": 5, "echo": False}}) as h:
        alice, bob = await h.client("r"), await h.client("r")
        await alice.request("chat", "alice's", room="r")
        await bob.request("chat", "bob's", room="r")
        await alice.request("room:leave", {"room": "r"})
        alice._inbox.clear()
        await alice.request("room:join", {"room": "r", "history": 5})
        got = [await alice.receive() for _ in range(2)]
        assert [(m.type, m.payload) for m in got] == [("room:skip", None), ("chat", "bob's")]


async def test_where_there_is_no_echo_a_sender_learns_the_places_of_its_own_messages(house):
    async with house({"r": {"history": 5, "echo": False}}) as h:
        alice, bob = await h.client("r"), await h.client("r")
        for payload, one in (("a", alice), ("b", bob), ("c", alice)):
            await one.send("chat", payload, room="r")
        got = [await alice.receive() for _ in range(3)]
        assert [(m.type, m.offset) for m in got] == [("room:skip", 1), ("chat", 2), ("room:skip", 3)]
        answer = (
            await alice.request("room:join", {"room": "r", "since": {"offset": 0, "epoch": got[0].epoch}})
        ).payload
        again = [await alice.receive() for _ in range(3)]
        assert [(m.type, m.offset) for m in again] == [("room:skip", 1), ("chat", 2), ("room:skip", 3)]
        assert answer["offset"] == 3


async def test_who_joins_learns_where_the_history_stands_though_it_asks_for_none_of_it(house):
    async with house({"r": {"history": 5}}) as h:
        alice, bob = await h.client(), await h.client()
        assert (await alice.request("room:join", {"room": "r"})).payload["offset"] == 0
        await alice.request("chat", 1, room="r")
        assert (await bob.request("room:join", {"room": "r"})).payload["offset"] == 1
        assert not bob._inbox


async def test_nobody_can_claim_offsets_for_its_own_message(house):
    async with house({"r": {"history": 5}}) as h:
        alice = await h.client("r")
        await alice.send("chat", 1, room="r", covers=((7, 9),), offset=7)
        got = await alice.receive()
        assert (got.offset, got.covers) == (1, None)


async def test_what_is_published_is_what_it_was_then_though_nobody_listened(house):
    async with house({"r": {"history": 5}}) as h:
        state = {"n": 0}
        for n in (1, 2):
            state["n"] = n
            h.app.manager.send_to_room("r", Message("score", state))
        state["n"] = 3
        alice = await h.client()
        await alice.request("room:join", {"room": "r", "history": 5})
        assert [(await alice.receive()).payload for _ in range(2)] == [{"n": 1}, {"n": 2}]


async def test_what_a_broker_sends_later_is_what_was_published(house):
    class Later:
        """Answers after a while, and delivers then."""

        name = "later"

        @hookimpl
        def rtcore_brokers(self):
            return [self]

        async def start(self, sink):
            self.sink = sink

        async def stop(self):
            pass

        def subscribe(self, room):
            return None

        def unsubscribe(self, room):
            pass

        def publish(self, publication):
            async def publish():
                await asyncio.sleep(0)
                self.sink(publication)

            return publish()

    async with house(broker=False, plugins=[Later()]) as h:
        alice = await h.client("r")
        state = {"n": 0}
        for n in (1, 2):
            state["n"] = n
            h.app.manager.send_to_room("r", Message("score", state))
        state["n"] = 3
        assert [(await alice.receive()).payload for _ in range(2)] == [{"n": 1}, {"n": 2}]


async def test_a_message_that_was_sent_before_may_be_published_too(house):
    async with house({"r": {"history": 5}}) as h:
        alice, bob = await h.client("r"), await h.client("r")
        message = Message("news", [1], room="r")
        h.session(bob).post(message)
        h.app.manager.send_to_room("r", message)
        assert (await alice.receive()).offset == 1
        assert [(await bob.receive()).offset for _ in range(2)] == [None, 1]


async def test_a_message_of_the_history_that_a_codec_cannot_express_is_a_gap_and_no_obstacle(house):
    async with house({"r": {"history": 5}}) as h:
        foreign = PlainCodec("foreign", binary=True)
        for raw in (foreign.encode_payload(1), b"no payload at all", foreign.encode_payload(3)):
            h.app.manager.send_to_room("r", Message("news", raw=raw, raw_codec=foreign))
        alice = await h.client()
        answer = await alice.request("room:join", {"room": "r", "history": 5})
        assert answer.payload["offset"] == 3
        got = {m.type: m for m in [await alice.receive() for _ in range(4)] if m.type != "news"}
        assert got["gap"].payload == {"reason": "unencodable", "n": 1, "room": "r"}
        assert got["room:skip"].offset == 2, "or a client would ask for it again"


# -- many ------------------------------------------------------------------------------------------------


async def test_ten_thousand_rooms_of_ten_members_each_are_cheap(house):
    async with house(rooms_per_session=1000) as h:
        sessions = [h.session(await h.client()) for _ in range(100)]
        for n in range(10_000):
            for k in range(10):
                await h.rooms.join(sessions[(n + k * 7) % 100], f"room:{n}")
        assert len(list(h.rooms.rooms())) == 10_000
        assert len(h.rooms.members("room:77")) == 10
        h.app.manager.send_to_room("room:77", Message("news"))
        for session in sessions:
            h.rooms.forget(session)
        assert not h.rooms._rooms
        assert not h.app.broker._subscribed


async def test_whoever_publishes_much_can_wait_for_those_who_are_there(house):
    async with house() as h:
        alice, bob = await h.client("r"), await h.client("r")
        for n in range(20):
            h.app.manager.send_to_room("r", Message("news", n))
        assert h.app.manager.backlog("r") >= 20
        waiting = asyncio.create_task(h.app.manager.drained("r", below=5))
        for client in (alice, bob):
            for _ in range(20):
                await client.receive()
            await client.say("ack", n=client.line.received)
        async with asyncio.timeout(10):
            await waiting
        assert h.app.manager.backlog("r") < 5
        assert h.app.manager.backlog("nowhere") == 0


class Forgetful:
    name = "forgetful"

    @hookimpl
    def rtcore_brokers(self):
        return [self]

    async def start(self, sink):
        """Nothing to do."""

    async def stop(self):
        """Nothing to do."""

    def subscribe(self, room):
        """Nothing to do."""

    def unsubscribe(self, room):
        """Nothing to do."""

    def publish(self, publication):
        """Nothing to do."""


class Off(Forgetful):
    remembers = False

    def history(self, room, *, since=None, limit=100):
        raise AssertionError("nobody should ask")


@pytest.mark.parametrize(
    ("plugins", "why"),
    [
        ((), "there is no broker"),
        ((Forgetful(),), "the broker 'forgetful' keeps none"),
        ((Off(),), "the broker 'forgetful' keeps none"),
    ],
)
async def test_a_history_that_no_broker_keeps_is_an_error_of_the_settings(house, plugins, why):
    with pytest.raises(SettingsError) as error:
        async with house({"chat:*": {"history": 5}, "plain": {}}, plugins=plugins, broker=False):
            pass
    [problem] = error.value.problems
    assert (problem.key, problem.given) == ('rooms.options."chat:*".history', "5")
    assert why in problem.expected
    assert "rtcore-memory" in problem.expected
    assert problem.source


async def test_memory_that_may_remember_nothing_is_such_a_broker(house):
    with pytest.raises(SettingsError, match="'memory' keeps none"):
        async with house({"*": {"history": 5}}, kernel={"memory": {"history_rooms": 0}}):
            pass
