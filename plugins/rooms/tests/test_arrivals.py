"""To join and to publish in one breath: what is sent to a room on the way into it waits for that."""

from __future__ import annotations

import asyncio

from rtcore_rooms.arrivals import PAUSE

from rtcore.errors import Rejected
from rtcore.hooks import hookimpl
from rtcore.wire.message import Message


class Porter:
    """Lets people in when it is told to, or not at all."""

    name = "porter"

    def __init__(self):
        self.gates = {}
        self.refuses = set()

    @hookimpl
    def rtcore_authorizers(self):
        return [self]

    async def authorize(self, session, action, resource):
        if action == "room:join":
            await self.gates.setdefault(resource, asyncio.Event()).wait()
            if resource in self.refuses:
                raise Rejected("forbidden", "not you")

    def open(self, room):
        self.gates.setdefault(room, asyncio.Event()).set()


def wish(room, id="join"):
    return Message("room:join", {"room": room}, id=id)


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - both ends are in memory; nobody sets an event for them
            await asyncio.sleep(0)


async def test_what_is_sent_with_the_join_is_published_in_its_order_when_it_is_in(house):
    porter = Porter()
    porter.open("r")
    async with house({"r": {"history": 9}}, plugins=[porter]) as h:
        bob, ann = await h.client("r"), await h.client()
        says = [Message("say", n, room="r", id=str(n) if n % 2 else None) for n in range(5)]
        await ann.send_all(wish("r"), *says)
        assert [(await bob.receive()).payload for _ in range(5)] == list(range(5))
        answers = [await ann.receive() for _ in range(8)]
        assert [m.payload["offset"] for m in answers if m.re in {"1", "3"}] == [2, 4]
        assert [m.payload for m in answers if m.type == "say"] == list(range(5))
        assert len(h.rooms.arrivals) == 0


async def test_other_rooms_do_not_wait(house):
    porter = Porter()
    porter.open("open")
    async with house(plugins=[porter]) as h:
        ann = await h.client("open")
        await ann.send_all(wish("closed"), Message("say", 1, room="closed"), Message("say", 2, room="open"))
        assert (await ann.receive()).payload == 2
        porter.open("closed")
        assert {
            (m.type, m.payload) for m in [await ann.receive(), await ann.receive()] if m.type == "say"
        } == {("say", 1)}


async def test_what_was_sent_to_a_room_that_refuses_is_refused(house):
    porter = Porter()
    porter.refuses.add("r")
    async with house(plugins=[porter]) as h:
        ann = await h.client()
        await ann.send_all(wish("r"), Message("say", 1, room="r", id="1"), Message("say", 2, room="r"))
        porter.open("r")
        errors = [await ann.receive() for _ in range(3)]
        assert [m.payload["code"] for m in errors if m.re == "join"] == ["forbidden"]
        assert [m.payload["code"] for m in errors if m.re == "1"] == ["not_a_member"]
        assert [(m.payload["code"], m.payload["n"]) for m in errors if m.re is None] == [("not_a_member", 3)]


async def test_a_join_that_is_given_up_takes_what_waits_with_it(house):
    porter = Porter()
    async with house(plugins=[porter]) as h:
        ann = await h.client()
        await ann.send_all(wish("r", "a"), wish("r", "b"), Message("say", 1, room="r"))
        await until(lambda: "r" in porter.gates)
        for request in ("b", "a"):  # the one that waits for its turn, then the one that has begun
            assert len(h.rooms.arrivals) == 1
            await ann.say("cancel", id=request)
        errors = [await ann.receive() for _ in range(3)]
        assert sorted(m.payload["code"] for m in errors) == ["cancelled", "cancelled", "not_a_member"]
        assert len(h.rooms.arrivals) == 0


async def test_a_join_that_is_forgotten_before_it_begins_holds_nothing_up(house):
    async with house() as h:
        ann = await h.client()
        session = h.session(ann)

        async def join():
            raise AssertionError("nobody asked for this")

        async def wrapped(arrival):
            return await arrival

        wrapping = wrapped(h.rooms.arrivals.begin(session, "r", join()))
        assert h.rooms.arrivals.holds(session, "r")
        wrapping.close()
        del wrapping
        assert not h.rooms.arrivals.holds(session, "r")


async def test_who_sends_much_on_its_way_is_held_and_what_it_sent_ends_with_its_session(house):
    porter, many = Porter(), 1100
    async with house(plugins=[porter]) as h:
        ann = await h.client()
        session = h.session(ann)
        await ann.send_all(wish("r"), *[Message("say", n, room="r") for n in range(many)])
        await until(lambda: session.unread)
        session.close()
        await until(lambda: not len(h.rooms.arrivals))
        assert h.app.manager.get_metrics().drops["expired_session"] == many


async def test_what_it_sent_beyond_is_published_in_its_order_and_none_is_refused(house):
    porter, many = Porter(), 1100
    async with house(plugins=[porter]) as h:
        ann = await h.client()
        await ann.send_all(wish("r", "1"), *[Message("say", n, room="r") for n in range(many)])
        await until(lambda: h.session(ann).unread)
        porter.open("r")
        said = [await ann.receive() for _ in range(many + 1)]
        assert [m.payload for m in said if m.type == "say"] == list(range(many))


async def test_it_is_read_again_when_it_is_in(house):
    porter = Porter()
    async with house(plugins=[porter]) as h:
        ann = await h.client()
        session = h.session(ann)
        await ann.send_all(wish("r", "1"), wish("s", "2"))
        await ann.send_all(*[Message("say", n, room=room) for n in range(PAUSE) for room in "rs"])
        await until(lambda: session.unread)
        porter.open("r")
        said = [await ann.receive() for _ in range(PAUSE + 1)]
        assert [m.payload for m in said if m.type == "say"] == list(range(PAUSE))
        assert session.unread
        porter.open("s")
        await until(lambda: not session.unread)
