"""The short form of `make soak`: a few cycles."""

from __future__ import annotations

import pytest

from tests.soak.soak import soak


@pytest.mark.slow
def test_after_each_crowd_the_server_is_as_it_was_before() -> None:
    report = soak(30, size=1, talk=1.5)
    assert report.wrong == []
    for what in ("deeds", "moves", "cuts", "vanished", "slow readers", "lurkers", "broadcasts", "streams"):
        assert report.did[what], f"there were no {what}"
