"""A soak: cycles of a crowd and a rest, on a real server in a process of its own. `flat` says what flat means."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from benchmarks.load import free_port, pinned
from benchmarks.polling import loop_factory
from benchmarks.stalled import Peer
from tests.soak.crowd import Crowd
from tests.soak.flat import Rest, complaints

ROOT: Final = Path(__file__).parents[2]
#: Seconds after a crowd has gone within which the server must be at rest.
PATIENCE: Final = 20.0
#: Cycles at least: a trend of fewer rests is noise.
CYCLES: Final = 5
#: How long nothing may change for it to be called a rest: longer than the server's own timers.
CALM: Final = 2.5


@attrs.define
class Report:
    """What a soak saw, on the server and in the client's process. `wrong` is empty if all was well."""

    server: list[Rest] = attrs.field(factory=list)
    client: list[Rest] = attrs.field(factory=list)
    did: Counter[str] = attrs.field(factory=Counter)
    drops: dict[str, int] = attrs.field(factory=dict)
    wrong: list[str] = attrs.field(factory=list)

    def lines(self) -> list[str]:
        """Say it."""
        happened = ", ".join(f"{n:,} {what}" for what, n in sorted(self.did.items()))
        dropped = ", ".join(f"{n:,} {reason}" for reason, n in self.drops.items()) or "nothing"
        return [
            f"happened: {happened}",
            f"dropped by the server, and counted: {dropped}",
            *(f"WRONG: {one}" for one in self.wrong),
            "flat" if not self.wrong else f"{len(self.wrong)} things were wrong",
        ]


def soak(
    seconds: float,
    *,
    size: int,
    talk: float,
    settings: Sequence[str] = (),
    say: Callable[[str], Any] = lambda _line: None,
) -> Report:
    """Run cycles for so many seconds.

    Args:
        seconds: in all; at least `CYCLES` cycles are run.
        size: of the crowd: see `Crowd`.
        talk: seconds of each cycle's crowd.
        settings: of the server, and `leak=…`.
        say: is told what was seen at each rest.
    """
    port = free_port()
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            pinned(0, [sys.executable, "-m", "tests.soak.server", str(port), *settings]),
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                report = runner.run(_soak(port, seconds, size, talk, say))
        finally:
            process.terminate()
            process.wait(30)
        log.seek(0)
        report.wrong += [
            f"the server's log: {line}" for line in _alarming(log.read().decode(errors="replace"))
        ]
    return report


async def _soak(port: int, seconds: float, size: int, talk: float, say: Callable[[str], Any]) -> Report:
    report = Report()
    watcher = Peer(port, "watcher")
    await _connect(watcher)
    begun = time.monotonic()
    cycle = 0
    while cycle < CYCLES or time.monotonic() - begun < seconds:
        cycle += 1
        crowd = Crowd(port, size=size, seed=cycle)
        await crowd.stay(talk)
        report.did += crowd.did
        report.wrong += [f"cycle {cycle}: {one}" for one in crowd.wrong]
        del crowd
        stats = await _rest(watcher, report)
        report.server.append(Rest(stats["tasks"], stats["fds"], stats["objects"], stats["rss"]))
        report.client.append(_here())
        report.drops = stats["drops"]
        here, there = report.client[-1], report.server[-1]
        say(
            f"cycle {cycle:3} {time.monotonic() - begun:6.0f} s   server {there.rss / 2**20:6.1f} MiB, "
            f"{there.objects:,} objects, {there.tasks} tasks, {there.fds} descriptors   "
            f"clients {here.objects:,} objects, {here.tasks} tasks, {here.fds} descriptors"
        )
    watcher.socket.abort()
    report.wrong += [f"server, {one}" for one in complaints(report.server)]
    report.wrong += [f"clients, {one}" for one in complaints(report.client)]
    return report


async def _connect(watcher: Peer) -> None:
    """Wait until the server listens."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await watcher.connect()
            except ConnectionError:
                await asyncio.sleep(0.1)


async def _rest(watcher: Peer, report: Report) -> dict[str, Any]:
    """Wait until only the watcher is left, and nothing changes any more; return what the server says then."""
    loop = asyncio.get_running_loop()
    end, since = loop.time() + PATIENCE, loop.time()
    before: tuple[int, ...] = ()
    while True:
        stats: dict[str, Any] = await watcher.ask("stats")
        now = stats["sessions"], stats["tasks"], stats["fds"]
        if now != before:
            before, since = now, loop.time()
        if stats["sessions"] == 1 and loop.time() - since > CALM:
            return stats
        if loop.time() > end:
            if stats["sessions"] != 1:
                report.wrong.append(
                    f"{stats['sessions'] - 1} sessions are left {PATIENCE:g} s after everybody"
                )
            return stats
        await asyncio.sleep(0.25)


def _here() -> Rest:
    """What this process has; its memory is mostly the test's own."""
    gc.collect()
    fds = sum(1 for _ in Path("/proc/self/fd").iterdir())
    return Rest(len(asyncio.all_tasks()), fds, len(gc.get_objects()), 0)


def _alarming(log: str) -> list[str]:
    """Return the beginning of what the server has logged: without a handler that is warnings and what is worse."""
    return log.splitlines()[:40]
