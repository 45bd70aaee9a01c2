"""The transport: a POST whose body is the hello, and a stream that answers it.

Nothing secret is in a URL, and a browser asks for no permission first (a preflight).
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from aiohttp import HttpVersion11, web
from rtcore_http.body import read_body
from rtcore_http.guard import watch_writes
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route, under
from rtcore_http.upstream import codec_of

from rtcore.errors import Rejected
from rtcore_sse.framing import CHUNKED, UNCHUNKED
from rtcore_sse.keepalive import KeepAlive
from rtcore_sse.link import StreamLink
from rtcore_sse.settings import SseSettings

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.connection import Connection
    from rtcore.spi.transport import Handshake

#: Bytes of the body that opens a stream: a hello, and room for a long token.
HELLO_MAX: Final = 65_536
HEADERS: Final = {
    "Content-Type": "text/event-stream",
    # A proxy must neither keep the stream nor compress it: a compressor waits for more.
    "Cache-Control": "no-store, no-transform",
    # nginx, and those who learned from it: do not buffer this response.
    "X-Accel-Buffering": "no",
}
#: Bytes that the system may hold unsent: the rest waits here, where urgent messages overtake it.
NOTSENT_LOWAT: Final = 16_384


class SseTransport:
    """Server-Sent Events. Text only; upstream is `POST /rt/send`, which the `http` plugin answers."""

    name = "sse"
    binary = False

    def __init__(self, app: App) -> None:
        self._app = app
        self.settings = app.settings(SseSettings)
        self._streams = KeepAlive(self.settings.keepalive)
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, app: App) -> None:
        self._ticker = app.spawn(self._streams.run(), name="sse keep-alive")

    async def stop_accepting(self) -> None:
        """The manager refuses what is new; there is no port here to close."""

    async def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
        for link in self._streams.links():
            link.abort()

    def routes(self) -> list[Route]:
        """Return what `http` is to route here."""
        path = under(self._app, "sse")
        return [Route("POST", path, self._post, about="an event stream")]

    async def _post(self, request: web.Request) -> web.StreamResponse:
        handshake = handshake_of(request, self.name)
        codec = codec_of(request, self._app)
        if codec.binary and handshake.codec is None:
            raise Rejected(
                "unsupported_codec", f"an event stream is text: say hello in a text codec, not {codec.name}"
            )
        frame = await read_body(request, min(HELLO_MAX, self._app.options.max_message_size))
        framing = CHUNKED if request.version >= HttpVersion11 else UNCHUNKED
        settings = self.settings
        link = StreamLink(framing, flush_padding=settings.flush_padding, high_water=settings.high_water)
        return await self.stream(request, handshake, link, lambda connection: connection.receive(frame))

    # -- a stream -------------------------------------------------------------------------------------------

    async def stream(
        self,
        request: web.Request,
        handshake: Handshake,
        link: StreamLink,
        begin: Callable[[Connection], None],
    ) -> web.StreamResponse:
        """Answer a request with a stream, until it ends.

        Args:
            request: the request.
            handshake: what is known of it.
            link: what the kernel writes to.
            begin: called with the kernel's end; says the hello.

        Raises:
            Rejected: there will be no stream.
        """
        connection = link.connection = self._app.manager.add_connection(link, handshake)
        watch_writes(request, link)
        try:
            if request.transport is not None:
                begin(connection)
                await link.decided()
            if link.refusal is not None:
                raise link.refusal
            return await self._run(request, link)
        finally:
            watch_writes(request, None)
            link.lost()

    async def _run(self, request: web.Request, link: StreamLink) -> web.StreamResponse:
        response = web.StreamResponse(headers=HEADERS)
        response.force_close()
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            raise ConnectionResetError("the client left before the stream began")
        self._tune(transport, silent=not link.confirms)
        link.open(transport, padding_size=self.settings.padding)
        self._streams.add(link)
        try:
            await link.ended()
            if transport.is_closing():
                return response  # nobody is left to tell
            transport.set_write_buffer_limits(high=0)  # so that the end is waited for, to the last byte
            async with asyncio.timeout(self.settings.close_timeout):
                await response.write_eof()
        except TimeoutError:
            transport.abort()
        finally:
            self._streams.discard(link)
        return response

    def _tune(self, transport: asyncio.Transport, *, silent: bool) -> None:
        """Keep what waits on this side of the socket, and let the system find out who is gone without a word."""
        transport.set_write_buffer_limits(high=self.settings.high_water)
        sock = transport.get_extra_info("socket")
        if sock is None:
            return
        options = self._app.options
        wanted = {"TCP_NOTSENT_LOWAT": NOTSENT_LOWAT}
        if silent:
            # Nobody answers pings out there: what is written and never acknowledged must end the connection (RFC 5482).
            wanted["TCP_USER_TIMEOUT"] = round((options.heartbeat_interval + options.ping_timeout) * 1000)
        for name, value in wanted.items():
            if hasattr(socket, name):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def retry(self) -> float:
        """Return seconds to wait before a return, spread so that those who were cut together do not come together."""
        return self.settings.retry * random.uniform(0.5, 1.5)  # noqa: S311 - a spread, not a secret
