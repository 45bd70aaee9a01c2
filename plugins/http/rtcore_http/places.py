"""How many connections there is place for: each takes a file descriptor, and some stay free.

Rule: it costs nothing to ask. The system hands out the lowest number that is free, so that a high one tells.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import resource
import socket

from rtcore_http.accept import AT_ONCE


class Places:
    """Who is inside, and how many file descriptors are left: the lowest free number is handed out, so a high one tells.

    Args:
        spare: descriptors that stay free for files, the broker and the next restart.
    """

    def __init__(self, spare: int) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != hard:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
                soft = hard
            except (ValueError, OSError):
                pass
        limit = 1 << 30 if soft == resource.RLIM_INFINITY else soft
        self._soft = max(limit - spare, 16)
        self._hard = max(limit - max(spare // 4, 2 * AT_ONCE), 24)
        self._gone: bool | None = None
        self._inside = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def enter(self) -> None:
        """A connection began."""
        self._inside += 1
        self._empty.clear()

    def leave(self) -> None:
        """It ended, or was handed over."""
        self._inside -= 1
        if not self._inside:
            self._empty.set()

    async def wait_empty(self) -> None:
        """Wait until none is left: after `close` on a transport its socket still has a last thing or two to say."""
        await self._empty.wait()

    def scarce(self, transport: asyncio.BaseTransport) -> bool:
        """Whether this connection has one of the last descriptors."""
        sock: socket.socket | None = transport.get_extra_info("socket")
        return sock is not None and sock.fileno() >= self._soft

    def gone(self, listening: int) -> bool:
        """Whether not even an answer can be afforded. Asked before a TLS handshake, which may take its time.

        aiofastnet's accept loop does not survive running out; a number is asked for and given back instead, and the
        answer holds for all that were accepted in this turn: the one that is dropped leaves a low number behind.
        """
        if self._gone is None:
            try:
                number = fcntl.fcntl(listening, fcntl.F_DUPFD_CLOEXEC, 0)
            except OSError:
                number = self._hard
            else:
                os.close(number)
            self._gone = number >= self._hard
            asyncio.get_running_loop().call_soon(self._ask_again)
        return self._gone

    def _ask_again(self) -> None:
        self._gone = None
