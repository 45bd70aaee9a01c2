"""No contract is left out in silence."""

from __future__ import annotations

import pytest

from rtcore.testing import CodecContract, Contract, PlainCodec


class Suite(Contract):
    def test_one(self):
        pass

    def test_two(self):
        pass

    def helper(self):
        pass


def test_a_subclass_may_add_tests_and_replace_helpers():
    class TestMine(Suite):
        def helper(self):
            pass

        def test_three(self):
            pass


@pytest.mark.parametrize("value", [None, lambda self: None, 0, property(lambda self: None)])
def test_a_test_that_is_replaced_or_removed_is_refused(value):
    with pytest.raises(TypeError, match=r"TestMine.test_one replaces a test of the contract"):
        type("TestMine", (Suite,), {"test_one": value})


def test_a_test_that_is_skipped_is_refused():
    with pytest.raises(TypeError, match="xfail"):

        class TestMine(Suite):
            @pytest.mark.skip(reason="not now")
            def test_one(self):
                pass


def test_an_xfail_without_a_reason_is_refused():
    with pytest.raises(TypeError, match="xfail"):

        class TestMine(Suite):
            @pytest.mark.xfail
            def test_one(self):
                pass


def test_an_xfail_with_a_reason_is_visible_and_so_allowed():
    class TestMine(Suite):
        @pytest.mark.xfail(reason="my format has no such thing")
        def test_one(self):
            super().test_one()


def test_what_holds_for_a_subclass_holds_for_its_subclasses():
    class Mine(Suite):
        pass

    with pytest.raises(TypeError):
        type("TestMine", (Mine,), {"test_two": None})


def test_a_mixin_cannot_stand_in_front_of_a_test():
    class Mixin:
        def test_one(self):
            pass

    with pytest.raises(TypeError, match="test_one"):

        class TestMine(Mixin, Suite):
            pass


class TestPlain(CodecContract):
    bad_messages = (b"{", b"{}", b'{"type":"a"}}', b'{"type":"a","payload":nil}')
    bad_controls = (b"[", b"[]", b'["ack"]', b"[1,{}]", b'["ack",[]]', b'["ack",{},1]')
    bad_frames = (b"1", b'"a"', b"null", b'{"type":"a"}\nx')
    bad_payloads = (b"", b"{", b"\xff")

    def make_codec(self):
        return PlainCodec()


def turned(text: bytes) -> bytes:
    return bytes(255 - byte for byte in text)


class TestTurned(CodecContract):
    bad_messages = tuple(map(turned, TestPlain.bad_messages))
    bad_controls = tuple(map(turned, TestPlain.bad_controls))
    bad_frames = tuple(map(turned, TestPlain.bad_frames))
    bad_payloads = tuple(map(turned, TestPlain.bad_payloads))

    def make_codec(self):
        return PlainCodec("turned", binary=True)


def test_a_frame_of_the_turned_codec_is_never_text():
    from rtcore.wire.message import Message

    with pytest.raises(UnicodeDecodeError):
        PlainCodec("turned", binary=True).encode(Message("a")).decode()
