"""The transport: `POST /rt/poll`, with a hello or with a poll.

Rule: a poll that cannot be answered with a frame of the session is answered with a status and an `error` item, in the
codec that the client speaks.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

import attrs
from aiohttp import web
from rtcore_http.answers import headers_of, status_of
from rtcore_http.body import read_body
from rtcore_http.guard import watch_writes
from rtcore_http.handshake import check_origin, handshake_of
from rtcore_http.routes import Route
from rtcore_http.upstream import codec_of

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore.wire.format import unpack
from rtcore.wire.hello import field
from rtcore_polling.answer import Dress
from rtcore_polling.farewells import Farewells
from rtcore_polling.link import Poll, PollLink
from rtcore_polling.settings import PollingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rtcore.app import App
    from rtcore.connection import Connection
    from rtcore.spi.codec import Codec

PATH: Final = "/rt/poll"
#: Seconds for which a stop waits for clients that are between two polls.
GRACE: Final = 0.25
#: Bytes of a request's body: a poll is short, a hello may have a long token.
BODY_MAX: Final = 65_536


class PollingTransport:
    """Long polling. Upstream is `POST /rt/send`, which the `http` plugin answers."""

    name = "polling"
    binary = True

    def __init__(self, app: App) -> None:
        self._app = app
        self._settings = app.settings(PollingSettings)
        self._farewells = Farewells(app.clock)
        self._links: WeakSet[PollLink] = WeakSet()

    async def start(self, app: App) -> None:
        """Nothing to open: the port is `http`'s."""

    async def stop_accepting(self) -> None:
        """Give clients that are between two polls a moment to be back: only a poll can be told that this is the end.

        The manager refuses hellos; polls of those who are here go on.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while any(link.is_between_polls for link in self._links):  # noqa: ASYNC110 - once, at the end
                    await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """Nothing is left: the kernel has closed the connections, which has answered their polls."""

    def routes(self) -> list[Route]:
        """Return what `http` is to route here."""
        return [Route("POST", PATH, self._post)]

    # -- one request -----------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.StreamResponse:
        check_origin(request)
        codec = codec_of(request, self._app)
        try:
            body = await read_body(request, min(BODY_MAX, self._app.options.max_message_size))
            first, others = _cut(body, codec)
            if first.name == "hello":
                return await self._hello(request, codec, body)
            if others:
                raise Rejected("bad_control", "a poll carries nothing else; messages go up by POST /rt/send")
            return await self._poll(request, codec, first.fields)
        except Rejected as refusal:
            return web.Response(
                body=codec.join([codec.encode_control("error", refusal.fields())]),
                status=status_of(refusal),
                headers={"Content-Type": codec.content_type, **headers_of(refusal)},
            )

    async def _hello(self, request: web.Request, codec: Codec, body: bytes) -> web.StreamResponse:
        """Attach, and answer with the welcome and whatever waits."""
        handshake = attrs.evolve(handshake_of(request, self.name), codec=codec.name)
        link = PollLink(self._settings.answer_limit, self._farewells)
        poll = link.first()
        self._links.add(link)
        connection = link.connection = self._app.manager.add_connection(link, handshake)
        try:
            connection.receive(body)
            frames = await self._wait(request, link, poll, hold=None)
        except BaseException:
            connection.lost()
            raise
        if not frames:
            connection.lost()
            raise ConnectionResetError("the client left before it was welcomed")
        if link.number is not None and len(frames) == 1:
            raise _refusal(connection, frames[0])
        # What is compressed can be read only by a client that knows by what, and that is in here.
        return Dress.of(connection)._replace(compressor=None).answer(frames)

    async def _poll(
        self, request: web.Request, codec: Codec, fields: Mapping[str, Any]
    ) -> web.StreamResponse:
        """Answer with what waits, or hold until there is something."""
        try:
            connection = self._app.manager.find(fields)
        except Rejected:
            if (last := self._farewells.take(fields)) is None:
                raise
            return last.dress.answer(last.frames)
        link = connection.link
        if not isinstance(link, PollLink) or codec is not connection.codec:
            raise Rejected(
                "bad_control",
                f"poll: this attach is on {connection.handshake.transport}, in {connection.codec.name}",
            )
        try:
            received = field("poll", fields, "received", int)
        except WireError as error:
            raise Rejected(error.code, str(error)) from None
        poll = link.next(received)
        frames = await self._wait(request, link, poll, hold=self._settings.hold)
        return Dress.of(connection).answer(frames)

    async def _wait(
        self, request: web.Request, link: PollLink, poll: Poll, *, hold: float | None
    ) -> list[bytes]:
        """Wait until there is something to answer, for at most `hold` seconds; then take it."""
        watch_writes(request, poll)
        try:
            if request.transport is None:
                poll.lost()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(hold):
                    await poll.woken
            return link.take(poll)
        except asyncio.CancelledError:
            link.abandon(poll)
            raise
        finally:
            watch_writes(request, None)


def _cut(body: bytes, codec: Codec) -> tuple[Control, list[object]]:
    """Return the hello or poll that a body begins with, and the other items.

    Raises:
        Rejected: `malformed_frame`, or `bad_control` when it begins with something else.
    """
    try:
        items = unpack(body, codec, None, max_size=BODY_MAX)
    except WireError as error:
        raise Rejected(error.code, str(error)) from None
    first = items[0] if items else None
    if not isinstance(first, Control) or first.name not in {"hello", "poll"}:
        raise Rejected("bad_control", 'the first item of the body must be ["hello", {…}] or ["poll", {…}]')
    return first, list(items[1:])


def _refusal(connection: Connection, frame: bytes) -> Rejected:
    """Make a refusal of the `close` that the kernel wrote, so that it becomes a status."""
    item = connection.codec.decode(frame)[0]
    fields: Mapping[str, Any] = item.fields if isinstance(item, Control) else {}
    code, reason = str(fields.get("code", "internal")), str(fields.get("reason", ""))
    return Rejected(code, reason, retry_after=fields.get("retry_after"))
