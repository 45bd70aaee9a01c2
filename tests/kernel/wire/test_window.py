from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rtcore.wire import Message, Rest, Window


def message(size=1):
    return Message("a", raw=b"x" * size)


def filled(n, *, limit=10):
    window = Window(limit, 2**53)
    messages = [message() for _ in range(n)]
    window.push(messages, n)
    return window, messages


def test_a_new_window_holds_nothing():
    window = Window(3, 100)
    assert (window.sent, window.confirmed, window.acked, list(window.held)) == (0, 0, 0, [])
    assert window.rest(0) == Rest(0, [])


def test_what_is_confirmed_leaves():
    window, messages = filled(4)
    assert window.confirm(3)
    assert list(window.held) == messages[3:]
    assert (window.sent, window.confirmed, window.acked) == (4, 3, 3)


def test_confirming_less_than_before_changes_nothing():
    window, messages = filled(4)
    window.confirm(3)
    assert window.confirm(1)
    assert (list(window.held), window.acked) == (messages[3:], 3)


def test_nobody_can_confirm_what_was_never_sent():
    window, messages = filled(2)
    assert not window.confirm(3)
    assert (list(window.held), window.acked) == (messages, 0)


def test_the_rest_begins_behind_what_the_peer_has():
    window, messages = filled(4)
    assert window.rest(1) == Rest(0, messages[1:])
    assert window.rest(4) == Rest(0, [])


def test_the_oldest_leaves_a_full_window_and_is_missed_only_by_those_who_need_it():
    window, messages = filled(5, limit=3)
    assert window.overflowed
    assert window.rest(0) == Rest(2, messages[2:])
    assert window.rest(2) == Rest(0, messages[2:])
    assert window.confirm(2)
    assert not window.overflowed


def test_more_messages_at_once_than_it_holds():
    window, messages = filled(50, limit=3)
    assert (window.sent, window.confirmed, list(window.held)) == (50, 47, messages[47:])


def test_a_reset_begins_again_and_returns_what_was_held():
    window, messages = filled(3)
    window.confirm(1)
    assert window.reset() == messages[1:]
    assert (window.sent, window.confirmed, window.acked, list(window.held)) == (0, 0, 0, [])


def test_too_many_bytes_shrink_it_to_half_of_what_it_may_have():
    window = Window(100, 100)
    for _ in range(10):
        window.push([message(10)], 10)
    assert len(window.held) == 10
    window.push([message(10)], 10)
    assert len(window.held) == 5
    assert (window.sent, window.confirmed) == (11, 6)


def test_what_was_confirmed_weighs_nothing_when_it_is_weighed_again():
    window = Window(100, 100)
    for count in range(1, 50):
        window.push([message(30)], 30)
        window.confirm(count - 1)
    assert len(window.held) == 1
    assert not window.overflowed


def test_one_message_stays_however_large():
    window = Window(100, 100)
    window.push([message(10)], 10)
    window.push([message(1000)], 1000)
    assert [m.size for m in window.held] == [1000]


def test_an_empty_window_weighs_nothing():
    window = Window(100, 100)
    window.push([message(90)], 90)
    window.confirm(1)
    window.push([message(90)], 90)
    assert len(window.held) == 1
    assert not window.overflowed


@pytest.mark.parametrize(("size", "reached"), [(30, True), (31, False)])
def test_it_says_whether_it_holds_so_many_bytes(size, reached):
    window = Window(100, 2**53)
    for _ in range(4):
        window.push([message(10)], 10)
    window.confirm(1)
    assert window.reaches(size) == reached


class WindowMachine(RuleBasedStateMachine):
    """A window against a list that forgets nothing."""

    def __init__(self):
        super().__init__()
        self.window = Window(5, 200)
        self.all = []

    @rule(sizes=st.lists(st.integers(1, 80), max_size=4))
    def push(self, sizes):
        messages = [message(size) for size in sizes]
        self.window.push(messages, sum(sizes))
        self.all += messages

    @rule(data=st.data())
    def confirm(self, data):
        assert self.window.confirm(data.draw(st.integers(0, len(self.all))))

    @rule(beyond=st.integers(1, 9))
    def confirm_too_much(self, beyond):
        assert not self.window.confirm(len(self.all) + beyond)

    @rule()
    def reset(self):
        self.window.reset()
        self.all.clear()

    @rule(data=st.data())
    def replay(self, data):
        count = data.draw(st.integers(0, len(self.all)))
        lost, held = self.window.rest(count)
        assert list(held) == self.all[count + lost :]
        assert lost == max(0, self.window.confirmed - count)

    @invariant()
    def it_is_bounded_and_its_counts_add_up(self):
        window = self.window
        assert window.sent == len(self.all)
        assert window.confirmed == window.sent - len(window.held)
        assert len(window.held) <= 5
        assert len(window.held) <= 1 or sum(m.size for m in window.held) <= 200


TestWindowMachine = WindowMachine.TestCase
TestWindowMachine.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)
