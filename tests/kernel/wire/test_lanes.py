from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rtcore.wire import PRIORITIES, Lanes, Message
from rtcore.wire.lanes import WEIGHTS, Pool
from rtcore.wire.policy import Policy, concatenate
from rtcore.wire.ranges import RANGES_MAX, add, holds


def make(limit=1000, limit_bytes=2**53, **more):
    dropped = []
    return Lanes(limit, limit_bytes, dropped=lambda m, why: dropped.append((m.type, why)), **more), dropped


def put(lanes, *names, priority="normal", size=1):
    for name in names:
        lanes.append(Message(name, raw=b"x" * size, priority=priority))


def take(lanes):
    return [lanes.popleft().type for _ in range(len(lanes))]


def test_nothing_waits_in_new_lanes():
    lanes, _ = make()
    assert (len(lanes), list(lanes), lanes.size) == (0, [], 0)
    assert lanes, "they are true even when empty"
    with pytest.raises(IndexError):
        lanes.popleft()


def test_within_a_lane_the_order_stays():
    lanes, _ = make()
    put(lanes, *"abcdef")
    assert [m.type for m in lanes] == list("abcdef")
    assert take(lanes) == list("abcdef")


def test_critical_overtakes_everything():
    lanes, _ = make()
    put(lanes, "low", priority="low")
    put(lanes, "high", priority="high")
    put(lanes, "critical", priority="critical")
    assert lanes.popleft().type == "critical"
    put(lanes, "another", priority="critical")
    assert lanes.popleft().type == "another"


def test_the_others_share_by_weight():
    lanes, _ = make()
    for name in PRIORITIES[1:]:
        put(lanes, *[name] * 70, priority=name)
    first = Counter(lanes.popleft().type for _ in range(70))
    assert first == {"high": 40, "normal": 20, "low": 10}


def test_a_lane_that_is_empty_gives_its_turn_away():
    lanes, _ = make()
    put(lanes, *"abc", priority="low")
    assert take(lanes) == list("abc")


@given(st.lists(st.sampled_from(PRIORITIES[1:]), min_size=1, max_size=60))
def test_low_is_never_starved(stream):
    """While high and normal keep coming, low leaves once in each round."""
    lanes, _ = make()
    put(lanes, "waits", priority="low")
    for taken, priority in enumerate(stream * sum(WEIGHTS)):
        put(lanes, "other", priority=priority if priority != "low" else "high")
        if lanes.popleft().type == "waits":
            assert taken <= sum(WEIGHTS)
            return
    pytest.fail("it still waits")


@pytest.mark.parametrize("priority", PRIORITIES)
def test_a_full_queue_drops_the_oldest_of_the_least_urgent_lane(priority):
    lanes, dropped = make(3)
    put(lanes, "a", "b", priority="low")
    put(lanes, "c", priority="critical")
    put(lanes, "new", priority=priority)
    assert dropped == [("a", "buffer_full")]
    assert sorted(take(lanes)) == ["b", "c", "new"]


def test_what_is_less_urgent_than_all_that_waits_is_refused_itself():
    lanes, dropped = make(2)
    put(lanes, "a", "b", priority="high")
    put(lanes, "new")
    assert dropped == [("new", "buffer_full")]
    assert take(lanes) == ["a", "b"]


def test_bytes_are_bounded_too():
    lanes, dropped = make(limit_bytes=100)
    put(lanes, "a", "b", "c", size=30)
    put(lanes, "large", size=70)
    assert [name for name, _ in dropped] == ["a", "b"]
    assert lanes.size == 100


def test_a_message_larger_than_the_bound_is_taken_alone():
    lanes, dropped = make(limit_bytes=100)
    put(lanes, "a", size=30)
    put(lanes, "huge", size=1000)
    assert [name for name, _ in dropped] == ["a"]
    assert take(lanes) == ["huge"]


def test_to_clear_them_drops_all_and_says_how_many():
    lanes, dropped = make()
    put(lanes, *"abc", size=10)
    assert lanes.clear() == 3
    assert (len(lanes), lanes.size, dropped) == (0, 0, [])
    put(lanes, "d")
    assert take(lanes) == ["d"]


def test_a_pool_bounds_all_lanes_together():
    pool = Pool(100)
    one, dropped_by_one = make(pool=pool)
    other, dropped_by_other = make(pool=pool)
    put(one, *"abc", size=30)
    put(other, "x", size=30)
    assert (dropped_by_one, dropped_by_other) == ([], [("x", "buffer_full")]), "nobody pays for another"
    put(other, "y", size=10)
    assert pool.used == 100
    put(one, "d", size=20)
    assert dropped_by_one == [("a", "buffer_full")]
    one.clear()
    assert pool.used == other.size == 10
    take(other)
    assert pool.used == 0


