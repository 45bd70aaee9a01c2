"""What waits is bounded, ordered by priority, and never dropped in silence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rtcore_client import Message, PriorityMessageQueue, QueueFull

from rtcore.wire.message import PRIORITIES

priorities = st.sampled_from(PRIORITIES)


def message(priority, name="m"):
    return Message(name, priority=priority)


def test_critical_overtakes_everything():
    queue = PriorityMessageQueue()
    for priority in ("low", "normal", "high", "critical"):
        queue.enqueue(message(priority))
    assert queue.dequeue().priority == "critical"


def test_low_is_slow_and_not_starved():
    queue = PriorityMessageQueue()
    for _ in range(70):
        queue.enqueue(message("high"))
    queue.enqueue(message("low"))
    assert "low" in [queue.dequeue().priority for _ in range(10)]


def test_what_is_peeked_at_is_next_unless_something_critical_comes():
    queue = PriorityMessageQueue()
    queue.enqueue(message("low", "first"))
    assert queue.peek().type == queue.peek().type == "first"
    queue.enqueue(message("high", "second"))
    assert queue.peek().type == "first"
    queue.enqueue(message("critical", "alarm"))
    assert queue.peek().type == "alarm"
    assert [queue.dequeue().type for _ in range(3)] == ["alarm", "first", "second"]


def test_an_empty_queue_says_so():
    queue = PriorityMessageQueue()
    assert not queue
    for look in (queue.peek, queue.dequeue):
        with pytest.raises(IndexError):
            look()


def test_a_full_queue_refuses_what_is_not_more_urgent():
    queue = PriorityMessageQueue(2)
    queue.enqueue(message("normal"))
    queue.enqueue(message("normal"))
    assert queue.full
    with pytest.raises(QueueFull):
        queue.enqueue(message("normal"))
    with pytest.raises(QueueFull):
        queue.enqueue(message("low"))


def test_the_oldest_of_the_least_urgent_gives_its_place_and_is_told_of():
    gone = []
    queue = PriorityMessageQueue(3, dropped=gone.append)
    queue.enqueue(message("low", "old"))
    queue.enqueue(message("low", "young"))
    queue.enqueue(message("normal", "n"))
    queue.enqueue(message("high", "h"))
    assert [one.type for one in gone] == ["old"]
    assert sorted(one.type for one in queue) == ["h", "n", "young"]


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(priorities, max_size=60), st.integers(1, 20), st.data())
def test_every_message_is_taken_refused_or_given_up_once_and_order_is_kept_within_a_priority(
    wanted, size, data
):
    gone: list[Message] = []
    refused: list[Message] = []
    taken: list[Message] = []
    queue = PriorityMessageQueue(size, dropped=gone.append)
    sent = [message(priority, str(n)) for n, priority in enumerate(wanted)]
    for one in sent:
        try:
            queue.enqueue(one)
        except QueueFull:
            refused.append(one)
        step = data.draw(st.sampled_from(["none", "peek", "dequeue"]))
        if step == "peek" and queue:
            queue.peek()
        elif step == "dequeue" and queue:
            expected = queue.peek()
            taken.append(queue.dequeue())
            assert taken[-1] is expected
        assert len(queue) <= size + 1
    while queue:
        taken.append(queue.dequeue())
    assert sorted(map(id, [*taken, *refused, *gone])) == sorted(map(id, sent))
    for priority in PRIORITIES:
        order = [int(one.type) for one in taken if one.priority == priority]
        assert order == sorted(order)
