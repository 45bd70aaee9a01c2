from __future__ import annotations

import asyncio

import pytest

from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.spi.broker import Broker
from rtcore.wire.message import Message


async def ask(client, type_, **payload):
    answer = await client.request(type_, payload)
    return answer.payload


async def test_a_member_gets_what_is_published_and_one_who_left_does_not(house):
    async with house() as h:
        alice, bob = await h.client("r"), await h.client("r")
        h.app.manager.send_to_room("r", Message("news", 1))
        assert (await alice.receive()).payload == (await bob.receive()).payload == 1
        assert await ask(bob, "room:leave", room="r") == {"room": "r", "left": True}
        h.app.manager.send_to_room("r", Message("news", 2))
        assert (await alice.receive()).payload == 2
        assert await ask(bob, "room:leave", room="r") == {"room": "r", "left": False}
        assert not bob._inbox


async def test_join_answers_with_the_room_and_its_members_and_again_is_harmless(house):
    async with house() as h:
        await h.client("r")
        bob = await h.client()
        assert await ask(bob, "room:join", room="r") == {"room": "r", "members": 2}
        assert await ask(bob, "room:join", room="r") == {"room": "r", "members": 2}
        h.app.manager.send_to_room("r", Message("news"))
        await bob.receive()
        with pytest.raises(TimeoutError):
            await bob.receive(within=0.05)


async def test_the_server_joins_and_leaves_on_a_sessions_behalf(house):
    async with house() as h:
        alice = await h.client()
        await h.app.manager.join_room(alice.welcome.session, "r")
        assert list(h.app.manager.rooms) == ["r"]
        assert list(h.rooms.members("r")) == [h.session(alice)]
        assert h.rooms.of(h.session(alice)) == ("r",)
        assert h.app.manager.leave_room(alice.welcome.session, "r")
        assert not h.app.manager.leave_room(alice.welcome.session, "r")
        assert list(h.app.manager.rooms) == []


async def test_whoever_is_taken_out_of_a_room_is_told_and_nobody_else(house):
    async with house() as h:
        alice, bob = await h.client("r", "other"), await h.client("r")
        assert h.app.manager.leave_room(h.session(alice), "r", reason="off topic")
        told = await alice.receive()
        assert (told.type, told.room, told.sender, told.re) == ("room:left", "r", None, None)
        assert told.payload == {"room": "r", "you": True, "reason": "off topic"}
        assert h.app.manager.leave_room(h.session(alice), "other")
        assert (await alice.receive()).payload == {"room": "other", "you": True}
        h.app.manager.send_to_room("r", Message("news"))
        assert (await bob.receive()).type == "news", "the others watch, if they want to know"
        assert await ask(alice, "room:leave", room="r") == {"room": "r", "left": False}


async def test_whoever_is_away_is_told_when_it_is_back(house):
    async with house() as h:
        alice = await h.client("r")
        session = h.session(alice)
        await alice.cut()
        assert h.app.manager.leave_room(session, "r")
        await alice.attach(h._transport.connect())
        assert (await alice.receive()).payload == {"room": "r", "you": True}


async def test_memberships_survive_a_cut_and_end_with_the_session(house):
    async with house() as h:
        alice = await h.client("a", "b")
        session = h.session(alice)
        await alice.cut()
        h.app.manager.send_to_room("a", Message("meanwhile"))
        await alice.attach(h._transport.connect())
        assert alice.welcome.resumed
        assert alice.welcome.rooms
        assert (await alice.receive()).type == "meanwhile"
        h.app.manager.disconnect(session.id)
        assert h.rooms.of(session) == ()
        assert list(h.rooms.rooms()) == []
        assert not h.rooms._rooms
        assert not h.rooms._of


@pytest.mark.parametrize("name", ["", " r", "r\n", "x" * 129, "a\x00b", "a\u2028b"])
async def test_a_name_that_no_room_has_is_refused(house, name):
    async with house() as h:
        alice = await h.client()
        assert (await ask(alice, "room:join", room=name))["code"] == "bad_room"
        with pytest.raises(Rejected, match="bad_room"):
            h.app.manager.send_to_room(name, Message("news"))


async def test_names_may_be_in_any_language(house):
    async with house() as h:
        assert await ask(await h.client(), "room:join", room="ünï 房间 🎉") == {
            "room": "ünï 房间 🎉",
            "members": 1,
        }


async def test_a_payload_without_a_room_names_the_field(house):
    async with house() as h:
        error = await ask(await h.client(), "room:join", zimmer="r")
        assert error["code"] == "bad_payload"


async def test_a_room_has_as_many_members_as_its_options_say(house):
    async with house({"duo:*": {"members_limit": 2}}) as h:
        alice, _, carol = await h.client("duo:1"), await h.client("duo:1"), await h.client("solo")
        error = await ask(carol, "room:join", room="duo:1")
        assert error["code"] == "room_full"
        assert error["retry"]
        await ask(alice, "room:leave", room="duo:1")
        assert (await ask(carol, "room:join", room="duo:1"))["members"] == 2


async def test_a_session_is_in_as_many_rooms_as_it_may_be(house):
    async with house(rooms_per_session=2) as h:
        alice = await h.client("a", "b")
        assert (await ask(alice, "room:join", room="c"))["code"] == "too_many_rooms"
        assert (await ask(alice, "room:join", room="b"))["room"] == "b"
        assert "c" not in h.rooms._rooms


async def test_a_node_has_as_many_rooms_as_it_may_have(house):
    async with house(max_rooms=1) as h:
        alice = await h.client("a")
        assert (await ask(alice, "room:join", room="b"))["code"] == "room_full"


