"""What one session asks of one room happens in that order: interleavings of join, leave, publish and cut."""

from __future__ import annotations

import asyncio

import pytest
import rtcore_rooms
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_broker import SlowBroker

from rtcore.app import App
from rtcore.errors import Rejected
from rtcore.spi.rooms import Rooms
from rtcore.testing import InMemoryTransport, PlainCodec, WireClient
from rtcore.wire.message import Message

STEPS = st.lists(
    st.sampled_from(
        ["join", "history", "since", "leave", "say", "ask", "server", "step", "step", "turn", "cut"]
    ),
    max_size=40,
)


async def turns(count=30):
    for _ in range(count):
        await asyncio.sleep(0)


class Play:
    """One client, one room, and everything that the client has sent and got, in order."""

    def __init__(self, app, transport, broker):
        self.app, self.transport, self.broker = app, transport, broker
        self.client = WireClient()
        self.sent: list[tuple[str, str]] = []
        self.got: list[Message] = []
        self.published = 0
        self.plain: set[str] = set()

    async def connect(self, **fields):
        await self.client.attach(self.transport.connect(), covers=True, **fields)

    async def read(self):
        await turns()
        while self.client.duplex._frames:
            await self.client._step()
            await turns(3)
        while self.client._inbox:
            self.got.append(self.client._inbox.popleft())
        await self.client.say("ack", n=self.client.line.received)
        await turns()

    async def ask(self, what, payload):
        ref = f"{len(self.sent)}"
        self.sent.append((what, ref))
        await self.client.send(f"room:{what}", {"room": "r", **payload}, id=ref)

    async def do(self, step):
        if step == "join":
            self.plain.add(f"{len(self.sent)}")
            await self.ask("join", {})
        elif step == "history":
            await self.ask("join", {"history": 100})
        elif step == "since":
            top = self.broker.memory.history("r", limit=0)[1]
            await self.ask("join", {"since": {"offset": max(0, top.offset - 3), "epoch": top.epoch}})
        elif step == "leave":
            await self.ask("leave", {})
        elif step in {"say", "ask"}:
            ref = f"{len(self.sent)}" if step == "ask" else None
            self.sent.append(("say", f"{len(self.sent)}"))
            await self.client.send("m", f"own {len(self.sent) - 1}", room="r", id=ref)
        elif step == "server":
            self.published += 1
            self.app.manager.send_to_room("r", Message("m", f"server {self.published}"))
        elif step == "step":
            self.broker.step()
        elif step == "turn":
            await self.read()
        elif step == "cut":
            await self.read()
            await self.client.cut()
            await self.connect()


async def play(steps):
    transport, broker = InMemoryTransport(), SlowBroker()
    options = {"rooms": {"options": {"*": {"history": 1000}}}, "rate_limit_per_second": 0}
    app = App(options, plugins=[rtcore_rooms, PlainCodec(), transport, broker])
    async with app:
        one = Play(app, transport, broker)
        await one.connect()
        for step in steps:
            await one.do(step)
        broker.open()
        for _ in range(10):
            await one.read()
        check(one)


def check(one):
    answers = {m.re: m for m in one.got if m.re is not None}
    errors = {m.payload["n"]: m for m in one.got if m.type == "error" and m.re is None}
    is_member, accepted = False, []
    for n, (what, ref) in enumerate(one.sent):
        if what == "join":
            assert answers[ref].type == "reply", answers[ref].payload
            is_member = True
        elif what == "leave":
            assert answers[ref].payload == {"room": "r", "left": is_member}
            is_member = False
        elif is_member:
            accepted.append(f"own {n}")
            assert n + 1 not in errors
        else:
            refusal = answers.get(ref) or errors[n + 1]
            assert refusal.payload["code"] == "not_a_member"
    room = one.app.get(Rooms).members("r")
    assert len(room) == is_member, "the last word holds"
    history, top = one.broker.memory.history("r", limit=1000)
    said = [p.message.payload for p in history]
    assert [p for p in said if p.startswith("own")] == accepted, "in the order in which it was said"
    # Between the answer to a join and that to a leave: everything from one place on, in order; elsewhere nothing.
    kinds = {ref: what for what, ref in one.sent}
    place = None
    for message in one.got:
        if message.re is not None and kinds.get(message.re) == "leave":
            place = None
        elif message.re is not None and kinds.get(message.re) == "join":
            if place is None or message.re not in one.plain:  # else it stays where it is
                place = message.payload["since"]
        elif message.type == "m":
            assert place is not None, f"{message} came to one who is not in the room"
            assert message.offset == place + 1, f"{message} comes after {place}"
            place = message.offset
    if is_member:
        assert place == top.offset, "nothing is left behind"


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_the_operations_on_a_room_have_one_order(steps):
    asyncio.run(play(steps))


