"""Who takes no messages is given room, then told of, then drops by its own policy; nothing is lost uncounted."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtcore_client import Message, Stalled
from rtcore_client.buffer import Buffer, Ended
from rtcore_client.events import Events
from rtcore_client.inbox import Inbox
from rtcore_client.stalls import Stalls
from rtcore_client.tasks import Tasks

POLICIES = ("drop_oldest", "drop_new", "end", "wait")


class Watched:
    """A buffer with all that watches over it."""

    def __init__(self, *, maxsize=2, inbox=6, policy="drop_oldest", patience=0.0):
        self.inbox = Inbox(inbox, 1000)
        self.events = Events(Tasks())
        self.stalls = Stalls(self.events)
        self.stalls.begin(self.inbox)
        self.buffer = Buffer("mine", maxsize, self.stalls, policy=policy, patience=patience)
        self.errors, self.gaps = [], []
        self.events.on("error", self.errors.append)
        self.events.on("gap", self.gaps.append)

    def put(self, *names):
        for name in names:
            self.buffer.put(message(name))

    async def take_all(self):
        return [(await self.buffer.get()).type for _ in range(len(self.buffer))]


def message(name):
    return Message(str(name), raw=b"12345")


async def test_what_is_too_much_takes_of_the_inboxs_room():
    watched = Watched()
    watched.put(*range(7))
    assert watched.buffer.over == 5
    assert not watched.inbox.full
    watched.put(7)
    assert watched.inbox.full
    assert await watched.take_all() == [str(n) for n in range(8)]
    assert not watched.inbox.full
    assert (watched.inbox._count, watched.inbox._bytes) == (0, 0)


async def test_cancelling_a_reader_loses_nothing():
    watched = Watched()
    getting = asyncio.ensure_future(watched.buffer.get())
    await asyncio.sleep(0)
    watched.put("kept")
    getting.cancel()
    await asyncio.wait((getting,))
    assert getting.cancelled()
    assert (await watched.buffer.get()).type == "kept"
    watched.buffer.end()
    with pytest.raises(Ended):
        await watched.buffer.get()


@pytest.mark.parametrize(
    ("policy", "kept"), [("drop_oldest", ["7", "8"]), ("drop_new", ["0", "1"]), ("end", ["0", "1"])]
)
async def test_a_stalled_consumer_is_named_and_drops_by_its_policy(policy, kept, until):
    watched = Watched(policy=policy)
    watched.put(*range(8))
    await until(lambda: watched.errors)
    (error,) = watched.errors
    assert isinstance(error, Stalled)
    assert error.consumer == "mine"
    assert not watched.inbox.full, "nobody waits for it any more"
    watched.put(8)
    assert await watched.take_all() == kept
    await until(lambda: sum(gap.n for gap in watched.gaps) == watched.buffer.dropped)
    assert watched.buffer.dropped == watched.stalls.unread == (6 if policy == "end" else 7)
    assert {(gap.reason, gap.consumer) for gap in watched.gaps} == {("stalled", "mine")}


async def test_who_wants_everybody_to_wait_is_told_of_and_loses_nothing(until):
    watched = Watched(policy="wait")
    watched.put(*range(8))
    await until(lambda: watched.errors)
    assert watched.inbox.full
    watched.put(8)
    assert await watched.take_all() == [str(n) for n in range(9)]
    assert not watched.inbox.full
    assert not watched.gaps
    assert len(watched.errors) == 1


async def test_a_consumer_that_takes_again_is_waited_for_again(until):
    watched = Watched()
    watched.put(*range(8))
    await until(lambda: watched.errors)
    await watched.take_all()
    assert not watched.buffer.stalled
    watched.put(*range(8))
    assert watched.buffer.over == 6, "it has the inbox's room again"
    assert watched.buffer.dropped == 6


async def test_a_consumer_is_given_as_long_as_it_has_shown_to_need():
    watched = Watched(maxsize=1, patience=0.001)
    watched.put(*range(4))
    await watched.buffer.get()
    await asyncio.sleep(0.2)  # it works on a message
    await watched.buffer.get()
    now = asyncio.get_running_loop().time()
    assert not watched.buffer.is_late(now + 0.5)
    assert watched.buffer.is_late(now + 61.0)


async def test_an_end_gives_back_the_room():
    watched = Watched()
    watched.put(*range(8))
    watched.buffer.end()
    assert not watched.inbox.full
    assert (watched.inbox._count, watched.inbox._bytes) == (0, 0)
    assert len(await watched.take_all()) == 8, "what waits can still be read"


@settings(deadline=None, max_examples=200)
@given(
    policy=st.sampled_from(POLICIES),
    maxsize=st.integers(1, 4),
    steps=st.lists(st.sampled_from(["put", "put", "put", "take", "stall", "end"]), max_size=60),
)
def test_every_message_is_taken_held_or_counted(policy, maxsize, steps):
    async def run():
        watched, n, taken = Watched(maxsize=maxsize, policy=policy, patience=1000), 0, []
        buffer = watched.buffer
        for step in steps:
            if step == "put" and not buffer.ended:
                watched.put(n)
                n += 1
            elif step == "take" and len(buffer):
                taken.append((await buffer.get()).type)
            elif step == "stall" and not buffer.ended:
                buffer.stall()
            elif step == "end":
                buffer.end()
        held = len(buffer)
        over = 0 if buffer.ended else max(0, held - maxsize)
        assert watched.inbox._count == over
        assert watched.inbox._bytes == 5 * over
        taken += await watched.take_all()
        assert len(taken) + buffer.dropped == n
        assert taken == sorted(taken, key=int), "in order"
        assert watched.inbox._count == watched.inbox._bytes == 0
        watched.stalls.end()

    asyncio.run(run())
