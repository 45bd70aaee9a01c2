"""The transport at /rt/ws: from an HTTP request to a connection of the kernel.

    origin → opening handshake → who is it? → a place for it → 101 → the data path

Rule: whatever can be refused is refused before the upgrade, with an HTTP status and a coded body; a client that has
its 101 has its connection.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from aiohttp import web
from rtcore_http.doors import dressing
from rtcore_http.guard import watch_writes
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Handler, Route, under

from rtcore.errors import Rejected
from rtcore.spi.auth import Identity
from rtcore_websocket import deflate, opening
from rtcore_websocket.framing import Deflating, Framing
from rtcore_websocket.handover import hand_over
from rtcore_websocket.link import PicowsLink
from rtcore_websocket.plain import PlainLink, Socket
from rtcore_websocket.settings import WebSocketSettings

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.connection import Connection
    from rtcore.spi.transport import Framing as AnyFraming
    from rtcore.spi.transport import Handshake


class WebSocketTransport:
    """Attributes: name, binary: see `rtcore.spi.transport.Transport`. limit, high_water: see `Owner`."""

    name = "websocket"
    binary = True

    #: What is made for each connection on picows; a subclass may listen in.
    link_type: type[PicowsLink] = PicowsLink

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        self.limit = 0
        self.high_water = 0
        self.close_timeout = 0.0
        self.violations = 0
        self._settings = WebSocketSettings()
        self._plain = Framing()
        self._deflating: dict[int, Deflating] = {}
        self._links: set[PicowsLink | PlainLink] = set()
        self._empty = asyncio.Event()
        self._accepting = False
        self._asked = 0  # connections of which authenticators are asked who they are

    # -- life ------------------------------------------------------------------------------------------------

    async def start(self, app: App) -> None:
        """Be ready for the port, which opens later."""
        self._app = app
        self._settings = app.settings(WebSocketSettings)
        self.limit = app.options.max_message_size
        self.high_water = self._settings.write_high_water
        self.close_timeout = self._settings.close_timeout
        self.loop = asyncio.get_running_loop()
        self._accepting = True

    async def stop_accepting(self) -> None:
        """Refuse upgrades from here on."""
        self._accepting = False

    async def stop(self) -> None:
        """Wait until every socket is gone: at most `close_timeout` seconds, then they are cut."""
        self._accepting = False
        for one in list(self._links):
            one.close(1001, "going_away")
        if self._links:
            self._empty.clear()
            # Each link's own timer cuts it; a moment more is for the event loop.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), self.close_timeout + 1.0)

    # -- for links -------------------------------------------------------------------------------------------

    def gone(self, link: object) -> None:
        """A link's socket is closed, and its connection knows."""
        self._links.discard(link)
        if not self._links:
            self._empty.set()

    # -- the upgrade -----------------------------------------------------------------------------------------

    def routes(self, app: App, settings: WebSocketSettings) -> list[Route]:
        """Return the way in, for `rtcore_http_routes`."""
        door = self.enter if settings.data_path == "picows" else None
        return [Route("GET", under(app, "ws"), self.upgrade, door, about="a WebSocket")]

    def enter(self, request: web.Request) -> Handler | None:
        """Open a WebSocket at once; what there is to wait for is left to the handler that is returned.

        Raises:
            Rejected: before anything was sent; see `rtcore_http.answers` for the statuses.
        """
        headers, handshake, found = self._looked_at(request)
        if found is None or isinstance(found, Identity):
            self._on_picows(request, headers, handshake, found)
            return None

        async def after_waiting(request: web.Request) -> web.StreamResponse:
            return await self._opened(request, headers, handshake, found)

        return after_waiting

    async def upgrade(self, request: web.Request) -> web.StreamResponse:
        """Open a WebSocket; the same as a handler.

        Raises:
            Rejected: before anything was sent; see `rtcore_http.answers` for the statuses.
        """
        headers, handshake, found = self._looked_at(request)
        return await self._opened(request, headers, handshake, found)

    def connect(
        self, link: PicowsLink | PlainLink, handshake: Handshake, identity: Identity | None
    ) -> Connection:
        """Return who hears of what the link brings: the kernel. A test of frames alone says otherwise."""
        return self._app.manager.add_connection(link, handshake, identity=identity)

    def _looked_at(
        self, request: web.Request
    ) -> tuple[dict[str, str], Handshake, Identity | Awaitable[Identity | None] | None]:
        """Return the headers of the 101, and who asks for it, if anybody knows that already."""
        if not self._accepting:
            raise Rejected("going_away", retry_after=1.0)
        headers, handshake = opening.headers(request), handshake_of(request, self.name)
        if self._asked >= self._app.options.max_greetings:
            raise Rejected("too_many_greetings", retry_after=1.0)
        # Who has no credentials here may have them in its hello.
        return headers, handshake, self._app.manager.identify(handshake)

    async def _opened(
        self,
        request: web.Request,
        headers: dict[str, str],
        handshake: Handshake,
        found: Identity | Awaitable[Identity | None] | None,
    ) -> web.StreamResponse:
        identity = found if found is None or isinstance(found, Identity) else await self._waited(found)
        if opening.gone(request):
            return web.Response(
                status=499, reason="Client Closed Request"
            )  # nobody reads it but the access log
        if self._settings.data_path == "aiohttp":
            return await self._on_aiohttp(request, handshake, identity)
        self._on_picows(request, headers, handshake, identity)
        return opening.Taken()

    def _on_picows(
        self, request: web.Request, headers: dict[str, str], handshake: Handshake, identity: Identity | None
    ) -> None:
        framing: AnyFraming = self._plain
        if self._settings.permessage_deflate:
            offers = request.headers.getall("Sec-WebSocket-Extensions", ())
            agreed = deflate.agree(offers, bits=self._settings.deflate_window_bits)
            if agreed is not None:
                headers["Sec-WebSocket-Extensions"] = agreed.header
                framing = self._deflated(agreed.bits)
        one = self.link_type(self, framing, deflate=framing is not self._plain)
        one.connection = self.connect(one, handshake, identity)
        self._links.add(one)
        try:
            hand_over(request, one, opening.switching(headers | dressing(request)), max_frame=self.limit)
        except BaseException:
            one.lost()
            raise

    async def _on_aiohttp(
        self, request: web.Request, handshake: Handshake, identity: Identity | None
    ) -> web.StreamResponse:
        socket = Socket(limit=self.limit, protocols=(opening.SUBPROTOCOL,))
        one = PlainLink(self, self._plain)
        one.connection = self.connect(one, handshake, identity)
        self._links.add(one)
        try:
            await socket.prepare(request)
            one.opened(request)
            await one.listen(socket)
        finally:
            watch_writes(request, None)
            one.lost()
        return socket

    async def _waited(self, found: Awaitable[Identity | None]) -> Identity | None:
        """Wait for an authenticator, with as many others as may wait to say hello."""
        self._asked += 1
        try:
            return await found
        finally:
            self._asked -= 1

    def _deflated(self, bits: int) -> Deflating:
        """Return the one framing for a window: whoever shares it shares compressed frames."""
        framing = self._deflating.get(bits)
        if framing is None:
            settings = self._settings
            framing = self._deflating[bits] = Deflating(
                bits=bits,
                level=settings.deflate_level,
                memory=settings.deflate_memory,
                threshold=settings.deflate_threshold,
            )
        return framing
