"""Sockets of this process that a forked child must not keep.

Python's sockets are closed in what is executed (PEP 446). A child that is only forked, as `multiprocessing` does it on
Linux, or a handler with `os.fork`, has copies of all of them: the port would stay taken when the server is long gone,
and the connections of clients would not end when the server ends them.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakMethod


class Numbered(Protocol):
    """A socket, or what stands for one."""

    def fileno(self) -> int: ...


class Forks:
    """Closes, in each child that is forked, what servers listen on and what they have accepted there."""

    def __init__(self) -> None:
        self._listening: list[Callable[[], Iterable[Numbered]]] = []

    def close_in_children(self, listening: Callable[[], Iterable[Numbered]]) -> None:
        """Close these listening sockets in children, and the connections that came by them.

        Args:
            listening: called in each child; returns those that are open.
        """
        if not self._listening and hasattr(os, "register_at_fork"):
            # It cannot be taken back: what stays of an app that is gone is a reference to nothing.
            os.register_at_fork(after_in_child=_Weakly(WeakMethod(self._close)))
        if listening not in self._listening:  # a transport that starts again
            self._listening.append(listening)

    def _close(self) -> None:
        ports = set[tuple[int, Any]]()
        for listening in self._listening:
            for sock in listening():
                number = sock.fileno()
                if number >= 0:
                    ports |= _place(number)
                    _shut(number)
        if not ports:
            return
        for number in _descriptors():
            if _place(number) & ports:
                _shut(number)


class _Weakly:
    def __init__(self, method: WeakMethod[Callable[[], None]]) -> None:
        self._method = method

    def __call__(self) -> None:
        method = self._method()
        if method is not None:
            method()


def _descriptors() -> list[int]:
    """Return the open descriptors; none where the system does not list them."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError):
            return [int(path.name) for path in Path(folder).iterdir()]
    return []


def _place(number: int) -> set[tuple[int, Any]]:
    """Return family and port of a TCP socket: what it has accepted has the same. Nothing of any other descriptor."""
    try:
        copy = socket.socket(fileno=os.dup(number))
    except OSError:
        return set()
    with copy:
        try:
            if copy.family in {socket.AF_INET, socket.AF_INET6} and copy.type == socket.SOCK_STREAM:
                return {(copy.family, copy.getsockname()[1])}
        except OSError:
            pass
    return set()


def _shut(number: int) -> None:
    """Close the socket, and keep its number taken: an object of the child still has it, and will close it one day."""
    with contextlib.suppress(OSError):
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, number, inheritable=False)
        os.close(nothing)
