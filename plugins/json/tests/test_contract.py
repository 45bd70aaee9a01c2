from __future__ import annotations

from rtcore_json.codec import JsonCodec

from rtcore.testing import CodecContract


class TestJson(CodecContract):
    bad_messages = (
        b"{",
        b"{}",
        b'{"type":"a"}}',
        b'{"type":"a",}',
        b'{"type":"a","payload":nil}',
        b'{"type":"a","payload":"\xff"}',
        b'{"type":"\xc3"}',
        b'{"type":"a","payload":"\\ud800"}',
        b'{"type":"a","payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type":"a","priority":"' + b"z" * 10_000 + b'"}',
    )
    bad_controls = (b"[", b"[]", b'["ack"]', b"[1,{}]", b'["ack",[]]', b'["ack",{},1]', b"[" * 100_000)
    bad_frames = (b"1", b'"a"', b"null", b"\xff", b"\xef\xbb\xbf{}", b'{"type":"a"}\nx', b"\x00")
    bad_payloads = (b"", b"{", b"\xff", b'"\\ud800"', b"1" * 5000, b"[" * 100_000, b"NaN")

    def make_codec(self) -> JsonCodec:
        return JsonCodec()
