"""`GET /rt/events/ROOM`: what is published in a room, read by a plain GET. For curl, and for a browser's `EventSource`.

    curl -N http://localhost:8080/rt/events/lobby
    new EventSource("/rt/events/lobby").onmessage = (event) => console.log(JSON.parse(event.data))

Rule: to read is to join. Whoever may join the room may read it, and whoever may not is told why, with a status.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from weakref import WeakValueDictionary

import attrs
from aiohttp import HttpVersion11, web
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route, under

from rtcore.errors import Rejected
from rtcore.wire.codes import Next
from rtcore_sse.events import event, retry
from rtcore_sse.framing import RoomFraming
from rtcore_sse.places import place_of, says_stop
from rtcore_sse.reader import ReaderLink
from rtcore_sse.transport import HEADERS

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.spi.codec import Codec
    from rtcore_sse.transport import SseTransport

#: The parameters of the query.
HISTORY: Final = "history"
LAST_EVENT_ID: Final = "last-event-id"


class RoomEvents:
    """The endpoint.

    Args:
        app: whose rooms.
        transport: that streams.
    """

    def __init__(self, app: App, transport: SseTransport) -> None:
        self._app = app
        self._transport = transport
        self._framings: WeakValueDictionary[tuple[str, str, bool], RoomFraming] = WeakValueDictionary()

    def route(self) -> Route:
        """Return what `http` is to route here. A room's name may have slashes."""
        path = under(self._app, r"events/{room:[\s\S]+}")
        return Route("GET", path, self._get, about="a room's messages, to read: curl, EventSource")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        last = request.headers.get("Last-Event-ID", "")
        if says_stop(last):
            return web.Response(status=204)
        try:
            return await self._read(request, last)
        except Rejected as refusal:
            browser = "text/event-stream" in request.headers.get("Accept", "")
            if not browser or not refusal.row.retry or refusal.row.next is Next.STOP:
                raise
            return self._come_back(refusal)

    async def _read(self, request: web.Request, last: str) -> web.StreamResponse:
        handshake = handshake_of(request, self._transport.name)
        codec = self._codec(handshake.codec)
        since = place_of(last, header=True) or place_of(request.query.get(LAST_EVENT_ID, ""), header=False)
        link = ReaderLink(
            self._framing(request.match_info["room"], codec, chunked=request.version >= HttpVersion11),
            since=since,
            newest=_number(request.query.get(HISTORY, "0")),
            retry_after=self._transport.retry(),
            flush_padding=self._transport.settings.flush_padding,
        )
        return await self._transport.stream(
            request, attrs.evolve(handshake, codec=codec.name), link, lambda _: link.begin()
        )

    def _codec(self, wanted: str | None) -> Codec:
        """Choose a text codec.

        Raises:
            Rejected: `unsupported_codec`.
        """
        codecs = {name: codec for name, codec in self._app.registry.codecs.items() if not codec.binary}
        name = wanted or (
            self._app.options.codec if self._app.options.codec in codecs else next(iter(codecs), "")
        )
        if name not in codecs:
            have = ", ".join(sorted(codecs)) or "none"
            raise Rejected(
                "unsupported_codec", f"an event stream is text; given {name!r:.40}, spoken here: {have}"
            )
        return codecs[name]

    def _framing(self, room: str, codec: Codec, *, chunked: bool) -> RoomFraming:
        key = (room, codec.name, chunked)
        framing = self._framings.get(key)
        if framing is None:
            framing = self._framings[key] = RoomFraming(room, codec, chunked=chunked)
        return framing

    def _come_back(self, refusal: Rejected) -> web.Response:
        """Refuse an `EventSource` for now: any status but 200 would end it for good."""
        body = retry(refusal.retry_after or self._transport.retry())
        body += event(json.dumps(refusal.fields(), default=str).encode(), name="end")
        response = web.Response(body=body, headers=HEADERS)
        response.force_close()
        return response


def _number(given: str) -> int:
    """Return how many messages of the history are wanted.

    Raises:
        Rejected: `bad_message`.
    """
    if not (given.isascii() and given.isdigit() and len(given) < 10):
        raise Rejected("bad_message", f"{HISTORY}: expected a number of messages, given {given[:40]!r}")
    return int(given)
