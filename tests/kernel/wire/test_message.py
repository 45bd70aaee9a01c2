from __future__ import annotations

import gc
from enum import StrEnum

import pytest

from rtcore.testing.plain import PlainCodec
from rtcore.wire import LANE, PRIORITIES, Checked, Format, Message


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


# -- what is sent is what it was -----------------------------------------------------------------------------


def test_a_payload_that_is_changed_after_it_was_sent_is_sent_as_it_was():
    codec, other = PlainCodec("one", binary=True), PlainCodec("other")
    forms = [Format(codec, Bare()), Format(codec, Bare()), Format(other, Bare()), Format(other, Bare())]
    for first in forms:
        payload = {"n": [1]}
        message = Message("a", payload)
        message.form(first)
        payload["n"].append(2)
        assert message.copy().payload == {"n": [1]}
        assert message.covering(((1, 2),)).payload == {"n": [1]}
        for form in (*forms, first):
            [came] = form.codec.decode(message.form(form))
            assert came.payload == {"n": [1]}
            message.payload["n"].append(3)  # somebody looks at it, and changes what it sees
        message.forget_forms()
        for form in forms:
            [came] = form.codec.decode(message.form(form))
            assert came.payload == {"n": [1]}


def test_a_message_may_be_frozen_before_anybody_encodes_it():
    codec, payload = PlainCodec("one"), {"n": 1}
    message = Message("a", payload)
    message.freeze(codec)
    payload["n"] = 2
    message.freeze(codec)
    assert message.payload == {"n": 1}
    assert not message.posted
    with pytest.raises(TypeError, match="a complex"):
        Message("a", [1j]).freeze(codec)


def test_a_form_for_another_framing_of_the_same_codec_costs_no_encoding():
    codec = Counting("counting", binary=True)
    message = Message("a", {"n": 1})
    assert message.form(Format(codec, Bare())) == message.form(Format(codec, Bare()))
    assert (codec.encoded, codec.decoded) == (1, 0)


# -- what cannot be written cannot be made -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "reason"),
    [
        ({"type": Message("a")}, TypeError, "use `post`"),
        ({"type": 5}, TypeError, "type: expected text, given a int"),
        ({"type": ""}, ValueError, "1 to 128 characters"),
        ({"type": "x" * 129}, ValueError, "up to 128 characters, given 129"),
        ({"priority": "urgent"}, ValueError, "one of critical, high, normal, low, given 'urgent'"),
        ({"priority": ["high"]}, ValueError, "priority"),
        ({"priority": None}, ValueError, "priority"),
        ({"id": 5}, TypeError, "id: expected text"),
        ({"re": b"1"}, TypeError, "re: expected text"),
        ({"room": ["r"]}, TypeError, "room: expected text"),
        ({"room": "r" * 257}, ValueError, "room: expected up to 256 characters"),
        ({"sender": 1}, TypeError, "sender"),
        ({"trace": 1}, TypeError, "trace"),
        ({"version": "1"}, ValueError, "version: expected a whole number from 0"),
        ({"version": None}, ValueError, "version"),
        ({"offset": -1}, ValueError, "offset"),
        ({"timestamp": "now"}, TypeError, "timestamp: expected seconds"),
        ({"colour": "red"}, TypeError, "colour"),
    ],
    ids=lambda fields: str(fields)[:30],
)
def test_a_message_that_nobody_could_read_cannot_be_made(fields, error, reason):
    with pytest.raises(error, match=reason):
        Message(**{"type": "a", **fields})


def test_texts_of_an_enum_are_the_texts():
    class Kind(StrEnum):
        CHAT = "chat"
        HIGH = "high"

    message = Message(Kind.CHAT, priority=Kind.HIGH, room=Kind.CHAT)
    assert [type(text) for text in (message.type, message.priority, message.room)] == [str, str, str]
    assert (message.type, message.priority, message.room) == ("chat", "high", "chat")


def test_what_a_codec_has_checked_is_a_message_like_any_other():
    checked = Checked("", priority="urgent", id="1")
    assert isinstance(checked, Message)
    assert repr(checked) == "Message('', id='1', priority='urgent')"
    assert not gc.is_tracked(checked)
