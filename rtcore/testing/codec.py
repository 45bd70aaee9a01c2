"""The contract of codecs: `rtcore.spi.codec.Codec`, as tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtcore.errors import PayloadError
from rtcore.spi.codec import Codec, TypedCodec
from rtcore.testing.contract import Contract
from rtcore.testing.plain import PlainCodec
from rtcore.testing.values import nested, payloads, refused, same
from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import BadControlError, FrameError, UndecodableError, WireError
from rtcore.wire.format import COMPRESSED, MAX_ITEMS
from rtcore.wire.message import PRIORITIES, Message
from rtcore.wire.values import DEPTH

_FIELDS = (
    "type",
    "id",
    "re",
    "room",
    "priority",
    "sender",
    "offset",
    "epoch",
    "covers",
    "timestamp",
    "version",
    "trace",
)

_names = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
_counts = st.integers(0, 2**53 - 1)
_ranges = st.lists(st.tuples(_counts, _counts), min_size=1, max_size=3).map(tuple)
#: What control items hold: no bytes, no markers.
_controls = st.dictionaries(_names, st.none() | st.booleans() | _counts | _names, max_size=3)
_messages = st.builds(
    Message,
    _names.filter(bool),
    payloads,
    id=st.none() | _names,
    re=st.none() | _names,
    room=st.none() | _names,
    priority=st.sampled_from(PRIORITIES),
    sender=st.none() | _names,
    offset=st.none() | _counts,
    epoch=st.none() | _names,
    covers=st.none() | _ranges,
    timestamp=st.none() | st.floats(0, 2e9),
    version=_counts,
    trace=st.none() | _names,
)
# One suite runs as many classes, and `make_codec` costs nothing.
_relaxed = settings(suppress_health_check=[HealthCheck.differing_executors], deadline=None)


@dataclass
class _Point:
    x: int
    y: float
    name: str = ""


def _same(one: Message, other: Message) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in _FIELDS)


class CodecContract(Contract):
    """Subclass it, give `make_codec`, and lists of what your codec must find bad.

    Attributes:
        bad_messages: items that are messages by their first byte and cannot be decoded.
        bad_controls: items that are control by their first byte and not `[name, map]`.
        bad_frames: frames that cannot be cut into items, whole.
        bad_payloads: bytes that are no payload.
    """

    bad_messages: Sequence[bytes] = ()
    bad_controls: Sequence[bytes] = ()
    bad_frames: Sequence[bytes] = ()
    bad_payloads: Sequence[bytes] = ()

    def make_codec(self) -> Codec:
        """Return a codec. Called for each test, and for each example of a property."""
        raise NotImplementedError

    def decode_one(self, frame: bytes) -> Any:
        """Decode a frame that must hold one item."""
        [item] = self.make_codec().decode(frame)
        return item

    # -- what it says of itself ------------------------------------------------------------------------

    def test_it_is_a_codec_with_a_name_and_a_media_type(self) -> None:
        codec = self.make_codec()
        assert isinstance(codec, Codec)
        assert codec.name
        assert codec.name == codec.name.lower()
        assert isinstance(codec.binary, bool)
        assert "/" in codec.content_type

    def test_the_suite_was_told_what_is_bad(self) -> None:
        assert self.bad_messages, "give bad_messages: items that begin as a message and cannot be decoded"
        assert self.bad_controls, "give bad_controls: items that begin as control and are not [name, map]"
        assert self.bad_frames, "give bad_frames: frames that cannot be cut into items"
        assert self.bad_payloads, "give bad_payloads: bytes that are no payload"

    # -- there and back --------------------------------------------------------------------------------

    @_relaxed
    @given(_messages)
    def test_a_message_comes_back_as_it_was(self, message: Message) -> None:
        codec = self.make_codec()
        [back] = codec.decode(codec.encode(message))
        assert isinstance(back, Message)
        assert _same(back, message)
        assert same(back.payload, message.payload)

    @_relaxed
    @given(st.lists(_messages | st.builds(Control, _names, _controls)))
    def test_items_joined_into_a_frame_are_cut_again_in_order(self, items: list[Message | Control]) -> None:
        codec = self.make_codec()
        encoded = [
            codec.encode(item)
            if isinstance(item, Message)
            else codec.encode_control(item.name, dict(item.fields))
            for item in items
        ]
        back = codec.decode(codec.join(encoded))
        assert len(back) == len(items)
        for got, wanted in zip(back, items, strict=True):
            if isinstance(wanted, Message):
                assert isinstance(got, Message)
                assert _same(got, wanted)
            else:
                assert got == wanted

    def test_an_empty_frame_has_no_items(self) -> None:
        assert len(self.make_codec().decode(b"")) == 0

    def test_what_has_its_default_is_not_written(self) -> None:
        codec = self.make_codec()
        plain = codec.encode(Message("a"))
        assert codec.encode(Message("a", None, priority="normal", version=0)) == plain
        assert len(plain) < len(codec.encode(Message("a", 1)))
        assert len(plain) < len(codec.encode(Message("a", priority="high")))

    @_relaxed
    @given(payloads)
    def test_an_item_of_a_text_codec_is_utf_8_without_line_breaks(self, payload: Any) -> None:
        codec = self.make_codec()
        if codec.binary:
            return
        came = self.decode_one(codec.encode(Message("ünï", {"☃": "\x00\r\n\u2028", "it": payload})))
        for item in (codec.encode(came), codec.encode(Message("relay", raw=came.raw, raw_codec=codec))):
            item.decode()
            assert not {0x0A, 0x0D} & set(item)

    def test_the_first_item_of_a_frame_can_be_had_alone(self) -> None:
        codec = self.make_codec()
        items = [
            codec.encode_control("send", {"from": 1}),
            codec.encode(Message("a", 1)),
            codec.encode(Message("b")),
        ]
        first, rest = codec.decode_first(codec.join(items))
        assert first == Control("send", {"from": 1})
        assert [item.type for item in codec.decode(rest) if isinstance(item, Message)] == ["a", "b"]
        assert codec.decode_first(items[0]) == (first, b"")
        assert codec.decode_first(b"") == (None, b"")
        first, rest = codec.decode_first(codec.join([self.bad_messages[0], *items]))
        assert isinstance(first, Undecodable)
        assert len(codec.decode(rest)) == 3

    def test_no_item_looks_compressed(self) -> None:
        codec = self.make_codec()
        assert codec.encode(Message("a"))[0] != COMPRESSED
        assert codec.encode_control("ack", {"n": 1})[0] != COMPRESSED

    # -- payloads that stay bytes ------------------------------------------------------------------------

    @_relaxed
    @given(payloads)
    def test_a_payload_that_is_passed_on_is_passed_on_untouched(self, payload: Any) -> None:
        codec = self.make_codec()
        [came] = codec.decode(codec.encode(Message("a", payload)))
        assert isinstance(came, Message)
        if came.raw is not None:
            assert came.raw_codec is codec
            assert isinstance(came.raw, bytes)
            assert same(codec.decode_payload(came.raw), payload)
        else:
            came.freeze(codec)
        relayed = Message("b", room="r", sender="s", offset=7, epoch="e", raw=came.raw, raw_codec=codec)
        [arrived] = codec.decode(codec.encode(relayed))
        assert isinstance(arrived, Message)
        assert same(arrived.payload, payload)

    @_relaxed
    @given(payloads)
    def test_a_payload_may_be_encoded_alone(self, payload: Any) -> None:
        codec = self.make_codec()
        raw = codec.encode_payload(payload)
        assert same(codec.decode_payload(raw), payload)
        assert same(self.decode_one(codec.encode(Message("a", raw=raw, raw_codec=codec))).payload, payload)

    @_relaxed
    @given(payloads)
    def test_a_payload_from_another_codec_is_decoded_and_encoded_again(self, payload: Any) -> None:
        foreign = PlainCodec("foreign", binary=True)
        [came] = foreign.decode(foreign.encode(Message("a", payload)))
        assert isinstance(came, Message)
        assert same(self.decode_one(self.make_codec().encode(came)).payload, payload)
        [back] = foreign.decode(foreign.encode(self.decode_one(self.make_codec().encode(came))))
        assert isinstance(back, Message)
        assert same(back.payload, payload)

    def test_what_somebody_did_to_a_payload_that_came_is_not_passed_on(self) -> None:
        codec, foreign = self.make_codec(), PlainCodec("foreign", binary=True)
        came = self.decode_one(codec.encode(Message("a", {"n": 1})))
        came.payload["n"] = 2
        for other in (codec, foreign):
            [arrived] = other.decode(other.encode(came))
            assert isinstance(arrived, Message)
            assert arrived.payload == {"n": 1}

    def test_the_deepest_payload_passes_whatever_is_inmost(self) -> None:
        codec = self.make_codec()
        inmosts: tuple[Any, ...] = (None, b"bytes", float("inf"), [], {}, {"$bytes": 1})
        for inmost in inmosts:
            payload = nested(DEPTH - isinstance(inmost, list | dict), inmost)
            [came] = codec.decode(codec.encode(Message("a", payload)))
            assert isinstance(came, Message), came
            assert same(came.payload, payload)
            assert same(codec.decode_payload(codec.encode_payload(payload)), payload)

    @pytest.mark.parametrize(
        ("reason", "payload"), refused, ids=[f"{n}-{word}" for n, (word, _) in enumerate(refused)]
    )
    def test_what_no_codec_reads_none_writes(self, reason: str, payload: Any) -> None:
        codec = self.make_codec()
        with pytest.raises(TypeError, match=reason):
            codec.encode(Message("a", payload))
        with pytest.raises(TypeError, match=reason):
            codec.encode_payload(payload)
        assert self.decode_one(codec.encode(Message("a", [1]))).payload == [1], "and it works on"

    # -- what is bad -------------------------------------------------------------------------------------

    def test_a_bad_message_is_undecodable_and_its_neighbours_are_not(self) -> None:
        codec = self.make_codec()
        before, after = codec.encode(Message("before")), codec.encode(Message("after"))
        for bad in self.bad_messages:
            [undecodable] = codec.decode(bad)
            assert isinstance(undecodable, Undecodable), bad[:80]
            assert 0 < len(undecodable.reason) < 1000
            if not codec.binary or self.can_be_cut(bad):
                first, middle, last = codec.decode(codec.join([before, bad, after]))
                assert isinstance(first, Message)
                assert isinstance(middle, Undecodable)
                assert isinstance(last, Message)
                assert (first.type, last.type) == ("before", "after")

    def can_be_cut(self, bad: bytes) -> bool:
        """Say whether items after this bad message can be found. Text codecs delimit items, so always."""
        return True

    @pytest.mark.parametrize(
        "fields",
        [
            {"type": ""},
            {"type": "x" * 129},
            {"type": 5},
            {"type": None},
            {"id": 5},
            {"room": ["r"]},
            {"priority": "urgent"},
            {"priority": 1},
            {"offset": "1"},
            {"version": "1"},
            {"timestamp": "now"},
        ],
        ids=lambda fields: "-".join(f"{k}={str(v)[:6]}" for k, v in fields.items()),
    )
    def test_a_message_of_the_wrong_shape_is_undecodable(self, fields: dict[str, Any]) -> None:
        codec = self.make_codec()
        message = Message("a", id="r1")
        for name, value in fields.items():
            setattr(message, name, value)
        undecodable = self.decode_one(codec.encode(message))
        assert isinstance(undecodable, Undecodable)
        assert undecodable.id == ("r1" if "id" not in fields else None), "who waits for an answer gets one"

    def test_the_longest_type_fits(self) -> None:
        assert self.decode_one(self.make_codec().encode(Message("ü" * 128))).type == "ü" * 128

    def test_a_bad_control_item_is_refused(self) -> None:
        for bad in self.bad_controls:
            with pytest.raises(BadControlError):
                self.make_codec().decode(bad)

    def test_a_frame_that_cannot_be_cut_is_refused(self) -> None:
        for bad in self.bad_frames:
            with pytest.raises(FrameError):
                self.make_codec().decode(bad)

    def test_a_frame_of_too_many_items_is_refused(self) -> None:
        codec = self.make_codec()
        item = codec.encode(Message("a"))
        assert len(codec.decode(codec.join([item] * MAX_ITEMS))) == MAX_ITEMS
        with pytest.raises(FrameError):
            codec.decode(codec.join([item] * (MAX_ITEMS + 1)))

    def test_bytes_that_are_no_payload_are_undecodable(self) -> None:
        for bad in self.bad_payloads:
            with pytest.raises(UndecodableError):
                self.make_codec().decode_payload(bad)

    @_relaxed
    @given(st.binary(max_size=200))
    def test_noise_ends_in_an_error_of_the_wire_at_worst(self, noise: bytes) -> None:
        codec = self.make_codec()
        try:
            items = codec.decode(noise)
        except WireError:
            return
        for item in items:
            if isinstance(item, Message):
                try:
                    codec.encode(Message("relay", raw=item.raw, raw_codec=codec))
                    assert item.payload is None or item.raw is not None
                except WireError:
                    continue

    @_relaxed
    @given(_messages, st.data())
    def test_a_damaged_message_ends_in_an_error_of_the_wire_at_worst(
        self, message: Message, data: st.DataObject
    ) -> None:
        frame = bytearray(self.make_codec().encode(message))
        for _ in range(data.draw(st.integers(1, 4))):
            place = data.draw(st.integers(0, len(frame) - 1))
            frame[place] = data.draw(st.integers(0, 255))
        try:
            self.make_codec().decode(bytes(frame))
        except WireError:
            return

    def test_a_payload_that_contains_itself_is_a_type_error(self) -> None:
        endless: list[object] = []
        endless += [endless, {"twice": endless}]
        with pytest.raises(TypeError, match="holds itself"):
            self.make_codec().encode(Message("a", endless))

    def test_an_error_says_where_in_the_payload(self) -> None:
        with pytest.raises(TypeError, match=re.escape("`items[1].price`")):
            self.make_codec().encode(Message("a", {"items": [1, {"price": 1j}]}))

    # -- optional: types ---------------------------------------------------------------------------------

    def test_if_it_decodes_into_types_it_names_what_does_not_fit(self) -> None:
        codec = self.make_codec()
        if not isinstance(codec, TypedCodec):
            return
        good = self.decode_one(codec.encode(Message("a", {"x": 1, "y": 2.5, "name": "ü"})))
        assert codec.decode_typed(good.raw, _Point) == _Point(1, 2.5, "ü")
        nested = self.decode_one(codec.encode(Message("a", [{"x": 1, "y": 2.5}, {"x": "one", "y": 2.5}])))
        with pytest.raises(PayloadError) as caught:
            codec.decode_typed(nested.raw, list[_Point])
        assert "x" in caught.value.path
        assert caught.value.code == "bad_payload"
        assert caught.value.expected
        assert caught.value.given
