from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import ip_address

import attrs
import cbor2
import pytest
import rtcore_cbor
from hypothesis import given
from hypothesis import strategies as st
from rtcore_cbor.codec import CborCodec
from rtcore_cbor.subset import NUMBER_MAX
from rtcore_cbor.wellformed import STEPS_MAX, Walker

from rtcore.spi.codec import Codec
from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import FrameError
from rtcore.wire.message import Message


@pytest.fixture
def codec():
    return CborCodec()


def test_the_door_offers_a_codec():
    assert all(isinstance(codec, Codec) for codec in rtcore_cbor.rtcore_codecs())


def test_a_message_is_a_map_with_the_keys_of_the_wire(codec):
    message = Message(
        "a", {"b": 1}, id="1", room="r", priority="low", sender="s", offset=3, epoch="e", version=2
    )
    assert cbor2.loads(codec.encode(message)) == {
        "type": "a",
        "id": "1",
        "room": "r",
        "priority": "low",
        "sender": "s",
        "offset": 3,
        "epoch": "e",
        "version": 2,
        "payload": {"b": 1},
    }


def test_what_has_its_default_is_left_out(codec):
    assert codec.encode(Message("a")) == bytes.fromhex("a1 64 74797065 61 61".replace(" ", ""))


def test_control_is_an_array_of_name_and_fields(codec):
    assert cbor2.loads(codec.encode_control("ack", {"n": 5})) == ["ack", {"n": 5}]
    assert codec.decode(codec.encode_control("ack", {"n": 5})) == [Control("ack", {"n": 5})]


def test_byte_strings_travel_as_they_are(codec):
    [message] = codec.decode(codec.encode(Message("a", {"data": b"\x00\xff"})))
    assert message.payload == {"data": b"\x00\xff"}


WORDS = ["payload", "gpayload", "p"]


# -- the payload's bytes -----------------------------------------------------------------------------------


def test_a_payload_keeps_its_bytes_however_it_was_encoded(codec):
    payload = cbor2.dumps({"z": 1.0, "a": 1}) + b""
    [message] = codec.decode(b"\xa2\x64type\x61a\x67payload" + payload)
    assert message.raw == payload
    assert message.payload == {"z": 1.0, "a": 1}
    assert codec.encode(message).endswith(payload)


def test_among_others_each_payload_keeps_its_own(codec):
    frame = codec.join([codec.encode(Message("a", n)) for n in (1, [2], "three")])
    assert [message.raw for message in codec.decode(frame)] == [b"\x01", b"\x81\x02", b"\x65three"]


@pytest.mark.parametrize(
    "item",
    [
        cbor2.dumps({"payload": 7, "type": "a"}),  # not the last key
        cbor2.dumps({"type": "a", "id": "payload", "payload": 7}),  # the word twice
        cbor2.dumps({"type": "a", "id": "gpayload", "payload": 7}),
        b"\xa2\x64type\x61a\x78\x07payload\x07",  # an unusual head
        b"\xa3\x64type\x61a\x62id\x68gpayload\x78\x07payload\x07",
    ],
)
def test_where_the_bytes_are_not_beyond_doubt_they_are_not_kept(codec, item):
    [message] = codec.decode(item)
    assert message.raw is None
    assert message.payload == 7
    [again] = codec.decode(codec.encode(message))
    assert again.payload == 7


@given(st.dictionaries(st.sampled_from(["payload", "gpayload", "id", "x"]), st.sampled_from(WORDS)))
def test_no_choice_of_words_moves_the_payload(fields):
    codec = CborCodec()
    [message] = codec.decode(cbor2.dumps({"type": "a", **fields}))
    assert message.payload == fields.get("payload")
    assert message.raw is None or cbor2.loads(message.raw) == message.payload


# -- what comes in -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "number",
    [2**64, -(2**64) - 1, 10**4300 - 1, 1 - 10**4300],
    ids=["65 bits", "negative", "largest", "least"],
)
def test_whole_numbers_may_be_large(codec, number):
    [message] = codec.decode(codec.encode(Message("a", number)))
    assert message.payload == number


def test_numbers_too_large_to_be_meant_are_undecodable(codec):
    [bad] = codec.decode(cbor2.dumps({"type": "a", "payload": 1 << (8 * NUMBER_MAX)}))
    assert isinstance(bad, Undecodable)
    assert f"{NUMBER_MAX} bytes" in bad.reason
    with pytest.raises(TypeError, match="more than 4300 digits"):
        codec.encode(Message("a", [10**4300]))


