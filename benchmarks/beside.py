"""Cases with two load generators: one that listens and one that does something else at the same time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.load import TEXT, command, loading, server

Target = Mapping[str, Any]
Row = dict[str, Any]


def everyone(window: int, *, conns: int = 1000) -> Callable[[Target, float], Row]:
    """Broadcast to all sessions; they listen on the target's `stream`, if it has one, else on its WebSocket."""

    def measure(target: Target, seconds: float) -> Row:
        with server(target) as (port, _), loading(_listen(port, target, conns, seconds)) as listeners:
            listeners.opened()
            with loading(_broadcast(port, target, window)) as publisher:
                publisher.opened()
                return listeners.result()

    return measure


def bystander(target: Target, seconds: float) -> Row:
    """Ping 50 times a second on one session while 10,000 others get broadcasts as quickly as they are flushed.

    The listeners confirm what they get, as clients do: the server reads that, too. The pinging session gets the
    broadcasts as well, so its own time marks have a sign of their own: a broadcast takes as long as its flush, and a
    ping must not.
    """
    ping = ["--conns", "1", "--publishers", "1", "--rate", "50", "--publish", target["ping"], "--sign", "^"]
    acks = ["--ack", target["ack"]] if "ack" in target else []
    with server(target) as (port, _):
        alone = _ping(port, target, ping, seconds)
        with loading(_listen(port, target, 10_000, seconds + 60, *acks)) as listeners:
            listeners.opened()
            with loading(_broadcast(port, target, 1)) as publisher:
                publisher.opened()
                time.sleep(1.0)
                row = _ping(port, target, ping, max(seconds, 5.0))
    return {**row, "note": f"alone: p99 {alone['p99_us'] / 1e3:.2f} ms"}


def _ping(port: int, target: Target, ping: list[str], seconds: float) -> Row:
    call = [*command(port, target, ping), "--seconds", str(seconds), "--warmup", "0.5"]
    with loading(call, eager=True) as load:
        return load.result()


def _listen(port: int, target: Target, conns: int, seconds: float, *more: str) -> list[str]:
    arguments = ["--conns", str(conns), "--idle", "--announce", "--seconds", str(seconds), "--warmup", "1"]
    arguments += ["--settle", "1500", *more]
    if "stream" in target:
        arguments += ["--raw", "--request", target["stream"]]
        target = {**target, "hello": []}
    return command(port, {**target, "init": []}, arguments)


def _broadcast(port: int, target: Target, window: int) -> list[str]:
    arguments = [
        "--conns",
        "1",
        "--publishers",
        "1",
        "--window",
        str(window),
        "--announce",
        "--seconds",
        "600",
    ]
    publish = ["--publish", target["everyone"].replace("@TEXT@", TEXT)]
    return command(port, {**target, "init": []}, [*arguments, *publish])
