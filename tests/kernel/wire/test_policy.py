from __future__ import annotations

import pytest

from rtcore.wire import Message
from rtcore.wire.policy import KINDS, Policy, by_path, by_type, concatenate


def test_there_are_five_kinds_and_the_first_is_the_default():
    assert len(KINDS) == 5
    assert Policy().kind == KINDS[0] == "drop_oldest"


def test_by_default_one_message_stands_for_all_of_its_type_and_room():
    assert by_type(Message("a", 1, room="r")) == by_type(Message("a", 2, room="r"))
    assert by_type(Message("a", room="r")) != by_type(Message("a", room="s"))


@pytest.mark.parametrize(
    ("path", "message", "value"),
    [
        ("sender", Message("a", {"sender": 1}, sender="ann"), "ann"),
        ("id", Message("a", {"id": 7}), 7),
        ("cursor.user", Message("a", {"cursor": {"user": "ann"}}), "ann"),
        ("cursor.user", Message("a", {"cursor": 5}), None),
        ("cursor.user", Message("a", None), None),
        ("list", Message("a", {"list": [1]}), "[1]"),
    ],
)
def test_a_key_may_be_one_thing_in_the_message(path, message, value):
    assert by_path(path)(message) == ("a", None, value)


@pytest.mark.parametrize(
    ("older", "newer", "joined"),
    [
        ({"text": "a"}, {"text": "b"}, {"text": "ab"}),
        ({"text": "a", "n": 1}, {"text": "b", "n": 2}, {"text": "ab", "n": 2}),
        ({"text": "a"}, {"text": 5}, None),
        ({"text": None}, {"text": "b"}, None),
        ("a", {"text": "b"}, None),
        ({"text": "a"}, None, None),
    ],
)
def test_texts_are_appended_to_each_other(older, newer, joined):
    assert concatenate("text")(older, newer) == joined


def test_a_merged_message_is_the_newer_one_with_the_payload_of_both():
    older = Message("token", {"text": "a"}, room="r", sender="ai", offset=1, trace="old")
    newer = Message(
        "token", {"text": "b"}, id="1", re="0", room="r", priority="high", sender="ai", offset=2, epoch="e",
        timestamp=1.5, version=3, trace="new",
    )  # fmt: skip
    joined = Policy("merge", merge=concatenate("text")).join(older, newer)
    assert joined.payload == {"text": "ab"}
    for name in (
        "type",
        "id",
        "re",
        "room",
        "priority",
        "sender",
        "offset",
        "epoch",
        "timestamp",
        "version",
        "trace",
    ):
        assert getattr(joined, name) == getattr(newer, name)


def test_a_merge_has_an_end():
    policy = Policy("merge", merge=concatenate("text"), max_bytes=10)
    assert (
        policy.join(Message("a", {"text": "a"}, raw=b"123456"), Message("a", {"text": "b"}, raw=b"12345"))
        is None
    )


def test_without_a_way_to_merge_both_wait():
    assert Policy("merge").join(Message("a", 1), Message("a", 2)) is None


def test_of_two_conflated_messages_the_newer_stays():
    older, newer = Message("a", 1), Message("a", 2)
    assert Policy("conflate").join(older, newer) is newer