def test_a_reason_names_the_field_and_is_short(codec):
    [bad] = codec.decode(cbor2.dumps({"type": "a", "room": "r" * 1000}))
    assert "`room`" in bad.reason
    assert len(bad.reason) <= 200
    [bad] = codec.decode(cbor2.dumps({"type": "a", "payload": cbor2.CBORTag(35, "(")}))
    assert "tag" in bad.reason


def test_a_codec_works_on_after_every_kind_of_failure(codec):
    good = codec.encode(Message("good", [1]))
    bad = (
        b"\xa1",
        b"\xa1\x64type\xff",
        b"\x81" * 500,
        b"\x81" * 5000,
        cbor2.dumps({"type": "a", "payload": {1: 2}}),
        cbor2.dumps({"type": "a", "payload": cbor2.CBORTag(28, [])}),
        b"\x01",
    )
    deep = b"\xa2\x64type\x61a\x67payload" + b"\x81" * 128 + b"\x01"
    for frame in bad * 3:
        with suppress(ValueError):
            codec.decode(frame)
        with suppress(ValueError):
            codec.decode_payload(frame)
        with suppress(ValueError):
            codec.decode_first(frame)
        [first, message] = codec.decode(deep + good)
        assert first.type == "a"
        assert message.payload == [1]
    with pytest.raises(TypeError):
        codec.encode(Message("a", [object()]))
    assert codec.encode(Message("good", [1])) == good


# -- what goes out -----------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"


@dataclass
class Point:
    x: int


@attrs.frozen
class Line:
    start: Point
    colour: Colour = Colour.RED


@pytest.mark.parametrize(
    ("given_", "arrives"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4, 5), "03:04:05"),
        (timedelta(minutes=1), "PT60S"),
        (Decimal("1.50"), "1.50"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (ip_address("::1"), "::1"),
        ({1}, [1]),
        ((1, 2), [1, 2]),
        (Colour.RED, "red"),
        (Line(Point(1)), {"start": {"x": 1}, "colour": "red"}),
        ({1: "a", 2.5: "b"}, {"1": "a", "2.5": "b"}),
    ],
)
def test_a_programs_objects_arrive_as_they_do_in_json(codec, given_, arrives):
    [message] = codec.decode(codec.encode(Message("a", {"it": given_})))
    assert message.payload == {"it": arrives}


@pytest.mark.parametrize("strange", [Fraction(1, 2), cbor2.CBORTag(1, 0), {b"key": 1}, {None: 1}, "\ud800"])
def test_what_a_peer_would_refuse_is_not_sent(codec, strange):
    with pytest.raises(TypeError):
        codec.encode(Message("a", {"it": strange}))


# -- the end of items --------------------------------------------------------------------------------------


@given(
    st.recursive(
        st.none() | st.integers() | st.binary() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_the_end_of_an_item_is_where_cbor2_ends(value):
    item = cbor2.dumps(value)
    assert Walker(b"\x00" + item + b"\x00").end_of(1) == 1 + len(item)


@pytest.mark.parametrize(
    "item",
    ["9f01ff", "bf616101ff", "7f61616162ff", "5f41004100ff", "9f9fff9f01ffff", "c101", "fb0000000000000000"],
)
def test_the_end_of_items_that_are_not_spoken_here_is_found_too(item):
    item = bytes.fromhex(item)
    assert Walker(item + b"\x00").end_of(0) == len(item)


@pytest.mark.parametrize(
    "item",
    ["", "81", "8201", "a1", "a101", "ff", "9f", "9f01", "1c", "1f", "6261", "9bffffffffffffffff", "c1"],
)
def test_what_is_not_well_formed_has_no_end(item):
    with pytest.raises(FrameError):
        Walker(bytes.fromhex(item)).end_of(0)


def test_the_search_for_an_end_is_bounded():
    with pytest.raises(FrameError, match="worth looking through"):
        Walker(cbor2.dumps([0] * (STEPS_MAX + 1))).end_of(0)


def test_the_search_is_bounded_for_all_of_a_frame_and_not_for_each_item():
    item = cbor2.dumps([0] * 99)
    walker = Walker(item * (STEPS_MAX // 100 + 1))
    for place in range(0, STEPS_MAX // 100 * len(item), len(item)):
        walker.end_of(place)
    with pytest.raises(FrameError, match="worth looking through"):
        walker.end_of(len(walker.frame) - len(item))
