"""Members that are behind: they read the history at their own pace, in order and once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import random

import pytest
from rtcore_memory.broker import MemoryBroker
from slow_broker import SlowBroker

from rtcore.spi.broker import Position, Publication
from rtcore.wire.message import Message


async def turns(count=30):
    for _ in range(count):
        await asyncio.sleep(0)


async def take(client, *, ack=True):
    """Everything that has come, and comes while it is read and confirmed."""
    got = []
    for _ in range(10_000):
        await turns(4)
        if not (client.duplex._frames or client._inbox):
            return got
        while client.duplex._frames:
            await client._step()
        got += client._inbox
        client._inbox.clear()
        if ack:
            await client.say("ack", n=client.line.received)
    raise AssertionError("there is no end to it")


def offsets(messages):
    return [m.offset for m in messages if m.offset is not None]


def publish(house, count, *, room="r", size=10, **fields):
    for _ in range(count):
        house.app.manager.send_to_room(room, Message("m", "x" * size, **fields))


# -- joining -----------------------------------------------------------------------------------------------


async def test_a_history_larger_than_every_buffer_comes_whole_after_the_answer_and_before_what_is_live(house):
    async with house({"r": {"history": 5000}}, kernel={"message_buffer_size": 20}) as h:
        publish(h, 3000)
        ann = await h.client()
        answer = (await ann.request("room:join", {"room": "r", "history": 5000})).payload
        assert (answer["since"], answer["offset"]) == (0, 3000)
        publish(h, 5)
        assert len(h.session(ann).outbox) < 10, "what is published meanwhile waits in the history"
        assert offsets(await take(ann)) == list(range(1, 3006))
        publish(h, 1)
        assert offsets(await take(ann)) == [3006]
        assert h.session(ann).drops == {}


async def test_a_member_that_reads_nothing_costs_no_more_than_one_that_reads(house):
    async with house({"r": {"history": 5000}}) as h:
        publish(h, 2000, size=1000)
        ann = await h.client()
        session = h.session(ann)
        session.connection.pause()
        await ann.send("room:join", {"room": "r", "history": 2000}, id="1")
        await turns()
        publish(h, 1000, size=1000)
        assert len(session.outbox) == 1, "the answer"
        assert session.backlog >= 3000, "whoever publishes can see it"
        session.connection.resume()
        assert offsets(await take(ann)) == list(range(1, 3001))


@pytest.mark.parametrize(
    "asked", [{"history": 3}, {"since": 7}, {"history": 100}, {"since": 0, "history": 4}]
)
async def test_who_joins_begins_where_it_has_asked_to(house, asked):
    async with house({"r": {"history": 50}}) as h:
        publish(h, 10)
        epoch = h.app.broker.epoch
        wish = {**asked, "since": {"offset": asked["since"], "epoch": epoch}} if "since" in asked else asked
        ann = await h.client()
        answer = (await ann.request("room:join", {"room": "r", **wish})).payload
        first = asked.get("since", max(0, 10 - asked.get("history", 0)))
        assert answer == {"room": "r", "members": 1, "offset": 10, "epoch": epoch, "since": first}
        assert offsets(await take(ann)) == list(range(first + 1, 11))


async def test_what_is_no_longer_there_is_said_in_the_answer(house):
    async with house({"r": {"history": 100}}) as h:
        publish(h, 300)
        epoch = h.app.broker.epoch
        ann = await h.client()
        wish = {"room": "r", "since": {"offset": 5, "epoch": epoch}, "history": 1_000_000}
        answer = (await ann.request("room:join", wish)).payload
        assert (answer["missed"], answer["since"], answer["offset"]) == (True, 200, 300)
        assert offsets(await take(ann)) == list(range(201, 301))


def around_the_gap(got):
    """What came before the one gap, its payload, and what came after it."""
    [place] = [n for n, m in enumerate(got) if m.type == "gap"]
    return offsets(got[:place]), got[place].payload, got[place + 1 :]


async def test_a_history_that_runs_away_from_a_slow_member_is_a_gap_that_says_how_much_and_up_to_where(house):
    async with house({"r": {"history": 100}}) as h:
        publish(h, 100, size=2000)
        ann = await h.client()
        await ann.request("room:join", {"room": "r", "history": 100})
        await turns()  # its connection is full
        publish(h, 500, size=2000)
        before, gap, after = around_the_gap(await take(ann))
        assert before == list(range(1, before[-1] + 1))
        lost = 500 - before[-1]
        assert lost > 400
        place = {"offset": 500, "epoch": h.app.broker.epoch}
        assert gap == {"reason": "history", "n": lost, "room": "r", **place}
        assert offsets(after) == list(range(501, 601))
        assert h.session(ann).drops == {"history": lost}


async def test_a_history_that_was_forgotten_begins_again_and_nobody_knows_how_much_is_missing(house):
    memory = {"history_rooms": 1}
    async with house({"*": {"history": 100}}, kernel={"memory": memory}) as h:
        publish(h, 100, size=2000)
        ann = await h.client()
        await ann.request("room:join", {"room": "r", "history": 100})
        await turns()
        publish(h, 1, room="other")
        publish(h, 3)
        before, gap, after = around_the_gap(await take(ann))
        assert before == list(range(1, before[-1] + 1))
        assert before[-1] < 100
        epoch = h.app.broker.history("r", limit=0)[1].epoch
        assert (gap["n"], gap["offset"], gap["epoch"]) == (0, 0, epoch)
        assert [(m.offset, m.epoch) for m in after] == [(n, epoch) for n in (1, 2, 3)]


async def test_cuts_in_the_middle_lose_nothing_and_repeat_nothing(house):
    randomly = random.Random(7)
    async with house({"r": {"history": 5000}}, kernel={"message_buffer_size": 40}) as h:
        publish(h, 800)
        ann = await h.client()
        await ann.request("room:join", {"room": "r", "history": 800})
        got = []
        for _ in range(60):
            await turns(randomly.randrange(8))
            for _ in range(randomly.randrange(20)):
                if ann.duplex._frames:
                    await ann._step()
            if randomly.random() < 0.5:
                await ann.say("ack", n=ann.line.received)
            await turns(randomly.randrange(8))
            await ann.cut()
            publish(h, randomly.randrange(5))
            resumed = await ann.attach(h._transport.connect(), covers=True)
            assert resumed.missed == 0
        got += await take(ann)
        assert offsets(got) == list(range(1, h.app.broker.history("r")[1].offset + 1))


async def test_who_leaves_in_the_middle_gets_no_more(house):
    async with house({"r": {"history": 5000}}) as h:
        publish(h, 1000, size=1000)
        ann = await h.client()
        session = h.session(ann)
        await ann.request("room:join", {"room": "r", "history": 1000})
        answer = await ann.request("room:leave", {"room": "r"})
        assert answer.payload["left"]
        await take(ann)
        assert not h.rooms._rooms
        assert session._pull is None
        publish(h, 1)
        assert await take(ann) == []


async def test_several_rooms_are_caught_up_with_side_by_side(house):
    async with house({"*": {"history": 1000}}) as h:
        for room in "abc":
            publish(h, 200, room=room, size=500)
        ann = await h.client()
        for room in "abc":
            await ann.send("room:join", {"room": room, "history": 1000}, id=room)
        got = [m for m in await take(ann) if m.offset is not None]
        for room in "abc":
            assert [m.offset for m in got if m.room == room] == list(range(1, 201))
        ends = [max(n for n, m in enumerate(got) if m.room == room) for room in "abc"]
        assert min(ends) > 400, "none of them waited for the others"


async def test_members_that_are_behind_are_members_in_every_other_way(house):
    async with house({"r": {"history": 1000, "members_limit": 2, "presence": 5}}) as h:
        publish(h, 500, size=1000)
        ann, bob, cid = await h.client(), await h.client("r"), await h.client()
        session = h.session(ann)
        session.connection.pause()
        await ann.send("room:join", {"room": "r", "history": 500, "name": "Ann"}, id="1")
        await turns()
        assert session in h.rooms.members("r")
        assert len(list(h.rooms.members("r"))) == 2
        who = (await bob.request("room:members", {"room": "r"})).payload
        assert (who["members"], [one["name"] for one in who["who"]]) == (2, ["Ann"])
        assert (await cid.request("room:join", {"room": "r"})).payload["code"] == "room_full"
        await ann.send("m", "from behind", room="r")
        await turns()
        assert (await bob.receive()).payload == "from behind"
        waiting = asyncio.ensure_future(h.app.manager.drained("r", below=50))
        await turns()
        assert not waiting.done()
        session.connection.resume()
        await take(ann)
        await take(bob)
        async with asyncio.timeout(10):
            await waiting
        session.close()
        await turns()
        assert session not in h.rooms.members("r")


# -- holes -------------------------------------------------------------------------------------------------


async def test_what_finds_no_room_while_a_member_is_away_comes_when_it_is_back(house):
    async with house({"r": {"history": 1000}, "plain": {}}, kernel={"message_buffer_size": 20}) as h:
        ann = await h.client("r", "plain")
        session = h.session(ann)
        publish(h, 5)
        await take(ann)
        await ann.cut()
        for _ in range(200):
            publish(h, 1)
            publish(h, 1, room="plain")
        assert len(session.outbox) <= 20
        assert session.drops == {"buffer_full": 200 - 20}
        await ann.attach(h._transport.connect(), covers=True)
        got = await take(ann)
        assert [m.offset for m in got if m.room == "r"] == list(range(6, 206))
        [gap] = [m.payload for m in got if m.type == "gap"]
        assert gap == {"reason": "buffer_full", "n": 180, "room": "plain"}
        publish(h, 1)
        assert offsets(await take(ann)) == [206]
        assert session in h.rooms.members("r").audience


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_new", "disconnect"])
async def test_whatever_the_policy_nothing_of_a_history_is_lost_and_nobody_is_cut_off_for_it(house, policy):
    options = {"history": 1000, "policy": policy}
    async with house({"r": options}, kernel={"message_buffer_size": 10}) as h:
        ann = await h.client("r")
        session = h.session(ann)
        for _ in range(3):
            session.connection.pause()
            publish(h, 100)
            session.connection.resume()
            got = await take(ann)
            assert all(m.type == "m" for m in got)
        assert session.connection is not None
        assert session.drops == {}
        await ann.request("room:join", {"room": "r", "since": {"offset": 0, "epoch": h.app.broker.epoch}})
        assert offsets(await take(ann)) == list(range(1, 301))


async def test_one_that_is_protected_and_waits_is_not_dropped_for_another_without_a_word(house):
    settings = {"message_buffer_size": 10, "policies": {"order": {"policy": "disconnect"}}}
    async with house(kernel=settings) as h:
        ann = await h.client()
        session = h.session(ann)
        session.connection.pause()
        for n in range(10):
            session.send("order", n)
        session.send("news", 1)
        await turns()
        assert ann.duplex.closed == (4002, "slow_consumer")


async def test_what_was_urgent_and_has_overtaken_does_not_come_again(house):
    async with house({"r": {"history": 1000}}, kernel={"message_buffer_size": 20}) as h:
        ann = await h.client("r")
        session = h.session(ann)
        session.connection.pause()
        urgent = []
        for n in range(1, 15):
            publish(h, 1, priority="critical" if n % 3 == 0 else "normal")
            urgent += [n] if n % 3 == 0 else []
        # Those that are urgent leave; then it is full again, and overflows.
        session.put(
            taken := [session.outbox.popleft() for _ in urgent],
            session.form.finish([m.form(session.form) for m in taken]),
        )
        publish(h, 50)
        session.connection.resume()
        got = offsets(await take(ann))
        assert got[: len(urgent)] == urgent
        assert sorted(got) == list(range(1, 65)), "each once"


async def test_what_a_burst_brings_beyond_the_lanes_is_healed_too(house):
    """The connection is full in the middle of a flush: what was pending goes into lanes that are too small for it."""
    async with house({"r": {"history": 5000}}, kernel={"message_buffer_size": 50}) as h:
        ann = await h.client("r")
        publish(h, 2000, size=200)
        got = await take(ann)
        assert offsets(got) == list(range(1, 2001))
        assert not [m for m in got if m.type == "gap"]


async def test_a_conflated_room_says_what_stands_for_what_and_no_gap(house):
    async with house({"r": {"history": 100, "policy": "conflate"}}) as h:
        ann = await h.client("r")
        session = h.session(ann)
        session.connection.pause()
        publish(h, 40)
        session.connection.resume()
        [message] = await take(ann)
        assert (message.offset, message.covers) == (40, ((1, 39),))
        assert session.drops == {"conflated": 39}


async def test_a_client_that_keeps_no_cursor_is_told_what_was_conflated(house):
    async with house({"r": {"history": 100, "policy": "conflate"}}) as h:
        ann = await h.client("r")
        session = h.session(ann)
        session.covers = False
        session.connection.pause()
        publish(h, 40)
        session.connection.resume()
        got = await take(ann)
        assert [m.payload for m in got if m.type == "gap"] == [{"reason": "conflated", "n": 39, "room": "r"}]
        assert [m.covers for m in got if m.type == "m"] == [None]


async def test_a_member_may_ask_for_what_it_lacks_and_learns_what_had_only_waited(house):
    async with house({"r": {"history": 100}}) as h:
        ann = await h.client("r")
        session = h.session(ann)
        publish(h, 10)
        assert offsets(await take(ann)) == list(range(1, 11))
        session.connection.pause()
        publish(h, 4)
        epoch = h.app.broker.epoch
        await ann.send("room:join", {"room": "r", "since": {"offset": 7, "epoch": epoch}}, id="1")
        await turns()
        session.connection.resume()
        answer, *rest = await take(ann)
        assert answer.payload["waiting"] == 4
        assert offsets(rest) == list(range(8, 15))


# -- a page that is loaded again ---------------------------------------------------------------------------


async def reload(house, client):
    await client.cut()
    return await client.attach(house._transport.connect(), covers=True, forget=True)


async def test_after_a_reload_nothing_of_a_history_comes_before_the_page_has_joined(house):
    async with house({"r": {"history": 100}, "plain": {}}) as h:
        ann = await h.client("r", "plain")
        publish(h, 10)
        assert offsets(await take(ann)) == list(range(1, 11))
        await ann.cut()
        publish(h, 5)
        publish(h, 1, room="plain")
        await ann.attach(h._transport.connect(), covers=True, forget=True)
        publish(h, 5)
        [message] = await take(ann)
        assert message.room == "plain", "where there is no history nothing else could bring it"
        answer = (await ann.request("room:join", {"room": "r", "history": 100})).payload
        assert (answer["since"], answer["members"]) == (0, 1)
        publish(h, 5)
        assert offsets(await take(ann)) == list(range(1, 26))


async def test_a_page_that_joins_without_more_ado_goes_on_where_the_one_before_had_confirmed(house):
    async with house({"r": {"history": 100}}) as h:
        ann = await h.client("r")
        publish(h, 10)
        assert offsets(await take(ann)) == list(range(1, 11))
        publish(h, 3)
        await turns()  # on their way, and nobody has confirmed them
        await ann.cut()
        publish(h, 4)
        await ann.attach(h._transport.connect(), covers=True, forget=True)
        assert await take(ann) == []
        answer = (await ann.request("room:join", {"room": "r"})).payload
        assert answer["since"] == 10
        assert offsets(await take(ann)) == list(range(11, 18))


async def test_a_page_that_is_loaded_again_and_again_gets_each_message_once(house):
    async with house({"r": {"history": 1000}}) as h:
        ann = await h.client("r")
        publish(h, 300, size=500)
        for count in (0, 3, 0, 40):
            await reload(h, ann)
            await reload(h, ann)
            await turns()
            publish(h, count)
            await ann.request("room:join", {"room": "r", "history": 1000})
            top = h.app.broker.history("r", limit=0)[1].offset
            for _ in range(3):
                if ann.duplex._frames:
                    await ann._step()
            ann._inbox.clear()
        await reload(h, ann)
        await ann.request("room:join", {"room": "r", "history": 1000})
        assert offsets(await take(ann)) == list(range(1, top + 1))


async def test_a_member_that_is_loaded_again_may_leave_publish_and_is_counted(house):
    async with house({"r": {"history": 100}}) as h:
        ann, bob = await h.client("r"), await h.client("r")
        await reload(h, ann)
        assert len(h.rooms.members("r")) == 2
        await ann.request("m", "I am here", room="r")
        assert [m.payload for m in await take(bob)] == ["I am here"]
        assert await take(ann) == []
        assert (await ann.request("room:leave", {"room": "r"})).payload["left"]
        assert len(h.rooms.members("r")) == 1
        assert (await ann.request("room:join", {"room": "r"})).payload["since"] == 1


# -- brokers that answer later -------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True])
async def test_a_broker_that_answers_later_makes_neither_a_hole_nor_a_copy(house, late):
    for seed in range(25):
        randomly = random.Random(seed)
        broker = SlowBroker(late=late)
        async with house({"r": {"history": 1000}}, plugins=[broker], broker=False) as h:
            publish(h, randomly.randrange(80))
            ann = await h.client()
            wish = {"room": "r", "history": randomly.choice([0, 5, 1000])}
            await ann.send("room:join", wish, id="1")
            for _ in range(80):
                what = randomly.randrange(4)
                if what == 0:
                    broker.step()
                elif what == 1:
                    publish(h, randomly.randrange(4))
                elif what == 2:
                    broker.deliver(randomly.randrange(4))
                await turns(3)
            broker.open()
            broker.deliver()
            got = await take(ann)
            publish(h, 3)
            broker.deliver()
            got += await take(ann)
            [answer] = [m.payload for m in got if m.re == "1"]
            top = broker.memory.history("r", limit=0)[1].offset
            assert offsets(got) == list(range(answer["since"] + 1, top + 1)), f"seed {seed}"


async def test_a_node_that_was_deaf_for_a_while_fills_the_hole_for_all_its_members(house):
    broker = SlowBroker(late=True)
    broker.open()
    async with house({"r": {"history": 1000}}, plugins=[broker], broker=False) as h:
        ann, bob = await h.client("r"), await h.client("r")
        publish(h, 5)
        broker.deliver()
        publish(h, 7)
        broker.undelivered.clear()  # the connection to the broker was gone
        publish(h, 2)
        broker.deliver()
        for one in (ann, bob):
            assert offsets(await take(one)) == list(range(1, 15))
        publish(h, 1)
        broker.deliver()
        for one in (ann, bob):
            assert offsets(await take(one)) == [15]


async def test_what_a_broker_brings_twice_is_delivered_once(house):
    broker = SlowBroker(late=True)
    broker.open()
    async with house({"r": {"history": 1000}}, plugins=[broker], broker=False) as h:
        ann = await h.client("r")
        publish(h, 3)
        broker.undelivered.extend(list(broker.undelivered))
        broker.deliver()
        assert offsets(await take(ann)) == [1, 2, 3]
        assert h.app.manager.get_metrics().drops["duplicate"] == 3


async def test_a_broker_that_fails_is_asked_again(house, monkeypatch, caplog):
    monkeypatch.setattr("rtcore_rooms.catchup.PAUSE", 0.001)
    broker = SlowBroker()
    broker.open()
    async with house({"r": {"history": 1000}}, plugins=[broker], broker=False) as h:
        publish(h, 100)
        ann = await h.client()
        await ann.request("room:join", {"room": "r", "history": 1000})
        broker.fails = 3
        got = []
        async with asyncio.timeout(10):
            while len(offsets(got)) < 100:
                got += await take(ann)
                await asyncio.sleep(0.001)
        assert offsets(got) == list(range(1, 101))
        assert caplog.text.count("the broker is not there") >= 3


class Terse(MemoryBroker):
    """It says no more than that something is no longer there."""

    def history(self, room, *, since=None, limit=100):
        try:
            return super().history(room, since=since, limit=limit)
        except LookupError as error:
            raise LookupError(str(error)) from None


async def test_a_broker_that_does_not_say_where_its_history_begins_is_asked_for_all_of_it(house, monkeypatch):
    monkeypatch.setattr("rtcore_memory.MemoryBroker", Terse)
    async with house({"r": {"history": 50}}) as h:
        publish(h, 50, size=2000)
        ann = await h.client()
        answer = (await ann.request("room:join", {"room": "r", "history": 45})).payload
        assert answer["since"] == 5
        await turns()
        publish(h, 200, size=2000)
        before, gap, after = around_the_gap(await take(ann))
        assert (gap["n"], gap["offset"]) == (200 - before[-1], 200)
        assert offsets(after) == list(range(201, 251))


async def test_a_publication_that_nobody_can_be_told_of_leaves_no_trace(house):
    async with house({"r": {"history": 50}}) as h:
        ann = await h.client("r")
        for payload in (1, object(), 2):
            try:
                h.app.manager.send_to_room("r", Message("m", payload))
            except TypeError:
                assert not isinstance(payload, int)
        assert [(m.payload, m.offset) for m in await take(ann)] == [(1, 1), (2, 2)]
        assert h.app.broker.history("r")[1] == Position(2, h.app.broker.epoch)


async def test_what_is_kept_nowhere_reaches_members_that_are_behind_at_once(house):
    broker = SlowBroker()
    broker.open()
    async with house({"r": {"history": 1000}}, plugins=[broker], broker=False) as h:
        publish(h, 300, size=1000)
        ann = await h.client()
        await ann.request("room:join", {"room": "r", "history": 1000})
        broker._sink(Publication("r", Message("passing", room="r")))
        got = await take(ann)
        assert [m.type for m in got].index("passing") < 200
        assert offsets(got) == list(range(1, 301))


# -- a session that has lost something -------------------------------------------------------------------------


async def overflow(house, client, count, **fields):
    """So much is written to a connection that carries nothing; then the client is back."""
    client.duplex.freeze()
    for _ in range(count):
        publish(house, 1, **fields)
        await turns(3)
    await client.cut()


async def test_after_an_overflow_a_client_with_cursors_is_sent_nothing_newer_before_it_has_asked(house):
    async with house({"r": {"history": 1000}, "plain": {}}, kernel={"message_buffer_size": 20}) as h:
        ann = await h.client("r", "plain")
        publish(h, 10)
        assert offsets(await take(ann)) == list(range(1, 11))
        await overflow(h, ann, 100)
        publish(h, 5)
        publish(h, 1, room="plain")
        resumed = await ann.attach(h._transport.connect(), covers=True)
        assert (ann.welcome.reason, resumed.missed) == ("overflow", 100)
        assert [m.room for m in await take(ann)] == ["plain"]
        epoch = h.app.broker.epoch
        answer = await ann.request("room:join", {"room": "r", "since": {"offset": 10, "epoch": epoch}})
        assert answer.payload["waiting"] == 5, "which were never on their way, and not lost"
        assert offsets(await take(ann)) == list(range(11, 116))


async def test_after_an_overflow_a_client_without_cursors_goes_on_with_what_there_is(house):
    async with house({"r": {"history": 1000}}, kernel={"message_buffer_size": 20}) as h:
        ann = await h.client()
        await reconnect(h, ann, covers=False)
        await ann.request("room:join", {"room": "r"})
        await overflow(h, ann, 100)
        resumed = await ann.attach(h._transport.connect())
        publish(h, 5)
        got = offsets(await take(ann))
        assert got == list(range(106 - len(got), 106))
        assert resumed.missed == 105 - len(got)


async def reconnect(house, client, **fields):
    await client.cut()
    return await client.attach(house._transport.connect(), **fields)


async def test_counts_that_begin_again_are_no_reason_to_lose_what_a_history_has(house):
    async with house({"r": {"history": 1000}}) as h:
        ann = await h.client("r")
        publish(h, 10)
        await take(ann)
        await ann.cut()
        publish(h, 3)
        ann.line.received += 1000  # it believes to have more than was ever sent
        await ann.attach(h._transport.connect(), covers=True)
        assert ann.welcome.reason == "unknown"
        assert await take(ann) == []
        await ann.request("room:join", {"room": "r"})
        assert offsets(await take(ann))[-3:] == [11, 12, 13]


@pytest.mark.parametrize("again", ["reset", "overflow"])
async def test_who_was_put_into_a_room_by_the_program_need_not_ask(house, again):
    async with house({"r": {"history": 1000}}, kernel={"message_buffer_size": 20}) as h:
        ann = await h.client()
        session = h.session(ann)
        await h.app.manager.join_room(session, "r")
        publish(h, 10)
        assert offsets(await take(ann)) == list(range(1, 11))
        if again == "reset":
            await ann.cut()
            publish(h, 90)
            await ann.attach(h._transport.connect(), covers=True, forget=True)
            assert offsets(await take(ann)) == list(range(11, 101))
        else:
            await overflow(h, ann, 90)
            resumed = await ann.attach(h._transport.connect(), covers=True)
            got = offsets(await take(ann))
            assert got == list(range(101 - len(got), 101))
            assert resumed.missed == 90 - len(got)
        publish(h, 1)
        assert offsets(await take(ann)) == [101]
