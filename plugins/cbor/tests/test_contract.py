from __future__ import annotations

import cbor2
from rtcore_cbor.codec import CborCodec

from rtcore.testing import CodecContract


def message(payload: bytes) -> bytes:
    return b"\xa2\x64type\x61a\x67payload" + payload


def deep(depth: int) -> bytes:
    return b"\x81" * depth + b"\x01"


class TestCbor(CodecContract):
    bad_messages = (
        b"\xa0",
        cbor2.dumps({1: 2}),
        message(b"\x62\xff\xfe"),
        message(cbor2.dumps({1: 2})),
        message(b"\xa2\x61a\x01\x61a\x02"),
        message(b"\x9f\x01\xff"),
        message(b"\x7f\x61a\x61b\xff"),
        message(b"\xc0\x60"),
        message(b"\xd8\x23\x61("),
        message(b"\xd8\x1c\x81\xd8\x1d\x00"),
        message(b"\xd9\xd9\xf7\x01"),
        message(b"\xc2\x59\x06\xfb" + b"\xff" * 1787),
        message(deep(129)),
        message(b"\xf7"),
        message(b"\x81\xe0"),
        message(b"\xa1\x41a\x01"),
        message(deep(5000)),
        cbor2.dumps({"type": "a", "priority": "z" * 10_000}),
        b"\xa1\x44type\x61a",
    )
    bad_controls = (
        b"\x80",
        cbor2.dumps(["ack"]),
        cbor2.dumps([1, {}]),
        cbor2.dumps(["ack", []]),
        cbor2.dumps(["ack", {}, 1]),
        cbor2.dumps(["ack", {b"n": 1}]),
        cbor2.dumps(["ack", {1: 1}]),
        deep(5000),
    )
    bad_frames = (
        b"\x01",
        b"\x61a",
        b"\xf6",
        b"\xff",
        b"\x01\xa0",
        b"\xa1",
        b"\xa1\x64type",
        b"\xbf\x64type\x61a",
        b"\xa1\x64type\x1c",
        b"\xba\xff\xff\xff\xff",
        b"\x9b" + b"\xff" * 8,
        b"\xa1\x64type\x61a\xff",
        deep(100_000),
    )
    bad_payloads = (b"", b"\xff", b"\x61", b"\x01\x01", b"\x62\xff\xfe", deep(5000), b"\xc0\x60")

    def make_codec(self) -> CborCodec:
        return CborCodec()
