"""What waits to be posted: cut as small as a link needs it, and here until the server has it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rtcore_client.reach import GOAL, POST_MAX, Reach
from rtcore_client.transports.load import Load, is_counted, size_of

from rtcore.wire.hello import Place
from rtcore.wire.parts import SMALLEST, Assembly, Large, Part, cut


def parts_of(item, size):
    large, at, made = Large(item), 0, []
    while at < len(large):
        made.append(cut(large, at, size, binary=True))
        at = made[-1].end
    return made


class Server:
    """Counts and puts together, as `ServerLine` does with POSTs."""

    def __init__(self):
        self.received = []
        self.assembly = Assembly()

    def take(self, first, pieces):
        known = len(self.received) - first
        assert known >= 0, "a hole"
        for piece in pieces:
            if known:
                known -= is_counted(piece)
            elif isinstance(piece, Part):
                item = self.assembly.take(piece, limit=1 << 20)
                if item is not None:
                    self.received.append(item)
            else:
                self.received.append(piece)
        return len(self.received), self.assembly.place


MESSAGES = st.lists(st.one_of(st.integers(1, 200), st.integers(1_000, 40_000)), min_size=1, max_size=12)


@given(MESSAGES, st.lists(st.tuples(st.sampled_from(["arrives", "is lost", "is not answered"]), st.integers(1, 70_000),
                                    st.integers(1, 5)), max_size=40))  # fmt: skip
def test_whatever_is_lost_and_however_it_is_cut_the_server_gets_each_message_once_and_in_order(sizes, posts):
    messages = [bytes([n]) * size for n, size in enumerate(sizes)]
    load, server = Load(0, binary=True, most=16_384), Server()
    for place, message in enumerate(messages):
        load.add(parts_of(message, 16_384) if len(message) > 16_384 else (message,), place)
    assert load.size == sum(sizes)
    for fate, size, count in [*posts, *[("arrives", 16_384, 10)] * 100]:
        if not load:
            break
        pieces = load.take(size, count)
        assert 0 < len(pieces) <= count
        assert len(pieces) == 1 or sum(map(size_of, pieces)) <= size
        assert all(size_of(piece) <= max(size, SMALLEST) for piece in pieces)
        if fate != "is lost":
            answer = server.take(load.first, pieces)
            if fate == "arrives":
                load.drop(*answer)
                assert load.fits(answer[1])
    assert server.received == messages
    assert (load.size, load.first) == (0, len(messages))


def test_a_server_that_takes_no_parts_gets_whole_messages():
    load = Load(0, binary=True, most=0)
    load.add([b"x" * 5_000, b"y"], 0)
    assert load.take(1_024, 10) == [b"x" * 5_000]


def test_what_the_server_holds_of_another_message_is_no_ground_to_go_on():
    load = Load(0, binary=True, most=16_384)
    first, second = parts_of(b"x" * 20_000, 16_384)
    load.add([first, second], 0)
    load.drop(0, Place(first.of, first.end))
    assert load.fits(Place(first.of, first.end))
    assert not load.fits(Place("another", 0))
    assert not load.fits(None)


def test_a_part_that_is_given_up_takes_its_message_along_and_no_other():
    load = Load(5, binary=True, most=16_384)
    first, second, _ = parts_of(b"x" * 40_000, 16_384)
    load.add([first, b"urgent", second], 5)
    assert load.give_up(b"nothing") is None, "it is not counted yet"
    load.add([b"next"], 6)
    assert load.take(1 << 20, 10) == [b"urgent", b"next"]
    assert load.first == 5
    assert load.give_up(b"nothing") == 5
    assert (load.first, load.size) == (6, 4)


def test_what_is_counted_leaves_its_place_to_something_else():
    load = Load(5, binary=True, most=16_384)
    first, second, third = parts_of(b"x" * 40_000, 16_384)
    load.add([first, b"urgent", second, third, b"next"], 5)
    assert load.give_up(b"nothing") == 6
    assert load.take(1 << 20, 10) == [b"urgent", b"nothing", b"next"]
    assert load.first == 5


def test_a_post_is_halved_with_each_failure_and_grows_again():
    reach = Reach()
    sizes = []
    while reach.post > SMALLEST:
        sizes.append(reach.post)
        reach.failed(reach.post)
    assert sizes[:3] == [POST_MAX, POST_MAX // 2, POST_MAX // 4]
    assert len(sizes) < 8
    for _ in range(40):
        reach.carried(reach.post, 0.01)
    assert reach.post == POST_MAX


def test_what_was_too_large_for_somebody_on_the_way_is_not_tried_again():
    reach = Reach()
    reach.refused(50_000)
    for _ in range(40):
        reach.carried(reach.post, 0.01)
    assert reach.post == 25_000


def test_a_slow_link_gets_posts_of_about_a_second():
    reach, rate = Reach(), 20_000
    reach.carried(100, 0.1)
    for _ in range(20):
        reach.carried(reach.post, 0.1 + reach.post / rate)
    assert rate * GOAL / 2 < reach.post < rate * GOAL * 2


def test_a_long_way_is_not_taken_for_a_slow_one():
    reach = Reach()
    reach.carried(100, 0.05)
    for _ in range(60):  # it has become longer
        reach.carried(reach.post, 3.0)
    assert reach.post == POST_MAX


def test_parts_are_smaller_once_a_link_carried_none_and_larger_once_one_did():
    reach = Reach()
    reach.attached((0, None), lacking=False)
    for _ in range(3):
        reach.attached((0, None), lacking=True)
    assert reach.part == 2_048
    reach.attached((0, None), lacking=False)
    assert reach.part == 2_048, "nothing was to be brought"
    reach.progressed((0, Place("x", 2_048)))
    assert reach.part == 4_096
