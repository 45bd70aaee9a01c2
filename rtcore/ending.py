"""The end of a program that serves: signals, and a watch that makes it come, whatever application code does.

    first SIGTERM or SIGINT     the app drains and stops: within `drain_time` + `stop_grace` seconds, and a moment
    second                      it stops without a drain, within a second
    third                       the process is gone

Rule: a handler that swallows its cancellation, a thread that sleeps and a loop that is blocked are left behind, and
named in the log: the process then ends as it is (`os._exit`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import PurePath
from types import FrameType
from typing import Any, Final, NoReturn, Self

_log = logging.getLogger("rtcore.serve")

#: Seconds in which everything is to end after a second signal; and what is given to what ends late.
LAST: Final = 1.0
#: Seconds that flushing what was printed may take.
FLUSH: Final = 0.5

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_order = struct.Struct("!dq")


class Ending:
    """Hears signals while it is entered, in the main thread; elsewhere there are none, and nothing is watched.

    Attributes:
        asked: how many signals have come.
        by: when the process has to be gone, in seconds of `time.monotonic`; `None` before the first signal.
        code: what it exits with if it has to be ended.
    """

    def __init__(self) -> None:
        self.asked = 0
        self.by: float | None = None
        self.code = 0
        self._patience = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._stop: Callable[[], None] = lambda: None
        self._before: list[tuple[signal.Signals, Any]] = []
        self._threads: set[threading.Thread] = set()
        self._watch: _Watch | None = None

    def __enter__(self) -> Self:
        self._threads = set(threading.enumerate())
        if threading.current_thread() is threading.main_thread():
            self._watch = _Watch(self._threads_at_work)
            self._threads.add(self._watch.thread)
            # Not the loop's own handlers: these run also while the loop does not turn.
            self._before = [(number, signal.signal(number, self._heard)) for number in _SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)
        if self._watch is not None:
            self._watch.close()

    def expect(self, patience: float, stop: Callable[[], None]) -> None:
        """Signals are for the present task from here on.

        Args:
            patience: seconds that it may take from the first signal to its end.
            stop: called in the loop after the first signal, at once if that has come already.
        """
        self._patience = patience
        self._loop, self._task, self._stop = asyncio.get_running_loop(), asyncio.current_task(), stop
        if self.asked:
            stop()

    def finish(self, runner: asyncio.Runner) -> None:
        """The app has stopped. Close the loop; leave behind what does not end in the time that there is.

        Without a signal nobody has asked the process to end: then this is `runner.close`.
        """
        if self.by is None:
            runner.close()
            return
        strays = _cancel_all(runner.get_loop(), self._left - FLUSH / 2)
        if strays:
            self.leave(f"task {task.get_name()!r}" for task in strays)
        # The threads of the loop's own executor: it would wait for them for minutes.
        runner.close()
        while threads := self._threads_at_work():
            if self._left <= FLUSH / 2:
                self.leave(f"thread {thread.name!r}{_where(thread)}" for thread in threads)
            threads[0].join(min(self._left, 0.05))

    def leave(self, behind: Iterable[str]) -> NoReturn:
        """End the process now; say what is left behind."""
        _log.error("the process ends, and leaves behind what did not: %s", ", ".join(behind))
        _exit(self.code)

    # -- inside --------------------------------------------------------------------------------------------

    @property
    def _left(self) -> float:
        return max(0.0, self.by - time.monotonic()) if self.by is not None else 0.0

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """A signal, in the middle of whatever the main thread does."""
        self.asked += 1
        if self.asked == 1:
            self._end_within(self._patience + LAST, 0)
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop)
            return
        self._end_within(LAST if self.asked == 2 else 0.0, 128 + number)
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def _end_within(self, seconds: float, code: int) -> None:
        self.by, self.code = time.monotonic() + seconds, code
        if self._watch is not None:
            self._watch.end_within(seconds, code)

    def _threads_at_work(self) -> list[threading.Thread]:
        """Threads that the interpreter would wait for, begun since this was entered."""
        return [
            thread
            for thread in threading.enumerate()
            if thread not in self._threads and not thread.daemon and not _is_idle(thread)
        ]


class _Watch:
    """A thread that ends the process when its time is up, whatever the others do meanwhile."""

    def __init__(self, at_work: Callable[[], list[threading.Thread]]) -> None:
        self._at_work = at_work
        self._ours, self._theirs = socket.socketpair()
        self.thread = threading.Thread(target=self._run, name="rtcore-watch", daemon=True)
        self.thread.start()

    def end_within(self, seconds: float, code: int) -> None:
        """The process must be gone in so many seconds. In a signal's handler: takes no lock."""
        self._ours.send(_order.pack(seconds, code))

    def close(self) -> None:
        """There is nothing to watch any more."""
        self._ours.close()
        self.thread.join()

    def _run(self) -> None:
        seconds: float | None = None
        code = 0
        with self._theirs as theirs:
            while True:
                ready, _, _ = select.select([theirs], [], [], seconds)
                if not ready:
                    break
                order = theirs.recv(_order.size)
                if not order:
                    return
                seconds, code = _order.unpack(order)  # the newest counts
        threads = [threading.main_thread(), *self._at_work()]
        behind = ", ".join(f"thread {thread.name!r}{_where(thread)}" for thread in threads)
        # Not by the log, whose locks may be what is held.
        os.write(2, f"rtcore: the time is up; the process ends, and leaves behind: {behind}\n".encode())
        _exit(code)


def _cancel_all(loop: asyncio.AbstractEventLoop, seconds: float) -> list[asyncio.Task[Any]]:
    """Cancel what still runs; return what does not end for it."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=max(seconds, 0.0)))
    return [task for task in tasks if not task.done()]


def _is_idle(thread: threading.Thread) -> bool:
    """Say whether it is an executor's thread that waits for work: those end with the interpreter."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - there is no other way to ask
    if frame is None:
        return True
    code = frame.f_code
    return code.co_name == "_worker" and PurePath(code.co_filename).parts[-2:] == ("futures", "thread.py")


def _where(thread: threading.Thread) -> str:
    """Return where a thread is, as text."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 - there is no other way to ask
    if frame is None:
        return ""
    code = frame.f_code
    return f" in {code.co_qualname} ({code.co_filename}:{frame.f_lineno})"


def _exit(code: int) -> NoReturn:
    """End the process. What was printed gets out first, unless something holds that up as well."""
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(FLUSH)
    os._exit(code)


def _flush() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
