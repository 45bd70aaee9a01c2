"""The transport: two ways to open a stream, one stream.

POST /rt/sse    a hello in the body: clients that stream by fetch. Nothing secret is in a URL, no preflight
GET  /rt/sse    a plain `EventSource`: the server says the hello for it, from its `Last-Event-ID`
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aiohttp import HttpVersion11, web
from rtcore_http.body import read_body
from rtcore_http.guard import watch_writes
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route, under
from rtcore_http.upstream import codec_of

from rtcore.errors import Rejected
from rtcore.wire.codes import Next
from rtcore.wire.control import Control
from rtcore_sse.events import body_of, event, last_id, retry
from rtcore_sse.framing import CHUNKED, UNCHUNKED
from rtcore_sse.keepalive import KeepAlive
from rtcore_sse.link import StreamLink
from rtcore_sse.resume import hello_of, id_after, says_stop
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
        self._settings = app.settings(SseSettings)
        self._streams = KeepAlive(self._settings.keepalive)
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
        return [Route("POST", path, self._post, about="an event stream"), Route("GET", path, self._get)]

    # -- the two ways in ------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.StreamResponse:
        handshake = handshake_of(request, self.name)
        codec = codec_of(request, self._app)
        if codec.binary and handshake.codec is None:
            raise Rejected(
                "unsupported_codec", f"an event stream is text: say hello in a text codec, not {codec.name}"
            )
        frame = await read_body(request, min(HELLO_MAX, self._app.options.max_message_size))
        return await self._stream(request, handshake, lambda connection: connection.receive(frame))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        handshake = handshake_of(request, self.name, one_way=True)
        last = handshake.headers.get("last-event-id", "")
        if says_stop(last):
            return web.Response(status=204)
        try:
            return await self._stream(request, handshake, lambda connection: connection.greet(hello_of(last)))
        except Rejected as refusal:
            if refusal.row.next is Next.STOP:
                raise
            return self._come_back(refusal)

    # -- a stream -------------------------------------------------------------------------------------------

    async def _stream(
        self, request: web.Request, handshake: Handshake, hello: Callable[[Connection], None]
    ) -> web.StreamResponse:
        framing = CHUNKED if request.version >= HttpVersion11 else UNCHUNKED
        link = StreamLink(
            framing,
            one_way=bool(handshake.extra.get("one_way")),
            flush_padding=self._settings.flush_padding,
        )
        connection = link.connection = self._app.manager.add_connection(link, handshake)
        watch_writes(request, link)
        try:
            if request.transport is not None:
                hello(connection)
                await link.decided()
            if link.refused:
                raise _refusal(connection, framing.unwrap(link.take_early()[0]))
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
        self._tune(transport, one_way=link.one_way)
        link.open(transport, padding_size=self._settings.padding, retry_after=self._retry())
        self._streams.add(link)
        try:
            await link.ended()
            if transport.is_closing():
                return response  # nobody is left to tell
            transport.set_write_buffer_limits(high=0)  # so that the end is waited for, to the last byte
            async with asyncio.timeout(self._settings.close_timeout):
                await response.write_eof()
        except TimeoutError:
            transport.abort()
        finally:
            self._streams.discard(link)
        return response

    def _tune(self, transport: asyncio.Transport, *, one_way: bool) -> None:
        """Keep what waits on this side of the socket, and let the system find out who is gone without a word."""
        transport.set_write_buffer_limits(high=self._settings.high_water)
        sock = transport.get_extra_info("socket")
        if sock is None:
            return
        options = self._app.options
        wanted = {"TCP_NOTSENT_LOWAT": NOTSENT_LOWAT}
        if one_way:
            # Nobody answers pings, so what is written and never acknowledged must end the connection (RFC 5482).
            wanted["TCP_USER_TIMEOUT"] = round((options.heartbeat_interval + options.ping_timeout) * 1000)
        for name, value in wanted.items():
            if hasattr(socket, name):
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    # -- refusals -------------------------------------------------------------------------------------------

    def _come_back(self, refusal: Rejected) -> web.Response:
        """Refuse an `EventSource` for now: any status but 200 would end it for good."""
        number = refusal.row.number
        body = retry(refusal.retry_after or self._retry())
        codec = next((codec for codec in self._app.registry.codecs.values() if not codec.binary), None)
        if codec is not None:
            body += event(codec.encode_control("close", {"number": number, **refusal.fields()}))
        left = id_after(number)
        if left is not None:
            body += last_id(left)
        response = web.Response(body=body, headers=HEADERS)
        response.force_close()
        return response

    def _retry(self) -> float:
        """Return seconds, spread so that those who were cut together do not come back together."""
        return self._settings.retry * random.uniform(0.5, 1.5)  # noqa: S311 - a spread, not a secret


def _refusal(connection: Connection, event: bytes) -> Rejected:
    """Make a refusal of the `close` that the kernel wrote, so that it becomes a status."""
    item = connection.codec.decode(body_of(event))[0]
    fields: Mapping[str, Any] = item.fields if isinstance(item, Control) else {}
    code, reason = str(fields.get("code", "internal")), str(fields.get("reason", ""))
    return Rejected(code, reason, retry_after=fields.get("retry_after"))
