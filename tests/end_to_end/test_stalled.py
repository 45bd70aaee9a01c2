"""One client of many stops reading while all are spoken to: the server keeps little, and the others feel nothing."""

from __future__ import annotations

import pytest

from benchmarks.stalled import TEXT, Result, case

#: Megabytes that are addressed to the client that does not read, and to each of the others.
ADDRESSED = 10
#: What may wait for one session, and what the memory of a process varies by itself.
LIMIT, ROUGHLY = 500_000, 3_000_000
#: Whatever else runs on the machine delays some deliveries, too; a client that is waited for delays them each time.
ATTEMPTS = 4


def everybody_is_accounted_for(result: Result) -> None:
    assert result.least == result.talker == result.published, "the others got everything"
    assert result.stalled + sum(result.told.values()) == result.published, "it got the rest, or was told"


@pytest.mark.slow
def test_one_of_a_thousand_stops_reading_and_neither_memory_nor_the_others_feel_it() -> None:
    bounds = ["message_buffer_size=1000", f"message_buffer_bytes={LIMIT}"]
    slower: list[float] = []
    while len(slower) < ATTEMPTS and not any(ratio < 1.5 for ratio in slower):
        result = case(ADDRESSED, conns=1000, settings=bounds)
        everybody_is_accounted_for(result)
        assert result.told == result.dropped == {"buffer_full": result.published - result.stalled}
        assert result.told["buffer_full"] * TEXT > 10 * LIMIT
        assert result.grown < LIMIT + ROUGHLY
        slower.append(result.slower_at_best)
    assert min(slower) < 1.5, slower


@pytest.mark.parametrize(
    ("policy", "reasons", "closed"),
    [
        ("drop_new", {"dropped_new"}, ""),
        ("conflate", {"conflated"}, ""),
        ("disconnect", {"overflow", "buffer_full"}, "slow_consumer"),
    ],
)
def test_it_is_told_of_what_it_missed_as_the_policy_says(policy: str, reasons: set[str], closed: str) -> None:
    result = case(1, conns=20, pairs=1, settings=[f'policies.everyone.policy="{policy}"'])
    everybody_is_accounted_for(result)
    assert result.told
    assert set(result.told) <= reasons
    assert result.closed == closed
