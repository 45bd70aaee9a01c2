"""Frames as they leave: right for every size, shared, and never larger for having been deflated."""

from __future__ import annotations

import random
import struct
import zlib

from hypothesis import example, given
from hypothesis import strategies as st
from rtcore_websocket.framing import Deflating, Framing

SIZES = st.sampled_from([0, 1, 125, 126, 127, 1024, 65_535, 65_536, 70_000])


def cut(data: bytes) -> tuple[int, bytes, bytes]:
    """Read one unmasked frame: first byte, payload, what follows."""
    first, n = data[0], data[1]
    at = 2
    if n == 126:
        (n,) = struct.unpack_from("!H", data, 2)
        assert n > 125
        at = 4
    elif n == 127:
        (n,) = struct.unpack_from("!Q", data, 2)
        assert n > 65_535
        at = 10
    return first, data[at : at + n], data[at + n :]


def inflated(payload: bytes, bits: int) -> bytes:
    return zlib.decompressobj(-bits).decompress(payload + b"\x00\x00\xff\xff")


@given(SIZES, st.booleans())
def test_a_frame_has_the_shortest_header_that_fits(n: int, binary: bool) -> None:
    body = b"x" * n
    first, payload, rest = cut(Framing().frame(body, binary=binary))
    assert (first, payload, rest) == (0x82 if binary else 0x81, body, b"")


@given(st.binary(max_size=5000), st.booleans(), st.integers(9, 15), st.integers(0, 2000))
@example(b"", False, 9, 0)
def test_a_deflated_frame_is_the_same_message(body: bytes, binary: bool, bits: int, threshold: int) -> None:
    framing = Deflating(bits=bits, level=3, memory=5, threshold=threshold)
    framed = framing.frame(body, binary=binary)
    first, payload, rest = cut(framed)
    assert rest == b""
    assert first & 0x8F == (0x82 if binary else 0x81)
    assert (inflated(payload, bits) if first & 0x40 else payload) == body
    assert len(framed) <= len(Framing().frame(body, binary=binary))


def test_each_frame_is_deflated_by_itself() -> None:
    framing = Deflating(bits=12, level=3, memory=5, threshold=0)
    one, other = framing.frame(b"a" * 1000, binary=False), framing.frame(b"b" * 1000, binary=False)
    assert framing.frame(b"a" * 1000, binary=False) == one
    _, payload, _ = cut(other)
    assert inflated(payload, 12) == b"b" * 1000


def test_what_is_compressed_already_is_not_deflated() -> None:
    framing = Deflating(bits=12, level=3, memory=5, threshold=0)
    body = b"\x01" + b"a" * 1000
    assert framing.frame(body, binary=True) == Framing().frame(body, binary=True)


def test_a_window_is_never_wider_than_agreed() -> None:
    # Eight letters are packed in any window; that they repeat after 600 is not seen through one of 512.
    unit = bytes(random.Random(1).choices(b"abcdefgh", k=600))
    narrow, wide = (
        Deflating(bits=b, level=9, memory=9, threshold=0).frame(unit * 4, binary=True) for b in (9, 15)
    )
    first, payload, _ = cut(narrow)
    assert first & 0x40
    assert inflated(payload, 9) == unit * 4
    assert len(wide) < len(narrow)
