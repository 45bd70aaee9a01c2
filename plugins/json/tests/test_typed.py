from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated

import attrs
import msgspec
import pytest
import rtcore_json
from rtcore_json.codec import JsonCodec
from rtcore_json.typed import MsgspecConverter

from rtcore.errors import PayloadError
from rtcore.spi.codec import Codec, Converter, TypedCodec


class Colour(Enum):
    RED = "red"


@attrs.frozen
class Price:
    amount: int = attrs.field(validator=attrs.validators.gt(0))


@dataclass
class Line:
    name: str
    price: Price


class Order(msgspec.Struct, forbid_unknown_fields=True):
    lines: list[Line]
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    colour: Colour = Colour.RED
    due: datetime | None = None
    who: int | str = 0


class Opaque:
    pass


GOOD = {"lines": [{"name": "tea", "price": {"amount": 3}}], "due": "2026-01-02T03:04:05Z"}


def by_bytes(payload, type_):
    return JsonCodec().decode_typed(msgspec.json.encode(payload), type_)


def by_objects(payload, type_):
    return MsgspecConverter().convert(payload, type_)


@pytest.fixture(params=[by_bytes, by_objects])
def convert(request):
    return request.param


def test_the_door_offers_what_it_says():
    assert isinstance(JsonCodec(), TypedCodec)
    assert all(isinstance(codec, Codec) for codec in rtcore_json.rtcore_codecs())
    assert isinstance(rtcore_json.rtcore_services()[Converter], Converter)


def test_a_payload_becomes_the_type_through_and_through(convert):
    order = convert(GOOD, Order)
    assert order.lines == [Line("tea", Price(3))]
    assert order.due.year == 2026


@pytest.mark.parametrize(
    ("change", "path", "expected", "given"),
    [
        ({"count": "1"}, "count", "`int`", "`str`"),
        ({"count": 0}, "count", "`int` >= 1", "0"),
        ({"lines": None}, "lines", "`array`", "`null`"),
        ({"lines": [{"name": "tea"}]}, "lines[0].price", "a required field", "nothing"),
        (
            {"lines": [{"name": "tea", "price": {"amount": "3"}}]},
            "lines[0].price.amount",
            "`int`",
            "`str`",
        ),
        (
            {"lines": [{"name": "tea", "price": {"amount": 0}}]},
            "lines[0].price",
            "'amount' must be > 0: 0",
            "{'amount': 0}",
        ),
        ({"colour": "blue"}, "colour", "Invalid enum value 'blue'", "'blue'"),
        ({"who": [1]}, "who", "`int | str`", "`array`"),
        ({"hat": 1}, "hat", "no such field", "'hat'"),
    ],
)
def test_an_error_says_where_what_was_expected_and_what_was_given(convert, change, path, expected, given):
    with pytest.raises(PayloadError) as caught:
        convert(GOOD | change, Order)
    assert (caught.value.path, caught.value.expected, caught.value.given) == (path, expected, given)
    assert caught.value.fields()["details"] == {"path": path, "expected": expected, "given": given}


def test_an_error_at_the_top_has_an_empty_path(convert):
    with pytest.raises(PayloadError) as caught:
        convert([1], Order)
    assert caught.value.path == ""
    assert caught.value.given == "`array`"


def test_what_was_given_is_shortened(convert):
    with pytest.raises(PayloadError) as caught:
        convert(GOOD | {"due": "x" * 10_000}, Order)
    assert caught.value.path == "due"
    assert len(caught.value.given) <= 80


def test_bytes_that_are_no_json_are_a_bad_payload():
    with pytest.raises(PayloadError):
        JsonCodec().decode_typed(b"{", Order)


def test_bytes_from_a_binary_codec_stay_bytes():
    assert MsgspecConverter().convert({"data": b"\x00"}, dict[str, bytes]) == {"data": b"\x00"}


def test_a_type_that_nothing_is_known_of_is_the_programs_mistake(convert):
    with pytest.raises(NotImplementedError, match="Opaque"):
        convert({}, Opaque)
