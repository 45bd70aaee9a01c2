from __future__ import annotations

import zlib

import pytest

from rtcore.testing.plain import PlainCodec
from rtcore.wire import Control, Format, FrameError, Message, TooBigError, UndecodableError, unpack
from rtcore.wire.format import COMPRESSED

CODEC = PlainCodec("plain", binary=True)


class Tagged:
    """A framing that shows what it was given."""

    name = "tagged"

    def frame(self, body, binary):
        return (b"B" if binary else b"T") + body


class Zlib:
    """A compressor, as small as they come."""

    name = "zlib"

    def compress(self, data):
        return zlib.compress(data)

    def decompress(self, data, *, max_size):
        try:
            out = zlib.decompress(data)
        except zlib.error as error:
            raise UndecodableError(str(error)) from error
        if len(out) > max_size:
            raise TooBigError("too much")
        return out


def test_a_small_frame_stays_as_it_is():
    form = Format(CODEC, Tagged(), compressor=Zlib(), threshold=100)
    message = Message("a", "x" * 10)
    assert form.encode(message) == b"B" + CODEC.encode(message)


def test_a_large_frame_is_compressed_and_marked():
    form = Format(CODEC, Tagged(), compressor=Zlib(), threshold=100)
    message = Message("a", "x" * 1000)
    framed = form.encode(message)
    assert framed[:1] == b"B"
    assert framed[1] == COMPRESSED
    [back] = unpack(framed[1:], CODEC, Zlib(), max_size=10_000)
    assert back.payload == message.payload


def test_without_a_compressor_nothing_is():
    message = Message("a", "x" * 1000)
    assert Format(CODEC, Tagged(), threshold=0).encode(message) == b"B" + CODEC.encode(message)


def test_what_would_grow_is_not_compressed():
    form = Format(CODEC, Tagged(), compressor=Zlib(), threshold=0)
    assert form.pack(b"abc") == b"Babc"


def test_the_framing_is_told_whether_it_is_text():
    text = PlainCodec("text", binary=False)
    assert Format(text, Tagged()).encode(Message("a"))[:1] == b"T"
    packed = Format(text, Tagged(), compressor=Zlib(), threshold=0).encode(Message("a", "x" * 100))
    assert packed[:1] == b"B", "what is compressed is never text"


def test_control_is_never_compressed():
    form = Format(CODEC, Tagged(), compressor=Zlib(), threshold=0)
    fields = {"reason": "x" * 1000}
    assert form.encode_control("close", fields) == b"B" + CODEC.encode_control("close", fields)


def test_messages_leave_in_frames_of_their_own():
    form = Format(CODEC, Tagged())
    messages = [Message("a", n) for n in range(3)]
    assert form.finish([m.form(form) for m in messages]) == b"".join(b"B" + CODEC.encode(m) for m in messages)


def test_a_batch_is_one_frame_compressed_as_a_whole():
    form = Format(CODEC, Tagged(), compressor=Zlib(), threshold=100, batch=100)
    framed = form.finish([Message("a", n).form(form) for n in range(100)])
    assert framed[1] == COMPRESSED
    back = unpack(framed[1:], CODEC, Zlib(), max_size=100_000)
    assert [item.payload for item in back] == list(range(100))


def test_what_is_more_than_a_batch_is_several():
    form = Format(CODEC, Tagged(), batch=2)
    items = [Message("a", n).form(form) for n in range(5)]
    assert form.finish(items) == b"".join(b"B" + CODEC.join(items[n : n + 2]) for n in (0, 2, 4))


def test_a_frame_is_unpacked():
    items = unpack(
        CODEC.join([CODEC.encode_control("ack", {"n": 1}), CODEC.encode(Message("a"))]),
        CODEC,
        None,
        max_size=999,
    )
    assert items[0] == Control("ack", {"n": 1})
    assert items[1].type == "a"
    assert len(unpack(b"", CODEC, None, max_size=0)) == 0


def test_a_frame_that_is_too_big_is_not_looked_at():
    with pytest.raises(TooBigError) as caught:
        unpack(b"x" * 11, CODEC, None, max_size=10)
    assert caught.value.code == "message_too_big"


def test_a_frame_that_becomes_too_big_is_refused():
    frame = bytes([COMPRESSED]) + zlib.compress(b"x" * 1000)
    with pytest.raises(TooBigError):
        unpack(frame, CODEC, Zlib(), max_size=100)


def test_a_compressed_frame_without_an_agreement_loses_the_counts():
    with pytest.raises(FrameError) as caught:
        unpack(bytes([COMPRESSED]) + zlib.compress(b"{}"), CODEC, None, max_size=100)
    assert caught.value.code == "malformed_frame"


def test_a_compressed_frame_that_is_broken_loses_the_counts():
    with pytest.raises(FrameError) as caught:
        unpack(bytes([COMPRESSED]) + b"noise", CODEC, Zlib(), max_size=100)
    assert caught.value.code == "malformed_frame"
