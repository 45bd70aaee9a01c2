"""The transport: a listening socket."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rtcore_tcp_ndjson.link import Line
from rtcore_tcp_ndjson.settings import Settings

if TYPE_CHECKING:
    from rtcore.app import App


class TcpTransport:
    """See `rtcore.spi.transport.Transport`.

    Attributes:
        port: where it listens; 0 while it does not.
        lines: the connections that are open.
    """

    name = "tcp_ndjson"
    binary = False

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.port = 0
        self.lines: set[Line] = set()
        self._server: asyncio.Server | None = None

    async def start(self, app: App) -> None:
        if self.settings.port is None:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Line(app.manager, self.settings, self.lines), self.settings.host, self.settings.port
        )
        self.port = self._server.sockets[0].getsockname()[1]
        app.close_in_children(self._sockets)

    def _sockets(self) -> Sequence[Any]:
        return self._server.sockets if self._server is not None else ()

    async def stop_accepting(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self.port = 0

    async def stop(self) -> None:
        await self.stop_accepting()
        # The kernel has closed them all; each is gone after `close_timeout` at the latest.
        await asyncio.gather(*(line.gone.wait() for line in list(self.lines)))
