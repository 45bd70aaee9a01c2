"""Running an app as a program: the loop, the signals, the garbage collector.

The first SIGTERM or SIGINT drains: nothing new is accepted, clients move elsewhere as soon as what they have under way
is done, then everything stops and the program exits with 0. A second signal ends it at once. See `rtcore.ending` for
what happens to code that does not end. SIGHUP reads the settings again (`rtcore.hangup`).
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from rtcore.ending import LAST, Ending
from rtcore.hangup import Hangup, Reload

if TYPE_CHECKING:
    from rtcore.app import App

#: Objects allocated before the collector looks at the young ones. The default, 700, makes it run thousands of times a
#: second on a busy server; messages are freed by their reference counts anyway.
_YOUNG = 50_000


def run(app: App, *, ready: Callable[[], None] = lambda: None, reload: Reload | None = None) -> None:
    """Boot, start, wait for a signal, drain, stop.

    Args:
        app: the app.
        ready: called once everything is open.
        reload: reads everything again; `app.reload` without one.

    After a signal this returns within `drain_time` + `stop_grace` seconds and a moment, or the process ends.
    """
    app.boot()
    with Ending() as ending, Hangup(reload or app.reload) as hangup:
        runner = asyncio.Runner(loop_factory=_loop_factory())
        try:
            runner.run(_serve(app, ready, ending, hangup))
        finally:
            ending.finish(runner)


async def serve(app: App, *, ready: Callable[[], None] = lambda: None) -> None:
    """The same inside of a running loop; takes over SIGTERM, SIGINT and SIGHUP until it returns."""
    app.boot()
    with Ending() as ending, Hangup(app.reload) as hangup:
        await _serve(app, ready, ending, hangup)


async def _serve(app: App, ready: Callable[[], None], ending: Ending, hangup: Hangup) -> None:
    options, asked = app.options, asyncio.Event()
    ending.expect(options.drain_time + options.stop_grace, asked.set)
    try:
        await app.start()
        try:
            _calm_collector()
            ready()
            hangup.begin()
            await asked.wait()
            await app.drain()
        finally:
            await app.stop(LAST / 2 if ending.asked > 1 else None)
    except asyncio.CancelledError:
        if not ending.asked:
            raise


def _calm_collector() -> None:
    """What was made while booting lives as long as the program: the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 50)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
