"""Listening sockets, and what accepts from them: ours, aiofastnet's server for TLS, or the event loop's own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiofastnet

from rtcore_http.accept import AT_ONCE, Acceptor
from rtcore_http.tls import Unheard


class Listener:
    """Listens on every address of a host.

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
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        return [sock.getsockname()[:2] for sock in self._sockets]

    async def bind(self) -> None:
        """Take the addresses.

        Raises:
            OSError: one of them is in use, or is none of this machine's.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
        port = self._port
        try:
            for family, kind, protocol, _, address in dict.fromkeys(found):
                sock = socket.socket(family, kind, protocol)
                self._sockets.append(sock)
                sock.setblocking(False)
                self._tune(sock)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((address[0], port, *address[2:]))
                port = sock.getsockname()[1]
        except OSError:
            self.close()
            raise

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
