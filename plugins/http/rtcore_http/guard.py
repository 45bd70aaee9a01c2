"""One connection: by which way each of its requests comes in, and that its head is whole within its time.

Rule: no timer and no task per connection. One sweep looks at all that aiohttp still holds; connections that were
handed over (WebSockets) are not among them.
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from rtcore_http import malformed
from rtcore_http.doors import BARE
from rtcore_http.hatches import Asked, Hatches, Reply
from rtcore_http.heads import Heads

if TYPE_CHECKING:
    from aiohttp.web_server import Server

    from rtcore.telemetry import Counters
    from rtcore_http.doors import Doors
    from rtcore_http.places import Places
    from rtcore_http.routes import Handler

#: Requests of one connection that hatches take before others have their turn.
IN_A_ROW: Final = 16
#: Of a connection that is gone; never too late.
_GONE: Final = math.inf
#: Seconds for which aiohttp does not look whether a connection is idle while a hatch's answer is waited for.
_LONG: Final = 3600.0


class Flow(Protocol):
    """Who wants to know how the write buffer of a connection fills, and when it is gone."""

    def pause(self) -> None:
        """More than the high-water mark waits."""

    def resume(self) -> None:
        """It has drained to the low-water mark."""

    def lost(self) -> None:
        """The connection is gone: aiohttp tells a handler that only waits of nothing."""


class Guarded(RequestHandler):
    """aiohttp's protocol for one connection, which remembers since when it has waited for a head.

    aiohttp begins its task with the connection; here it begins with the first request that comes in neither by a door
    nor by a hatch. From then on it takes what hatches leave to it.

    Attributes:
        handler: what handles the first request in the place of its route: what a door left to be done.
        head_since: seconds on the loop's clock; `None` between two requests and while one is handled.
        idle_since: the same, since an answer by a hatch after which nothing has come; `None` otherwise.
        flow: told when the write buffer passes its marks; set it with `watch_writes`.
        last: the connection has one of the last file descriptors: it gets an answer to one request, and no more.
    """

    __slots__ = (
        "_begun", "_counters", "_doors", "_handled", "_hatches", "_heads", "_places", "_reply", "_turning", "flow",
        "handler", "head_since", "idle_since", "last",
    )  # fmt: skip

    def __init__(
        self,
        server: Server,
        places: Places,
        doors: Doors,
        hatches: Hatches,
        counters: Counters,
        **options: object,
    ) -> None:
        super().__init__(server, **options)  # type: ignore[arg-type]  # aiohttp's own keyword arguments, passed on
        self._counters = counters
        self._places = places
        self._doors = doors
        self._hatches = hatches
        self._begun = False
        self._handled = 0
        self._heads: Heads | None = Heads()
        self._reply: Reply | None = None
        self._turning = False
        self.handler: Handler | None = None
        self.flow: Flow | None = None
        self.head_since: float | None = None
        self.idle_since: float | None = None
        self.last = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection. Its socket's options come from the listener, its deadline from the sweep."""
        self.transport = cast(asyncio.Transport, transport)
        cast(Any, self._manager).connection_made(self, transport)
        self._places.enter()
        self.head_since = self._loop.time()
        self.last = self._places.scarce(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone, or it is somebody else's from here on."""
        super().connection_lost(exc)
        self._heads = None
        if self._reply is not None:
            self._reply.lose()
            self._reply = None
        if self.flow is not None:
            self.flow.lost()
        if self.head_since is not _GONE:
            self.head_since = _GONE
            self._places.leave()

    # -- what comes in ---------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take bytes; the first ones after a request begin the next head."""
        self.idle_since = None
        heads, waiting = self._heads, len(self._messages)
        if heads is not None and not (waiting or self._out_of_hand or self._unanswered):
            found = heads.find(data)
            if found is not None:
                self._enter(*found)
                return
        if self.head_since is None and not self._handled:
            self.head_since = self._loop.time()
        # Its task, if it waits, must not hear of requests before hatches have been tried.
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        if self._messages and not isinstance(self._messages[-1][0], RawRequestMessage):
            self._give_up_body(self._messages[-1][0])
        if heads is not None and (
            waiting or len(self._messages) != 1 or not heads.whole(data, *self._messages[0])
        ):
            self._heads = None
        if self._messages:
            self._turn()

    def _give_up_body(self, refused: object) -> None:
        """The parser has refused what came: the body that a handler waits for will not come."""
        request, error = self._current_request, getattr(refused, "exc", None)
        payload = request._payload if request is not None else None  # noqa: SLF001 - aiohttp's own task has no other
        if payload is not None and not payload.is_eof() and isinstance(error, HttpProcessingError):
            payload.set_exception(error)

    @property
    def _out_of_hand(self) -> bool:
        """Somebody further up lets requests in, or the task takes the next one by itself, or nobody does any more."""
        at_work = self._begun and (self._waiter is None or self._waiter.done())
        return self._turning or at_work or self._close or self._force_close

    @property
    def _unanswered(self) -> bool:
        """An answer is due, or not read: who does not read answers is answered no more before it does."""
        return self._reply is not None or self.writing_paused

    def _turn(self) -> None:
        """Let in what has arrived, one request after the other: by a door, by a hatch, or by aiohttp's task."""
        if self._out_of_hand:
            return
        self._turning = True
        try:
            for _ in range(IN_A_ROW):
                if not self._messages or self._unanswered:
                    break
                if not self._by_door() and not self._by_hatch():
                    self._by_task()
                    break
            else:
                self._loop.call_soon(self._turn)
        finally:
            self._turning = False

    def _by_task(self) -> None:
        if not self._begun:
            self._begun = True
            self._task_handler = self._loop.create_task(self.start())
        elif self._waiter is not None:
            self._waiter.set_result(None)

    def _by_door(self) -> bool:
        """Try the door, if the first head has one: whether the socket has been taken."""
        message, payload = self._messages[0]
        if self._begun or not isinstance(message, RawRequestMessage) or self.last or len(self._messages) > 1:
            return False
        if not message.upgrade:
            return False
        began = self._loop.time()
        request = self._doors.request(self, message, payload)
        if request is None:
            return False
        self.handler = self._doors.enter(request)
        if self.handler is not None:
            return False
        self._messages.clear()
        if self._logging_enabled:
            self.log_access(request, web.StreamResponse(status=101), began)
        return True

    def _by_hatch(self) -> bool:
        """Try the hatch, if there is one for the next request: whether it was taken."""
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or self.last or self._logging_enabled:
            return False
        asked = self._hatches.asked(self, message, payload)
        if asked is None:
            return False
        self._messages.popleft()
        if self._heads is not None:
            self._heads.learn(asked)
        self._consumed()
        self._enter(asked, self._hatches.body(payload))
        return True

    def _enter(self, asked: Asked, body: bytes) -> None:
        """Give a request to its hatch."""
        cast(Any, self._manager).requests_count += 1
        if self._begun:
            self._next_keepalive_close_time = self._loop.time() + _LONG
        reply = self._reply = Reply(self, asked)
        self.request_began()
        try:
            asked.hatch(asked.request, body, reply)
        except Exception as error:  # noqa: BLE001 - a hatch is a plugin's own code; it is logged
            reply.fail(error)

    def _consumed(self) -> None:
        """Tell the parser, as aiohttp's task does; more of what is pipelined may come in then."""
        if self._parser is not None:
            self._parser.message_consumed()
        if self._buffer_paused and len(self._messages) <= self._msg_queue_resume_size:
            self._resume_reading_if_drained()

    def answered(self, data: bytes, *, last: bool) -> None:
        """A hatch has its answer: write it, and look at what has come meanwhile."""
        self._reply = None
        self.request_ended()
        if self.transport is None:
            return
        self.transport.write(data)
        if last or self._close or self._force_close:
            self.force_close()
            return
        now = self._loop.time()
        self._next_keepalive_close_time = now + self._keepalive_timeout
        if self._messages:
            self._turn()
        else:
            self.idle_since = now

    def forget(self) -> None:
        """What was found out of a head that has come before may be otherwise now."""
        if self._heads is not None:
            self._heads.forget()

    def request_began(self) -> None:
        """A head is whole."""
        self._handled += 1
        self.head_since = None

    def request_ended(self) -> None:
        """Its handler is done."""
        self._handled -= 1

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what the parser refuses, which comes from anybody, and what fails outside of every route."""
        if isinstance(exc, HttpProcessingError):
            return malformed.answer(request.remote, exc, self._counters)
        response = super().handle_error(request, status, exc, message)
        response.headers.update(BARE)
        return response

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Leave out that the rest of a body cannot be parsed either: aiohttp reads it, and hears it again."""
        if not isinstance(more.get("exc_info"), HttpProcessingError):
            super().log_exception(*args, **more)

    def pause_writing(self) -> None:
        """More waits to be written than the high-water mark."""
        super().pause_writing()
        if self.flow is not None:
            self.flow.pause()

    def resume_writing(self) -> None:
        """What waited has gone, down to the low-water mark."""
        super().resume_writing()
        if self.flow is not None:
            self.flow.resume()
        if self._messages:
            self._turn()


def watch_writes(request: web.Request, flow: Flow | None) -> None:
    """Let `flow` hear when the write buffer behind a streamed response fills, drains or is gone; `None` ends it."""
    protocol = request.protocol
    if isinstance(protocol, Guarded):
        protocol.flow = flow


async def sweep(server: Server, *, header_timeout: float, keepalive_timeout: float) -> None:
    """Close the connections that take too long, in seconds. Runs until cancelled.

    Args:
        server: whose connections.
        header_timeout: for a head.
        keepalive_timeout: for the next one, after an answer by a hatch; aiohttp has a timer after its own answers.
    """
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(1.0, header_timeout / 4))
        now = loop.time()
        for connection in server.connections:
            if not isinstance(connection, Guarded):
                continue
            head, idle = connection.head_since, connection.idle_since
            if (head is not None and head < now - header_timeout) or (
                idle is not None and idle < now - keepalive_timeout
            ):
                connection.force_close()
