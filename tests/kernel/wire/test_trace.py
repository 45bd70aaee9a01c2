from __future__ import annotations

import pytest

from rtcore.wire.trace import TraceContext, parse, recorded

GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_traceparent_is_read_and_written():
    context = parse(GOOD)
    assert context == TraceContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 1)
    assert str(context) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        GOOD.upper(),
        "ff" + GOOD[2:],
        GOOD.replace("0af7651916cd43dd8448eb211c80319c", "0" * 32),
        GOOD.replace("b7ad6b7169203331", "0" * 16),
        GOOD[:-1],
        GOOD + "-more",
        "01" + GOOD[2:] + "more",
    ],
)
def test_what_the_specification_calls_invalid_is_nothing(text):
    assert parse(text) is None


def test_a_later_version_may_carry_more():
    assert parse("01" + GOOD[2:] + "-more") == parse(GOOD)


@pytest.mark.parametrize(
    ("flags", "said"), [("00", False), ("01", True), ("02", False), ("03", True), ("ff", True)]
)
def test_one_look_says_whether_it_is_recorded(flags, said):
    assert recorded(GOOD[:-2] + flags) == said
