"""What can be measured, case by case: the load, and which figure of it is the one to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from benchmarks import beside, polling, stalled, storm
from benchmarks.load import TEXT, drive, server

Target = Mapping[str, Any]
Row = dict[str, Any]


class Case(NamedTuple):
    """One case.

    Attributes:
        text: what it is, in a line.
        measure: runs it on a fresh server for so many seconds.
        needs: keys that a target must have for it.
        figure: which figure is compared with the limit's.
    """

    text: str
    measure: Callable[[Target, float], Row]
    needs: tuple[str, ...] = ()
    figure: str = "delivered_per_s"


def load(template: str, *arguments: str, settings: tuple[str, ...] = ()) -> Callable[[Target, float], Row]:
    """Publish a template of the target in a closed loop, as `rtload`'s arguments say."""

    def measure(target: Target, seconds: float) -> Row:
        more = ["--seconds", str(seconds), "--warmup", "1"]
        publish = ["--publish", target[template].replace("@TEXT@", TEXT)]
        with server(target, *settings) as (port, pid):
            return drive(port, pid, target, [*arguments, *more, *publish])

    return measure


def connect(conns: int, *, joins: bool) -> Callable[[Target, float], Row]:
    """Only connect; with `joins` every connection also says what makes it a member of the room."""

    def measure(target: Target, seconds: float) -> Row:
        if not joins:
            target = {**target, "init": []}
        with server(target) as (port, pid):
            return drive(port, pid, target, ["--conns", str(conns), "--idle", "--seconds", "1"])

    return measure


def rooms(count: int) -> Callable[[Target, float], Row]:
    """Let 1,000 sessions be in 100 rooms each, of `count` in all; 1,000 deliveries are in flight in either case.

    One is over when all members have theirs. If its publisher had only to wait for its own, it could publish again
    before the others have been written to: in rooms of 1,000, and in no others, two messages would leave in one write.
    """
    publishers = count // 100
    arguments = [
        "--conns", "1000", "--rooms", str(count), "--joins", "100", "--publishers", str(publishers),
        "--fan", str(100_000 // count), "--outstanding", "1000", "--settle", "8000", "--warmup", "1", "--spin",
    ]  # fmt: skip

    def measure(target: Target, seconds: float) -> Row:
        target = {**target, "init": []}
        more = ["--seconds", str(seconds), "--join", target["join"]]
        publish = ["--publish", target["publish_to"].replace("@TEXT@", TEXT)]
        with server(target) as (port, pid):
            return drive(port, pid, target, [*arguments, *more, *publish])

    return measure


def members(conns: int, window: int) -> Callable[[Target, float], Row]:
    """Publish to 1,000 sessions of so many that are connected."""
    arguments = ["--conns", str(conns), "--members", "1000", "--publishers", "1", "--window", str(window)]

    def measure(target: Target, seconds: float) -> Row:
        target = {**target, "init": []}
        more = ["--seconds", str(seconds), "--warmup", "1", "--settle", "1500", "--join", target["join"]]
        publish = ["--publish", target["publish_to"].replace("@TEXT@", TEXT)]
        with server(target) as (port, pid):
            return drive(port, pid, target, [*arguments, *more, *publish])

    return measure


_FAN: Final = ("--conns", "1000", "--publishers")
_ROOMS: Final = ("join", "publish_to")

CASES: Final[Mapping[str, Case]] = {
    "echo": Case(
        "round trips of 100 clients",
        load("echo", "--conns", "100", "--publishers", "100", "--window", "1"),
        ("echo",),
    ),
    "fan1": Case(
        "a room of 1,000, 1 message in flight", load("publish", *_FAN, "1", "--window", "1"), ("publish",)
    ),
    "fan4": Case("the same, 4 in flight", load("publish", *_FAN, "1", "--window", "4"), ("publish",)),
    "fan64": Case("the same, 64 in flight", load("publish", *_FAN, "1", "--window", "64"), ("publish",)),
    "fan50x4": Case(
        "50 publishers, 4 in flight each", load("publish", *_FAN, "50", "--window", "4"), ("publish",)
    ),
    "idle": Case("8,000 idle members: memory each", connect(8000, joins=True), ("publish",), "conn_per_s"),
    "connect": Case("5,000 connects, in no room", connect(5000, joins=False), ("publish",), "conn_per_s"),
    "of1k": Case("a room of 1,000 with 1,000 connected, 4 in flight", members(1000, 4), _ROOMS),
    "of10k": Case("a room of 1,000 with 10,000 connected, 4 in flight", members(10_000, 4), _ROOMS),
    "rooms100": Case("100 rooms of 1,000, each session in 100 of them", rooms(100), _ROOMS),
    "rooms10k": Case("10,000 rooms of 10, each session in 100 of them", rooms(10_000), _ROOMS),
    "all1": Case("1,000 listen to a broadcast, 1 in flight", beside.everyone(1), ("everyone",)),
    "all4": Case("the same, 4 in flight", beside.everyone(4), ("everyone",)),
    "all64": Case("the same, 64 in flight", beside.everyone(64), ("everyone",)),
    "bystander": Case(
        "pings of one session while 10,000 get broadcasts", beside.bystander, ("everyone", "ping"), "p99_us"
    ),
    "polling": Case("round trips of 100 clients that poll", polling.measure("trips", 100), ("polling",)),
    "polled": Case(
        "a room of 200 that poll, 4 messages in flight", polling.measure("room", 200), ("polling", "publish")
    ),
    "storm": Case(
        "5,000 sessions cut at once: until all are back with everything",
        storm.measure,
        ("storms",),
        "seconds",
    ),
    "stalled": Case(
        "1 of 1,000 stops reading while 200 MB are broadcast to each: what the others feel",
        stalled.measure,
        ("stalls",),
        "slower",
    ),
}
