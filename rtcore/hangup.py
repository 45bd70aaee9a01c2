"""SIGHUP: the settings and certificates are read again; and where it says that the terminal is gone, the end.

Rule: what is new and bad changes nothing, is named in the log, and the server goes on with what it had. A process that
was started to outlive its terminal (`nohup`) ignores the signal, as it was told.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

from rtcore.errors import SettingsError

if TYPE_CHECKING:
    from rtcore.reloading import Reloaded

_log = logging.getLogger("rtcore.serve")

Reload = Callable[[], "Reloaded"]


class Hangup:
    """Hears the signal while it is entered, in the main thread; elsewhere, and on Windows, there is none.

    Args:
        reload: reads everything again, or raises and has changed nothing.
    """

    def __init__(self, reload: Reload) -> None:
        self._reload = reload
        self._before: Any = None
        self._has_terminal = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asked = False

    def __enter__(self) -> Self:
        main = threading.current_thread() is threading.main_thread()
        if main and hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            self._has_terminal = has_terminal()
            self._before = signal.signal(signal.SIGHUP, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)

    def begin(self) -> None:
        """The app runs: do what was asked for, from now on at once."""
        self._loop = asyncio.get_running_loop()
        if self._asked:
            self.again()

    def again(self) -> None:
        """Read everything again, and say what came of it."""
        self._asked = False
        try:
            found = self._reload()
        except SettingsError as error:
            for problem in error.problems:
                _log.error("not read again, the old settings stay in force: %s", problem)
        except Exception as error:  # noqa: BLE001 - whatever it is, the server goes on
            _log.error("not read again, the old settings stay in force: %s", error)
        else:
            _log.info("read again: %s", ", ".join(found.changed) or "no setting has changed")
            if found.kept:
                _log.warning("these need a restart, and are as they were: %s", ", ".join(found.kept))

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """The signal, in the middle of whatever the main thread does."""
        if self._has_terminal and not has_terminal():
            signal.raise_signal(signal.SIGTERM)
            return
        self._asked = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.again)


def has_terminal() -> bool:
    """Say whether the process has a terminal that it could be stopped from."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
