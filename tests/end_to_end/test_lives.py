"""A day in the life, in its short form; `make lives` is the long one.

Clients of both languages over all transports, behind networks that cut, slow down, refuse and delay; reloads of pages;
a drain to a second server, and a crash of that. What each client saw is compared with what was sent: nothing lost,
nothing twice, nothing out of order, each request with one answer. What only the memory of a dead server held is told
as lost, and nothing else is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.lives import diary
from tests.lives.lives import lives


@pytest.mark.slow
@pytest.mark.timeout(280)
async def test_a_day_of_many_clients():
    report = await lives(
        clients=32, messages=40, pause=0.1, seed=11, reloads=2, processes=1, say=lambda _: None
    )
    print("\n".join(report.lines()))
    assert not report.wrong, "\n".join(report.wrong[:20])
    happened = report.happened
    assert happened["said"] > 5_000
    assert happened["reloads"] == 8
    assert sum(n for what, n in happened.items() if what.startswith("cuts")) > 20
    assert happened["asked: ok"] > 150, "requests were answered, not only failed properly"
    assert happened["sent: ok"] > 800


# -- the check finds what it is there for ----------------------------------------------------------------------------

SAID = [["session", "a", False], *(["said", "r", "e", n, "x", n] for n in range(1, 6))]


def wrong(*diaries, runs=(), **more):
    return diary.read(dict(zip("xyz", diaries, strict=False)), runs, last="a", **more)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        (SAID, ""),
        ([*SAID[:3], *SAID[4:]], "are missing"),
        ([*SAID[:3], SAID[2], *SAID[3:]], "repeated"),
        ([*SAID[:2], SAID[3], SAID[2], *SAID[4:]], "out of order"),
        (SAID[:4], "stopped at 3 of 5"),
        ([*SAID[:3], ["gap", "buffer_full", 1, "r"], *SAID[4:]], ""),
        ([*SAID[:3], ["gap", "buffer_full", 1, "other"], *SAID[4:]], "are missing"),
        ([*SAID, ["said", "r", "f", 1, "x", 9]], "no new session was told"),
        ([*SAID[:3], ["page"], *SAID[2:]], ""),
        ([SAID[0], ["said", "r", "e", 1, "x", 7], *SAID[2:]], "for others"),
    ],
)
def test_what_a_room_told_is_judged(entries, expected):
    found = "\n".join(wrong(SAID, entries))
    assert (expected in found) if expected else not found


@pytest.mark.parametrize(
    ("entries", "runs", "expected"),
    [
        ([["sent", "r", 1, "ok"]], (), ""),
        ([["sent", "r", 8, "ok"]], (), "nobody has it"),
        ([["sent", "r", 1, "ok"], ["sent", "r", 1, "timeout"]], (), "2 outcomes"),
        ([["asked", 3, "ok", 9]], ("x 3",), ""),
        ([["asked", 3, "ok", 8]], ("x 3",), "answered with 8"),
        ([["asked", 3, "ok", 9]], (), "never ran"),
        ([["asked", 3, "ok", 9]], ("x 3", "x 3"), "ran 2 times"),
        ([["asked", 3, "unknown_outcome", None]], (), ""),
    ],
)
def test_outcomes_are_judged(entries, runs, expected):
    found = "\n".join(wrong([*SAID, *entries], runs=runs))
    assert (expected in found) if expected else not found


def test_what_only_a_dead_server_held_may_be_lost():
    diary_ = [["session", "b", False], ["sent", "r", 8, "ok"], *SAID]
    assert wrong(diary_)
    assert not wrong(diary_, killed=["b"])
