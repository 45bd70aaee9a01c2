"""Accepting: one call per connection from a listening socket to a transport.

aiofastnet's own server makes a task for each connection, since a TLS handshake may have to be waited for, and sets
options again that the socket has from its listener. Without TLS there is nothing to wait for.

Rule: so few are accepted in one turn of the loop that fewer descriptors than `Places` keeps free can be used up in it,
and that a flood of connects leaves a turn to everybody else.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from typing import Any, Final, cast

from aiofastnet.selector_transport import SelectorSocketTransport  # type: ignore[import-not-found]  # a C module

_log = logging.getLogger("rtcore.http")

#: Connections accepted in one turn of the loop.
AT_ONCE: Final = 8
#: Seconds without accepting after the system had no room for one more.
PAUSE: Final = 1.0

_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Accepted(socket.socket):
    """A connection's socket. Its options are those of its listener.

    Attributes:
        settled: nobody need set or ask for options just now. For a library that sets what the listener has set and
            asks for others to log them: six system calls. It says nothing about them meanwhile.
    """

    __slots__ = ("settled",)

    def __init__(self, family: int, type: int, proto: int, fileno: int) -> None:
        super().__init__(family, type, proto, fileno)
        self.settled = False

    def setsockopt(self, *option: Any) -> None:
        if not self.settled:
            super().setsockopt(*option)

    def getsockopt(self, *option: Any) -> Any:
        return 0 if self.settled else super().getsockopt(*option)


def accepted(transport: asyncio.BaseTransport) -> Accepted | None:
    """Return the socket of a transport that was made here; `None` if somebody else has made it."""
    sock = getattr(transport.get_extra_info("socket"), "_sock", None)
    return sock if isinstance(sock, Accepted) else None


class Acceptor:
    """Accepts the connections of one listening socket, without TLS.

    Args:
        sock: listens, and does not block. Whoever owns it closes it, after `close`.
        protocol: makes one for each connection; what it raises drops the connection.
    """

    def __init__(self, sock: socket.socket, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._kind = (int(sock.family), int(sock.type), sock.proto)
        self._protocol = protocol
        self._pause: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Accept no more. Connections that were accepted live on."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._sock.fileno())

    def _open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._sock.fileno(), self._ready)

    def _ready(self) -> None:
        """Accept what the system has queued, up to `AT_ONCE`."""
        for _ in range(AT_ONCE):
            try:
                number, _address = cast(Any, self._sock)._accept()  # noqa: SLF001 - `accept` asks the socket four things
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                self._failed(error)
                return
            self._take(Accepted(*self._kind, number))

    def _take(self, sock: Accepted) -> None:
        try:
            SelectorSocketTransport(self._loop, sock, self._protocol())
        except Exception as error:  # noqa: BLE001 - one connection must not end the accepting of others
            if not isinstance(error, ConnectionError):
                _log.exception("a connection could not be taken")
            sock.close()

    def _failed(self, error: OSError) -> None:
        if error.errno not in _NO_ROOM:
            raise error
        # The system says again and again that there is one to accept, and has nothing to accept it with.
        _log.error("no connection is accepted for %s s: %s", PAUSE, error.strerror)
        self._loop.remove_reader(self._sock.fileno())
        self._pause = self._loop.call_later(PAUSE, self._open)
