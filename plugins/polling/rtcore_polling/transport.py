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
from rtcore_http.body import read_body, too_big
from rtcore_http.guard import watch_writes
from rtcore_http.handshake import handshake_of
from rtcore_http.routes import Route, under
from rtcore_http.upstream import error_of, spoken

from rtcore.errors import Rejected
from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore.wire.format import unpack
from rtcore.wire.hello import Place, field
from rtcore_polling.farewells import Farewells
from rtcore_polling.held import Held, Hello, Waiting
from rtcore_polling.link import PollLink
from rtcore_polling.settings import PollingSettings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rtcore_http.answers import Answer
    from rtcore_http.hatches import Reply

    from rtcore.app import App
    from rtcore.spi.codec import Codec

#: Seconds for which a stop waits for clients that are between two polls.
GRACE: Final = 0.25
#: Seconds between two looks at the clock, at most.
TICK: Final = 1.0
#: Bytes of a request's body: a poll is short, a hello may have a long token.
BODY_MAX: Final = 65_536


class PollingTransport:
    """Long polling. Upstream is `POST /rt/send`, which the `http` plugin answers."""

    name = "polling"
    binary = True

    def __init__(self, app: App) -> None:
        self._app = app
        self._settings = app.settings(PollingSettings)
        self._body_max = min(BODY_MAX, app.options.max_message_size)
        self._farewells = Farewells(app.clock)
        self._links: WeakSet[PollLink] = WeakSet()
        self._ticker: asyncio.Task[None] | None = None

    async def start(self, app: App) -> None:
        """Nothing to open: the port is `http`'s."""
        self._loop = asyncio.get_running_loop()
        self._ticker = app.spawn(self._tick(), name="polls")

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
        if self._ticker is not None:
            self._ticker.cancel()

    async def _tick(self) -> None:
        """End polls that have waited long enough: one look at all of them, and no timer for each."""
        while True:
            await asyncio.sleep(min(TICK, self._settings.hold / 4))
            now = self._loop.time()
            for link in list(self._links):
                link.look_at_the_clock(now)

    def routes(self) -> list[Route]:
        """Return what `http` is to route here."""
        path = under(self._app, "poll")
        return [Route("POST", path, self._post, hatch=self._enter, about="long polling")]

    # -- one request -----------------------------------------------------------------------------------------

    async def _post(self, request: web.Request) -> web.StreamResponse:
        codec = spoken(request, self._app)
        try:
            body = await read_body(request, self._body_max)
            found = self._take(request, codec, body)
            if isinstance(found, Held):
                found = await self._wait(request, found)
        except Rejected as refusal:
            found = error_of(codec, refusal)
        return found.response()

    def _enter(self, request: web.Request, body: bytes, reply: Reply) -> None:
        """Do the same as a hatch."""
        codec = spoken(request, self._app)
        try:
            if len(body) > self._body_max:
                raise too_big(self._body_max)
            found = self._take(request, codec, body)
        except Rejected as refusal:
            found = error_of(codec, refusal)
        if isinstance(found, Held):
            Waiting(found, codec, reply)
        else:
            reply.answer(found)

    def _take(self, request: web.Request, codec: Codec, body: bytes) -> Answer | Held:
        """Take a hello or a poll.

        Raises:
            Rejected: it is neither, or not to be had.
        """
        first, others = _cut(body, codec)
        if first.name == "hello":
            return self._hello(request, codec, body)
        if others:
            raise Rejected("bad_control", "a poll carries nothing else; messages go up by POST /rt/send")
        return self._poll(codec, first.fields)

    def _hello(self, request: web.Request, codec: Codec, body: bytes) -> Held:
        """Attach; the answer is the welcome and whatever waits."""
        handshake = attrs.evolve(handshake_of(request, self.name), codec=codec.name)
        link = PollLink(self._settings.answer_limit, self._farewells)
        poll = link.first()
        self._links.add(link)
        connection = link.connection = self._app.manager.add_connection(link, handshake)
        try:
            connection.receive(body)
        except BaseException:
            connection.lost()
            raise
        return Hello(link, poll)

    def _poll(self, codec: Codec, fields: Mapping[str, Any]) -> Answer | Held:
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
            place = Place.found("poll", fields)
        except WireError as error:
            raise Rejected(error.code, str(error)) from None
        poll = link.next(received, place)
        poll.until = self._loop.time() + self._settings.hold
        return Held(link, poll)

    async def _wait(self, request: web.Request, held: Held) -> Answer:
        """Wait until there is something to answer; then take it."""
        watch_writes(request, held.poll)
        try:
            if request.transport is None:
                held.poll.lost()
            awake = asyncio.Event()
            held.poll.then(awake.set)
            await awake.wait()
            return held.answer(request.transport)
        except asyncio.CancelledError:
            held.abandon()
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