@pytest.mark.parametrize(
    "policy",
    [
        Policy("conflate", key=lambda m: m.payload["id"]),
        Policy("merge", merge=lambda older, newer: older / 0),
    ],
)
def test_a_policy_that_fails_leaves_the_messages_beside_each_other(policy):
    lanes, dropped = make(policy=lambda m: policy)
    lanes.append(Message("a", 1))
    lanes.append(Message("a", 2))
    assert [m.payload for m in lanes] == [1, 2]
    assert dropped == []


def test_drop_new_refuses_the_newest():
    lanes, dropped = make(2, policy=lambda m: Policy("drop_new"))
    put(lanes, *"abc")
    assert dropped == [("c", "dropped_new")]
    assert take(lanes) == ["a", "b"]


def test_disconnect_says_so_and_keeps_the_newest():
    overruns = []
    lanes, dropped = make(2, policy=lambda m: Policy("disconnect"), overrun=lambda: overruns.append(1))
    put(lanes, *"abc")
    assert overruns == [1]
    assert dropped == [("a", "buffer_full")]


def test_conflate_replaces_what_waits_in_its_place():
    lanes, dropped = make(policy=lambda m: Policy("conflate" if m.type == "cursor" else "drop_oldest"))
    first, last = Message("cursor", 1), Message("cursor", 2)
    lanes.append(first)
    put(lanes, "a")
    lanes.append(last)
    assert dropped == [("cursor", "conflated")]
    assert lanes.popleft() is last
    assert lanes.popleft().type == "a"


def test_what_has_left_is_not_replaced():
    lanes, dropped = make(policy=lambda m: Policy("conflate"))
    put(lanes, "cursor")
    lanes.popleft()
    put(lanes, "cursor")
    assert dropped == []
    assert take(lanes) == ["cursor"]


def test_merge_joins_what_waits():
    policy = Policy("merge", merge=concatenate("text"), max_bytes=12)
    lanes, dropped = make(policy=lambda m: policy, weigh=lambda m: len(m.payload["text"]))
    for text in ("Hel", "lo", " you"):
        lanes.append(Message("token", {"text": text}))
    assert dropped == [("token", "merged")] * 2
    assert lanes.size == 9
    assert lanes.popleft().payload == {"text": "Hello you"}


def test_what_cannot_be_joined_waits_beside_the_other():
    policy = Policy("merge", merge=concatenate("text"))
    lanes, dropped = make(policy=lambda m: policy)
    lanes.append(Message("token", {"text": "a"}))
    lanes.append(Message("token", {"done": True}))
    lanes.append(Message("token", {"text": "b"}))
    assert dropped == []
    assert [m.payload for m in lanes] == [{"text": "a"}, {"done": True}, {"text": "b"}]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.none() | st.just("clear") | st.tuples(st.sampled_from(PRIORITIES), st.integers(0, 60)),
        ),
        max_size=120,
    ),
    st.integers(1, 12),
    st.integers(1, 200),
)
def test_a_pool_knows_what_all_its_lanes_hold_and_never_holds_more(steps, most, limit):
    """Whatever grows meanwhile: what replaces another one, or takes it in, may be larger."""
    pool = Pool(limit, most)
    policies = [
        Policy("conflate", key=lambda m: m.priority),
        Policy("merge", key=lambda m: m.priority, merge=lambda a, b: a + b),
        Policy(),
    ]
    all_ = [
        Lanes(8, 100, pool=pool, policy=lambda m, policy=policy: policy, weigh=lambda m: len(m.payload))
        for policy in policies
    ]
    for which, step in steps:
        lanes = all_[which]
        if step == "clear":
            lanes.clear()
        elif step is not None:
            lanes.append(Message("m", "x" * step[1], priority=step[0]))
        elif len(lanes):
            lanes.popleft()
        assert pool.count == sum(map(len, all_)) <= most
        assert pool.used == sum(lanes.size for lanes in all_) <= limit
        for one in all_:
            assert one.size == sum(len(message.payload) for message in one)
            assert one.size <= 100 or len(one) == 1


@settings(deadline=None)
@given(
    st.lists(st.none() | st.tuples(st.sampled_from(PRIORITIES), st.integers(0, 60)), max_size=120),
    st.integers(1, 12),
    st.integers(1, 200),
)
def test_they_stay_within_bounds_keep_each_lanes_order_and_report_each_drop_once(steps, limit, limit_bytes):
    lanes, dropped = make(limit, limit_bytes)
    came, went = [], []
    for number, step in enumerate(steps):
        if step is not None:
            came.append(str(number))
            put(lanes, str(number), priority=step[0], size=step[1])
        elif len(lanes):
            went.append(lanes.popleft())
        waiting = list(lanes)
        assert len(waiting) == len(lanes) <= limit
        assert lanes.size == sum(m.size for m in waiting)
        assert lanes.size <= limit_bytes or len(lanes) == 1
    went += [lanes.popleft() for _ in range(len(lanes))]
    assert sorted([m.type for m in went] + [name for name, _ in dropped], key=int) == came
    for priority in PRIORITIES:
        numbers = [int(m.type) for m in went if m.priority == priority]
        assert numbers == sorted(numbers)


