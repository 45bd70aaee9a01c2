"""Running an app as a program: the loop, the signals, the garbage collector.

The first SIGTERM or SIGINT drains: nothing new is accepted, clients are told to attach elsewhere, what is pending is
delivered, then everything stops and the program exits with 0. A second signal ends it at once.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rtcore.app import App

#: Objects allocated before the collector looks at the young ones. The default, 700, makes it run thousands of times a
#: second on a busy server; messages are freed by their reference counts anyway.
_YOUNG = 50_000


def run(app: App, *, ready: Callable[[], None] = lambda: None) -> None:
    """Boot, start, wait for a signal, drain, stop. `ready` is called once everything is open."""
    app.boot()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(app, ready=ready))


async def serve(app: App, *, ready: Callable[[], None] = lambda: None) -> None:
    """The same inside of a running loop; takes over SIGTERM and SIGINT until it returns."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    serving = asyncio.current_task()

    def on_signal() -> None:
        if asked.is_set() and serving is not None:
            serving.cancel()
        asked.set()

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, on_signal)
    try:
        async with app:
            _calm_collector()
            ready()
            await asked.wait()
            await app.drain()
    except asyncio.CancelledError:
        if not asked.is_set():
            raise
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)


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
