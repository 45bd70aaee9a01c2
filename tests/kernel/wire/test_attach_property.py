"""The promise of attach, under schedules that nobody would think of.

A seed is a schedule: `play(Random(seed))` repeats what a failure names. RTCORE_SCHEDULES=1000000 goes deeper.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .simulator import RARE, USUAL, Violation, play

SCHEDULES = int(os.environ.get("RTCORE_SCHEDULES", "20000"))
BLOCKS = 8


@pytest.mark.timeout(0 if SCHEDULES > 100_000 else 300)
@pytest.mark.parametrize("block", range(BLOCKS))
def test_within_the_window_every_message_arrives_once_and_in_order_and_beyond_it_both_ends_know(block):
    for seed in range(block * SCHEDULES // BLOCKS, (block + 1) * SCHEDULES // BLOCKS):
        try:
            play(Random(seed))
        except Violation as violation:
            pytest.fail(f"schedule {seed}: {violation}")


@given(seed=st.integers(0, 2**32), acts=st.lists(st.sampled_from(sorted({*USUAL, *RARE})), max_size=60))
@settings(max_examples=max(500, SCHEDULES // 20), deadline=None, derandomize=True)
def test_no_schedule_that_hypothesis_makes_and_shrinks_breaks_the_promise(seed, acts):
    play(Random(seed), acts=acts)


def test_the_schedules_reach_the_rare_cases():
    worlds = [play(Random(seed)) for seed in range(500)]
    sessions = [session for world in worlds for session in world.server.sessions.values()]
    assert sum(session.era > 0 for session in sessions) > 20, "counts that began again"
    assert sum(len(world.server.expired) for world in worlds) > 10, "sessions that expired"
    assert sum(client.stopped for world in worlds for client in world.clients) > 5, (
        "clients that gave way to a copy"
    )
    assert sum(world.server.attaches for world in worlds) > 5 * len(worlds), "attaches"