def in_room(offset, *, type="cursor", epoch="e", room="r", **fields):
    return Message(type, offset, room=room, offset=offset, epoch=epoch, **fields)


def test_what_replaces_others_says_for_which_offsets_it_stands():
    lanes, _ = make(policy=lambda m: Policy("conflate", key=lambda m: m.sender))
    for offset, sender in [(3, "ann"), (4, "bob"), (5, "ann"), (6, "ann"), (7, "bob"), (9, "ann")]:
        lanes.append(in_room(offset, sender=sender, id="x"))
    ann, bob = (lanes.popleft() for _ in range(2))
    assert (ann.offset, ann.covers, ann.id, ann.payload) == (9, ((3, 3), (5, 6)), "x", 9)
    assert (bob.offset, bob.covers) == (7, ((4, 4),))


def test_what_replaces_nothing_stays_the_one_object_that_all_share():
    lanes, _ = make(policy=lambda m: Policy("conflate"))
    alone = in_room(3)
    lanes.append(alone)
    assert lanes.popleft() is alone
    assert alone.covers is None


def test_a_message_stands_for_none_of_another_room_or_another_life_of_the_history():
    lanes, _ = make(policy=lambda m: Policy("conflate", key=lambda m: None))
    for message in (in_room(3), in_room(4, epoch="f"), in_room(5, epoch="f"), in_room(6, room="s")):
        lanes.append(message)
    assert lanes.popleft().covers is None
    assert (lanes.popleft().covers, lanes.popleft().covers) == (((4, 4),), None), (
        "it waits beside the other room's"
    )
    lanes.append(in_room(7))
    lanes.append(Message("cursor"))
    assert [(m.offset, m.covers) for m in (lanes.popleft(), lanes.popleft())] == [(7, None), (None, None)]


def test_what_was_merged_with_others_stands_for_them():
    lanes, _ = make(policy=lambda m: Policy("merge", merge=lambda older, newer: [older, newer]))
    for offset in (3, 4, 5):
        lanes.append(in_room(offset))
    [merged] = [lanes.popleft()]
    assert (merged.payload, merged.offset, merged.covers) == ([[3, 4], 5], 5, ((3, 4),))


def test_what_cannot_be_told_in_so_many_ranges_waits_beside():
    lanes, dropped = make(policy=lambda m: Policy("conflate"))
    offsets = range(1, 2 * RANGES_MAX + 20, 2)
    for offset in offsets:
        lanes.append(in_room(offset))
    waiting = [lanes.popleft() for _ in range(len(lanes))]
    told = [
        n
        for message in waiting
        for first, _ in (*(message.covers or ()), (message.offset, 0))
        for n in [first]
    ]
    assert sorted(told) == list(offsets), "each is there, or is stood for"
    assert len(waiting) == 2
    assert len(dropped) == len(offsets) - 2


@given(
    st.lists(
        st.none()
        | st.tuples(
            st.sampled_from(PRIORITIES), st.sampled_from(["conflate", "merge", "drop_new"]), st.integers(0, 2)
        ),
        max_size=60,
    ),
    st.integers(1, 8),
)
def test_every_offset_arrives_or_is_stood_for_or_is_dropped_and_none_twice(steps, limit):
    gone = []
    lanes = Lanes(
        limit,
        dropped=lambda m, why: gone.append(m) if why not in {"conflated", "merged"} else None,
        policy=lambda m: Policy(m.type, key=lambda m: (m.type, m.sender), merge=lambda a, b: f"{a}{b}"),
    )
    came, offset = [], 0
    for step in steps:
        if step is None:
            came += [lanes.popleft()] if len(lanes) else []
        else:
            offset += 1
            lanes.append(in_room(offset, type=step[1], priority=step[0], sender=str(step[2])))
    came += [lanes.popleft() for _ in range(len(lanes))]
    ranges = [one for m in came for one in (*(m.covers or ()), (m.offset, m.offset))]
    told = Counter(n for first, last in ranges for n in range(first, last + 1))
    assert max(told.values(), default=1) == 1
    # Who is dropped had perhaps taken others' places: those are lost with it.
    missing = set(range(1, offset + 1)) - set(told)
    assert {m.offset for m in gone} <= missing
    assert bool(missing) == bool(gone)
    for message in came:
        assert all(last < message.offset for _, last in message.covers or ())


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 6)), max_size=40))
def test_ranges_hold_what_was_added_and_are_as_few_as_can_be(additions):
    ranges, model = (), set()
    for first, more in additions:
        ranges = add(ranges, first, first + more)
        model |= set(range(first, first + more + 1))
        assert {n for first, last in ranges for n in range(first, last + 1)} == model
        assert all(one[1] + 1 < other[0] for one, other in pairwise(ranges))
    assert all(holds(ranges, n) is (n in model) for n in range(70))
