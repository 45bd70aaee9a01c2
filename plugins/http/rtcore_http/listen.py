"""Listening sockets, and what accepts from them: ours, aiofastnet's server for TLS, or the event loop's own."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiofastnet

from rtcore_http.accept import AT_ONCE, Acceptor
from rtcore_http.tls import Unheard

_log = logging.getLogger("rtcore.http")

#: How a system says that it has no IPv6 (`socket` or `bind`).
NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
#: Ports that are tried until one is free in both families, if any will do.
ATTEMPTS: Final = 16


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach an address.

    >>> is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


def remedy(host: str, error: OSError) -> str:
    """Return what to do about an address that cannot be listened on."""
    if ":" in host and error.errno in NO_IPV6:
        return "this system has no IPv6, or not this address: set `http.host` to one of its own, or to an IPv4 address"
    if error.errno == errno.EADDRINUSE:
        return "free it, or choose another with `http.port` or `--port`"
    if error.errno == errno.EACCES:
        return "ports from 1024 on may be opened by everybody; choose one with `http.port` or `--port`"
    return "set `http.host` to an address of this machine"


class Listener:
    """Listens on every address of a host; of `::` on those of both families.

    Args:
        host, port: as in the settings; with port 0 all addresses get the same one.
        backlog: connections that the system queues.
        notsent_lowat, receive_buffer: bytes, of each connection's socket; 0 for the system's own choice.
    """

    def __init__(
        self, host: str, port: int, *, backlog: int, notsent_lowat: int = 0, receive_buffer: int = 0
    ) -> None:
        self._host = host
        self._port = port
        self._backlog = backlog
        self._notsent_lowat = notsent_lowat
        self._receive_buffer = receive_buffer
        self._sockets: list[socket.socket] = []
        self._servers: list[asyncio.Server | Acceptor] = []
        self._unheard: Unheard | None = None

    @property
    def fileno(self) -> int:
        """The descriptor of one of its sockets; -1 before it is bound."""
        return self._sockets[0].fileno() if self._sockets else -1

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """Those that listen."""
        return self._sockets

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    async def bind(self) -> None:
        """Take the addresses.

        Raises:
            OSError: one of them is in use, or is none of this machine's.
        """
        if self._host == "::":
            await self._bind_all()
            return
        found = await asyncio.get_running_loop().getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
        port = self._port
        try:
            for family, _, _, _, address in dict.fromkeys(found):
                port = self._bind(family, (address[0], port, *address[2:]))
        except OSError:
            self.close()
            raise

    async def _bind_all(self) -> None:
        """Take every address of both families, each with a socket of its own.

        One for both would do, but then IPv4 peers have addresses such as `::ffff:10.0.0.1`, which no limit and no
        list of proxies means. With port 0 the number that one family has got may be taken in the other.
        """
        for attempt in range(ATTEMPTS):
            port = self._port
            try:
                try:
                    port = self._bind(socket.AF_INET6, ("::", port, 0, 0))
                except OSError as error:
                    if error.errno not in NO_IPV6:
                        raise
                    _log.warning("this system has no IPv6: `::` is IPv4 only (%s)", error.strerror)
                self._bind(socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - it is what was asked for
            except OSError as error:
                self.close()
                if self._port or error.errno != errno.EADDRINUSE or attempt == ATTEMPTS - 1:
                    raise
            else:
                return

    def _bind(self, family: socket.AddressFamily, address: tuple[Any, ...]) -> int:
        """Take one address; return its port."""
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            self._tune(sock)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
        self._sockets.append(sock)
        port: int = sock.getsockname()[1]
        return port

    def _tune(self, sock: socket.socket) -> None:
        """Set a listening socket up: what it accepts inherits all of it, and saves five calls per connection.

        Little is to wait below the kernel's lanes, where nothing urgent can overtake it, and little in front of the
        server: what waits there is read at once, into a buffer that grows to hold it.
        """
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._notsent_lowat and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, self._notsent_lowat)
        if self._receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)

    async def listen(
        self,
        protocol: Callable[[], asyncio.BaseProtocol],
        *,
        fast: bool,
        tls: ssl.SSLContext | None,
        **timeouts: float,
    ) -> None:
        """Accept connections from here on.

        Args:
            protocol: makes one for each connection; what it raises drops the connection (`fast` only).
            fast: aiofastnet's transports, else the loop's own server.
            tls: speak TLS.
            timeouts: of TLS, as `loop.create_server` calls them.
        """
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {}
        if tls is not None:
            options = {"ssl": tls, **timeouts}
            self._unheard = Unheard(loop)
        for sock in self._sockets:
            server: asyncio.Server | Acceptor
            if not fast:
                server = await loop.create_server(protocol, sock=sock, backlog=self._backlog, **options)
            elif tls is not None:
                # It accepts as many in a turn as its backlog says; the system's queue may be longer.
                server = await aiofastnet.create_server(loop, protocol, sock=sock, backlog=AT_ONCE, **options)
                sock.listen(self._backlog)
            else:
                sock.listen(self._backlog)
                server = Acceptor(sock, protocol)
            self._servers.append(server)

    def close(self) -> None:
        """Accept no more. Connections that were accepted live on."""
        for server in self._servers:
            server.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.close()
        self._servers.clear()
        self._sockets.clear()

    def forget(self) -> None:
        """The last connection is gone."""
        if self._unheard is not None:
            self._unheard.end()
            self._unheard = None