async def test_a_leave_that_comes_before_its_join_is_answered_ends_what_that_has_made(house):
    broker = SlowBroker()
    async with house({"r": {"history": 9}}, plugins=[broker], broker=False) as h:
        ann = await h.client()
        await ann.send_all(
            Message("room:join", {"room": "r"}, id="join"),
            Message("m", 1, room="r", id="said"),
            Message("room:leave", {"room": "r"}, id="leave"),
            Message("m", 2, room="r", id="late"),
        )
        await turns()
        broker.open()
        answers = {}
        while len(answers) < 4:
            message = await ann.receive()
            if message.re is not None:
                answers[message.re] = message.payload
        assert answers["leave"] == {"room": "r", "left": True}
        assert answers["said"]["offset"] == 1
        assert answers["late"]["code"] == "not_a_member"
        assert answers["join"]["members"] == 1
        assert len(h.rooms.members("r")) == 0
        h.app.manager.send_to_room("r", Message("m", 3))
        await turns()
        assert 3 not in [m.payload for m in ann._inbox]


async def test_the_program_ends_a_join_that_is_under_way(house):
    broker = SlowBroker()
    async with house({"r": {"history": 9}}, plugins=[broker], broker=False) as h:
        session = h.session(await h.client())
        joining = asyncio.ensure_future(h.app.manager.join_room(session, "r"))
        await turns()
        assert h.app.manager.leave_room(session, "r") is True
        broker.open()
        with pytest.raises(Rejected, match="cancelled"):
            await joining
        assert len(h.rooms.members("r")) == 0
        assert not h.rooms._entering
        assert not h.rooms._rooms


async def test_a_step_that_is_cancelled_in_the_middle_lets_the_others_go_on(house):
    broker = SlowBroker()
    async with house({"r": {"history": 9}}, plugins=[broker], broker=False) as h:
        ann = await h.client()
        await ann.send_all(
            Message("room:join", {"room": "r"}, id="1"),
            Message("m", 1, room="r", id="2"),
            Message("room:leave", {"room": "r"}, id="3"),
            Message("m", 2, room="r", id="4"),
        )
        await turns()
        await ann.say("cancel", id="3")
        broker.open()
        answers = {}
        while len(answers) < 4:
            message = await ann.receive()
            if message.re is not None:
                answers[message.re] = message.payload
        assert answers["3"]["code"] == "cancelled"
        assert [answers[ref]["offset"] for ref in "24"] == [1, 2], "it is still in the room"
        assert len(h.rooms.arrivals) == 0


async def test_what_waits_for_a_member_that_leaves_does_not_come_after_the_answer(house):
    async with house({"r": {"history": 9}}) as h:
        ann, bob = await h.client("r"), await h.client("r")
        session = h.session(ann)
        session.connection.pause()
        for n in range(5):
            h.app.manager.send_to_room("r", Message("m", n, priority="low"))
        await ann.send("room:leave", {"room": "r"}, id="leave")
        session.connection.resume()
        assert (await ann.receive()).re == "leave"
        with pytest.raises(TimeoutError):
            await ann.receive(within=0.05)
        assert session.drops == {"left": 5}
        assert [(await bob.receive()).payload for _ in range(5)] == list(range(5))