async def test_list_shows_ones_own_rooms_and_those_that_are_listed(house):
    async with house({"public:*": {"listed": True}}) as h:
        alice = await h.client("public:1", "dm:1")
        await h.client("public:1", "dm:2", "public:2")
        answer = await ask(alice, "room:list")
        assert answer == {
            "rooms": [
                {"room": "dm:1", "members": 1, "joined": True},
                {"room": "public:1", "members": 2, "joined": True},
                {"room": "public:2", "members": 1, "joined": False},
            ],
            "total": 3,
        }
        answer = await ask(alice, "room:list", prefix="public:", limit=1)
        assert ([room["room"] for room in answer["rooms"]], answer["total"]) == (["public:1"], 2)
        assert (await alice.request("room:list")).payload["total"] == 3


async def test_without_listed_rooms_a_list_shows_ones_own(house):
    async with house() as h:
        alice = await h.client("a")
        await h.client("b")
        assert [room["room"] for room in (await ask(alice, "room:list"))["rooms"]] == ["a"]


class Doorman:
    """Refuses what it is told to refuse, and remembers what it was asked."""

    name = "doorman"

    def __init__(self, *refused):
        self.refused = refused
        self.asked = []

    @hookimpl
    def rtcore_authorizers(self):
        return [self]

    async def authorize(self, session, action, resource):
        self.asked.append((action, resource))
        await asyncio.sleep(0)
        if action in self.refused:
            raise Rejected("forbidden", f"no {action} for you")


async def test_an_authorizer_may_refuse_a_join_and_nothing_is_left_of_it(house):
    async with house(plugins=[Doorman("room:join")]) as h:
        error = await ask(await h.client(), "room:join", room="r")
        assert (error["code"], error["reason"]) == ("forbidden", "no room:join for you")
        assert not h.rooms._rooms


async def test_the_right_to_send_is_asked_for_once_per_membership(house):
    doorman = Doorman()
    async with house(plugins=[doorman]) as h:
        alice = await h.client("r")
        for _ in range(5):
            await alice.send("chat", room="r")
            await alice.receive()
        assert doorman.asked == [("room:join", "r"), ("room:send", "r")]


async def test_one_without_the_right_to_send_may_listen(house):
    async with house(plugins=[Doorman("room:send")]) as h:
        alice = await h.client("r")
        error = await alice.request("chat", 1, room="r")
        assert error.payload["code"] == "forbidden"
        h.app.manager.send_to_room("r", Message("news"))
        assert (await alice.receive()).type == "news"


async def test_an_authorizer_may_refuse_a_list(house):
    async with house(plugins=[Doorman("room:list")]) as h:
        assert (await ask(await h.client(), "room:list", prefix="x"))["code"] == "forbidden"


class SlowBroker:
    """Subscribes when it is told to, or fails."""

    name = "slow"

    def __init__(self):
        self.asked, self.gate = asyncio.Event(), asyncio.Event()
        self.fail = False
        self.subscriptions = []
        self.sink = None

    @hookimpl
    def rtcore_brokers(self):
        return [self]

    async def start(self, sink):
        self.sink = sink

    async def stop(self):
        self.sink = None

    async def subscribe(self, room):
        self.subscriptions.append(room)
        self.asked.set()
        await self.gate.wait()
        if self.fail:
            raise OSError("the broker is gone")

    def unsubscribe(self, room):
        self.subscriptions.remove(room)

    async def publish(self, publication):
        await self.gate.wait()
        self.sink(publication)


async def test_a_join_is_confirmed_once_the_broker_has_subscribed(house):
    broker = SlowBroker()
    assert isinstance(broker, Broker)
    async with house(plugins=[broker], broker=False) as h:
        alice, bob = await h.client(), await h.client()
        joins = [asyncio.create_task(ask(client, "room:join", room="r")) for client in (alice, bob)]
        await broker.asked.wait()
        assert list(h.rooms.rooms()) == []
        assert not any(join.done() for join in joins)
        broker.gate.set()
        assert [answer["room"] for answer in await asyncio.gather(*joins)] == ["r", "r"]
        assert broker.subscriptions == ["r"]
        answer = await alice.request("chat", 1, room="r")
        assert answer.type == "reply"
        assert [(await client.receive()).payload for client in (alice, bob)] == [1, 1]
        for client in (alice, bob):
            await ask(client, "room:leave", room="r")
        assert broker.subscriptions == []


async def test_a_broker_that_fails_to_subscribe_costs_the_join_and_can_be_asked_again(house, caplog):
    broker = SlowBroker()
    broker.gate.set()
    broker.fail = True
    async with house(plugins=[broker], broker=False) as h:
        alice = await h.client()
        assert (await ask(alice, "room:join", room="r"))["code"] == "handler_failed"
        assert "the broker is gone" in caplog.text
        broker.fail = False
        assert (await ask(alice, "room:join", room="r"))["members"] == 1


async def test_a_session_that_ends_while_it_joins_leaves_nothing_behind(house):
    broker = SlowBroker()
    async with house(plugins=[broker], broker=False) as h:
        alice = await h.client()
        join = asyncio.create_task(h.rooms.join(h.session(alice), "r"))
        await broker.asked.wait()
        h.app.manager.disconnect(alice.welcome.session)
        broker.gate.set()
        with pytest.raises(Rejected, match="session_closed"):
            await join
        assert not h.rooms._rooms
        assert not h.rooms._of
