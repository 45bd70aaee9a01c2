"""The policies of docs/wire.md: the vectors that every client runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest
from rtcore_client import acks
from rtcore_client.acks import Acks
from rtcore_client.backoff import Backoff
from rtcore_client.chain import Chain
from rtcore_client.pace import Pace

from rtcore.wire import ClientLine, Welcome

ROWS = json.loads((resources.files("rtcore.testing") / "vectors/policy.json").read_text(encoding="utf-8"))


def of(policy: str) -> Callable[[Any], Any]:
    rows = [row for row in ROWS if row["policy"] == policy]
    assert rows
    return pytest.mark.parametrize("row", rows, ids=lambda row: row["name"])


def test_every_vector_belongs_to_a_policy_that_is_run():
    assert {row["policy"] for row in ROWS} == {"reconnect", "fallback", "pacing", "acks"}


@of("reconnect")
def test_reconnect(row):
    for step in row["steps"]:
        backoff = Backoff(
            row["delay"], row["cap"], uniform=lambda low, high, s=step: low + s["random"] * (high - low)
        )
        seconds = backoff.delay(
            step["attempt"], base=step.get("advice", 0.0), retry_after=step.get("retry_after")
        )
        assert seconds == pytest.approx(step["expect"]), step


@of("fallback")
def test_fallback_and_climbing(row):
    now = 100.0
    chain = Chain(row["preference"], clock=lambda: now)
    for step in row["steps"]:
        match step["do"]:
            case "order":
                assert chain.order(step.get("first")) == step["expect"], step
            case "better":
                assert chain.better(step["than"]) == step["expect"], step
            case "lost":
                chain.lost(step["type"], step["lived"])
            case "worked":
                chain.worked(step["type"])
            case "prefer":
                chain.prefer(step["type"])
            case "pass":
                now += step["seconds"]


@of("pacing")
def test_pacing(row):
    now = 100.0
    pace = Pace(row["rate_per_second"], row["burst"])
    for step in row["steps"]:
        match step["do"]:
            case "wait":
                assert pace.wait(now) == pytest.approx(step["expect"], abs=1e-3), step
            case "spend":
                pace.spend(now, step["messages"])
            case "pass":
                now += step["seconds"]


class Timers:
    """The loop's `call_later`, by a clock of the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: list[tuple[float, Callable[[], None], Any]] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        handle = asyncio.TimerHandle(self.now + seconds, call, (), asyncio.new_event_loop())
        handle._loop.close()
        self.due.append((self.now + seconds, call, handle))
        return handle

    def go(self, seconds: float) -> None:
        self.now += seconds
        due, self.due = [t for t in self.due if t[0] <= self.now], [t for t in self.due if t[0] > self.now]
        for _, call, handle in due:
            if not handle.cancelled():
                call()


class Told:
    """The session of an `Acks`: what it has received, and what it was made to say."""

    def __init__(self) -> None:
        self.line = ClientLine()
        self.said: list[int] = []

    def control(self, name: str, fields: dict[str, Any]) -> None:
        assert name == "ack"
        self.said.append(fields["n"])


@of("acks")
def test_acks(row, monkeypatch):
    timers, told = Timers(), Told()
    monkeypatch.setattr(acks.asyncio, "get_running_loop", lambda: timers)
    policy = Acks(told)
    policy.begin(
        Welcome("s", "k", 1, "", resumed=False, received=0, begins=0, limits={"window": row["window"]})
    )
    for step in row["steps"]:
        before = len(told.said)
        if step["do"] == "frame":
            told.line.received = step["received"]
            policy.due(step["received"], step["size"], confirms=False)
        else:
            timers.go(step["seconds"])
        assert told.said[before:] == step["expect"], step
