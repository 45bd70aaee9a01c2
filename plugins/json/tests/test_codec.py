from __future__ import annotations

import json

import pytest
from rtcore_json.codec import JsonCodec

from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import FrameError
from rtcore.wire.message import Message


@pytest.fixture
def codec():
    return JsonCodec()


def test_a_message_is_a_map_with_the_keys_of_the_wire(codec):
    message = Message(
        "chat:message",
        {"text": "ü"},
        id="7",
        re="6",
        room="chat:1",
        priority="high",
        sender="alice",
        offset=5,
        epoch="e",
        timestamp=1.5,
        version=2,
        trace="00-a-b-01",
    )
    assert json.loads(codec.encode(message)) == {
        "type": "chat:message",
        "id": "7",
        "re": "6",
        "room": "chat:1",
        "priority": "high",
        "sender": "alice",
        "offset": 5,
        "epoch": "e",
        "timestamp": 1.5,
        "version": 2,
        "trace": "00-a-b-01",
        "payload": {"text": "ü"},
    }


def test_what_has_its_default_is_left_out(codec):
    assert codec.encode(Message("a")) == b'{"type":"a"}'


def test_control_is_an_array_of_name_and_fields(codec):
    assert codec.encode_control("ack", {"n": 5}) == b'["ack",{"n":5}]'
    assert codec.decode(b'["ack",{"n":5}]') == [Control("ack", {"n": 5})]


def test_items_are_lines_and_blank_ones_are_none(codec):
    items = codec.decode(b'\r\n {"type":"a"}\r\n\n["ping",{}] \t\n')
    assert isinstance(items[0], Message)
    assert items[1:] == [Control("ping", {})]


def test_a_payload_keeps_its_bytes_spaces_and_all(codec):
    [message] = codec.decode(b'{"payload": {"b" : 1, "a":1.0e0}, "type":"a"}')
    assert message.raw == b'{"b" : 1, "a":1.0e0}'
    assert message.payload == {"b": 1, "a": 1.0}
    assert codec.encode(message) == b'{"type":"a","payload":{"b" : 1, "a":1.0e0}}'


def test_a_message_without_a_payload_is_not_one_with_null(codec):
    [without] = codec.decode(b'{"type":"a"}')
    [null] = codec.decode(b'{"type":"a","payload":null}')
    assert (without.raw, null.raw) == (None, b"null")
    assert without.payload is null.payload is None


def test_unknown_keys_are_ignored(codec):
    [message] = codec.decode(b'{"type":"a","colour":"red"}')
    assert message.type == "a"


def test_the_frame_may_be_overwritten_once_it_is_decoded(codec):
    frame = b'{"type":"a","payload":"here"}'
    [message] = codec.decode(frame)
    assert message.raw is not frame
    assert type(message.raw) is bytes


def test_a_line_break_within_an_item_is_refused(codec):
    # It would be a border between items for everybody that the item is relayed to.
    with pytest.raises(FrameError):
        codec.decode(b'{"type":"a",\n"payload":1\n}')


def test_text_that_is_not_utf_8_costs_its_own_message_only(codec):
    bad, good = codec.decode(b'{"type":"a","payload":"\xff"}\n{"type":"b","payload":"\xc3\xbc"}')
    assert isinstance(bad, Undecodable)
    assert good.payload == "ü"


def test_a_reason_is_short_whatever_was_sent(codec):
    [bad] = codec.decode(b'{"type":"a","priority":"' + b"z" * 10_000 + b'"}')
    assert len(bad.reason) <= 200


@pytest.mark.parametrize("number", [2**70, -(2**70)])
def test_whole_numbers_may_be_large(codec, number):
    [message] = codec.decode(codec.encode(Message("a", number)))
    assert message.payload == number
