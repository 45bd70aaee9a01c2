from __future__ import annotations

import gc

import pytest

from rtcore.testing.plain import PlainCodec
from rtcore.wire import LANE, PRIORITIES, Format, Message


class Bare:
    """A framing that adds nothing."""

    name = "bare"

    def frame(self, body, binary):
        return body


class Counting(PlainCodec):
    """A codec that says how often it was asked."""

    encoded = decoded = 0

    def encode(self, message):
        self.encoded += 1
        return super().encode(message)

    def decode_payload(self, raw):
        self.decoded += 1
        return super().decode_payload(raw)


def test_lanes_are_numbered_from_the_most_urgent():
    assert [LANE[name] for name in PRIORITIES] == [0, 1, 2, 3]
    assert PRIORITIES[0] == "critical"


def test_a_payload_is_decoded_at_the_first_look_and_once():
    codec = Counting("counting", binary=True)
    [came] = codec.decode(codec.encode(Message("a", {"n": 1})))
    message = Message("a", raw=came.raw, raw_codec=codec)
    assert codec.decoded == 0
    assert message.payload == {"n": 1}
    assert message.payload == {"n": 1}
    assert codec.decoded == 1


def test_a_message_without_a_payload_has_none():
    assert Message("a").payload is None
    assert Message("a", raw=b"1").payload is None, "nobody knows its codec"


def test_a_message_is_encoded_once_for_each_format():
    codec = Counting("counting", binary=True)
    one, other = Format(codec, Bare()), Format(codec, Bare())
    message = Message("a", 1)
    for form in (one, one, other, one, other, other):
        assert message.form(form) == codec.encode(message)
    assert codec.encoded - 6 == 2


def test_wire_forms_that_were_forgotten_are_made_again():
    codec = Counting("counting", binary=True)
    form, message = Format(codec, Bare()), Message("a", 1)
    data = message.form(form)
    assert message.size == len(data)
    message.forget_forms()
    assert message.size == 1, "the payload's bytes are what was sent, and stay"
    assert message.form(form) == data
    assert codec.encoded == 2


def test_a_message_that_was_never_encoded_weighs_its_raw_payload():
    assert Message("a", raw=b"12345").size == 5
    assert Message("a", "12345").size == 0


def test_the_collector_does_not_look_at_messages():
    codec = PlainCodec("plain", binary=True)
    message = Message("a", {"n": [1]}, raw_codec=codec)
    message.form(Format(codec, Bare()))
    assert not gc.is_tracked(message)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Message("a", "a secret"), "Message('a')"),
        (Message("a", id="1", room="r", priority="low"), "Message('a', id='1', room='r', priority='low')"),
        (Message("reply", re="1", sender="s", offset=0), "Message('reply', re='1', sender='s', offset=0)"),
    ],
)
def test_its_repr_shows_where_it_goes_and_not_what_it_says(message, text):
    assert repr(message) == text


def test_a_message_that_has_a_wire_form_was_posted_and_its_copy_was_not():
    codec = PlainCodec("plain", binary=True)
    message = Message("a", {"n": 1}, id="1", re="2", room="r", priority="high", sender="s", offset=3, epoch="e",
                      timestamp=1.5, version=4, trace="t")  # fmt: skip
    message.n = 7
    assert not message.posted
    message.form(Format(codec, Bare()))
    assert message.posted
    copy = message.copy()
    assert not copy.posted
    assert (copy.id, copy.re, copy.n) == (None, None, 0), "nobody asked for it, nobody counted it"
    for name in (
        "type",
        "payload",
        "room",
        "priority",
        "sender",
        "offset",
        "epoch",
        "timestamp",
        "version",
        "trace",
    ):
        assert getattr(copy, name) == getattr(message, name), name
