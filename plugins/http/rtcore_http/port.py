"""The one port: an aiohttp application behind aiofastnet's server, or the event loop's own.

Rule: it opens last and closes first. aiohttp parses, routes and answers; it never listens itself, so that the server
underneath can be the quicker one and so that a connection can be handed over to another parser.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_server import Server

from rtcore.errors import PluginError, Rejected
from rtcore.logs import printable
from rtcore_http import malformed, tls
from rtcore_http.access import Access
from rtcore_http.answers import refuse
from rtcore_http.doors import Doors, dressing
from rtcore_http.guard import Guarded, sweep
from rtcore_http.hatches import SHOWN, Hatches
from rtcore_http.health import healthz, readyz
from rtcore_http.index import Index, missing
from rtcore_http.keys import ACCESS, APP, SETTINGS
from rtcore_http.listen import Listener, is_loopback, remedy
from rtcore_http.origins import Verdict
from rtcore_http.places import Places
from rtcore_http.routes import Route, under
from rtcore_http.settings import HttpSettings
from rtcore_http.upstream import send, send_at_once

if TYPE_CHECKING:
    from rtcore.app import App

_log = logging.getLogger("rtcore.http")
_access = logging.getLogger("rtcore.http.access")


class AccessLog(AbstractAccessLogger):
    """One line per request: who, what, status, seconds. No query: there may be a secret in it.

    The path is as it was sent, in its percent-encoding: decoded it might be two lines.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """Write the line."""
        path = printable(request.raw_path.partition("?")[0], SHOWN)
        self.logger.info(
            "%s %s %s %d %.3f", request.remote, printable(request.method), path, response.status, time
        )


Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

OWN = (
    Route("GET", "/healthz", healthz),
    Route("HEAD", "/healthz", healthz),
    Route("GET", "/readyz", readyz),
    Route("HEAD", "/readyz", readyz),
)


class Port:
    """Opens and closes the port. `app.get(Http)` finds it."""

    def __init__(self, app: App) -> None:
        self._app = app
        app.close_in_children(lambda: self._listener.sockets if self._listener is not None else ())
        self._runner: web.AppRunner | None = None
        self._listener: Listener | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._addresses: list[tuple[str, int]] = []
        self._scheme = "http"
        self._places: Places | None = None
        self._stop_timeout = 0.0
        self._only_here = False
        self._access: Access | None = None
        self._context: ssl.SSLContext | None = None
        self._options: dict[str, Any] = {}
        self._hatches: Hatches | None = None

    @property
    def port(self) -> int:
        """The port that is open; 0 while there is none."""
        return self._addresses[0][1] if self._addresses else 0

    @property
    def base(self) -> str:
        """The path below which the transports are."""
        return self._app.settings(HttpSettings).base.removesuffix("/")

    @property
    def urls(self) -> Sequence[str]:
        """Where it listens."""
        return [
            f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            for host, port in self._addresses
        ]

    async def open(self, settings: HttpSettings, routes: Sequence[Route]) -> None:
        """Put the routes together and listen.

        Raises:
            PluginError: the address cannot be listened on, TLS cannot be set up, or two routes are the same.
        """
        context = self._context = tls.context(settings)
        self._scheme = "https" if context else "http"
        self._stop_timeout = settings.stop_timeout
        made, doors, hatches = application(self._app, settings, routes)
        self._hatches = hatches
        runner = web.AppRunner(made, shutdown_timeout=settings.stop_timeout, access_log=None)
        listener = Listener(
            settings.host,
            settings.port,
            backlog=settings.backlog,
            notsent_lowat=settings.notsent_lowat,
            receive_buffer=settings.receive_buffer,
        )
        try:
            await listener.bind()
        except OSError as error:
            raise PluginError(
                "http",
                f"cannot listen on {settings.host} port {settings.port}: {error.strerror or error}",
                mend=remedy(settings.host, error),
            ) from error
        self._only_here = all(is_loopback(host) for host, _ in listener.addresses)
        self._access = made[ACCESS]
        self._access.become(Access(settings, only_here=self._only_here))
        await runner.setup()
        server = runner.server
        assert server is not None  # noqa: S101 - set up in the line above
        self._runner, self._listener, self._places = runner, listener, Places(settings.spare_files)
        await listener.listen(
            self._protocols(server, self._places, doors, hatches, settings),
            fast=settings.server == "aiofastnet",
            tls=context,
            ssl_handshake_timeout=settings.tls_timeout,
            ssl_shutdown_timeout=settings.stop_timeout,
        )
        self._addresses = listener.addresses
        self._sweeper = self._app.spawn(
            sweep(
                server,
                header_timeout=settings.header_timeout,
                keepalive_timeout=settings.keepalive_timeout,
            ),
            name="http timeouts",
        )
        for url in self.urls:
            _log.info("listening on %s", url)

    def reload(self, settings: HttpSettings) -> Callable[[], None]:
        """Judge settings that were read again; return what puts them in force, for requests from then on.

        Certificates are read again whether or not their paths have changed; connections that stand keep theirs.

        Raises:
            PluginError: a certificate cannot be used, or TLS would begin or end.
        """
        if self._listener is None:
            return lambda: None  # it opens with what is in force then
        if (self._context is None) != (settings.tls_certificate is None):
            raise PluginError("http", "TLS can neither begin nor end while the port is open", mend="restart")
        tls.context(settings)  # whole and good, before anything is changed
        access = Access(settings, only_here=self._only_here)

        def apply() -> None:
            if self._access is not None:
                self._access.become(access)
            if self._context is not None:
                tls.load(self._context, settings)
            self._options["access_log"] = _log_of(settings)
            if self._hatches is not None:
                self._hatches.forget()
            if self._runner is not None and self._runner.server is not None:
                for connection in self._runner.server.connections:
                    if isinstance(connection, Guarded):
                        connection.forget()

        return apply

    async def close(self) -> None:
        """Close the port, end what still hangs on it, and wait until all of it is gone."""
        listener, self._listener = self._listener, None
        runner, self._runner = self._runner, None
        sweeper, self._sweeper = self._sweeper, None
        places, self._places = self._places, None
        self._addresses = []
        if listener is not None:
            listener.close()
        if sweeper is not None:
            sweeper.cancel()
        if runner is not None:
            await runner.cleanup()
        # Not the listener's `wait_closed`: it waits for sockets that were handed over, too, which have other owners.
        if places is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(places.wait_empty(), self._stop_timeout + 1.0)
        if listener is not None:
            listener.forget()

    def _protocols(
        self, server: Server, places: Places, doors: Doors, hatches: Hatches, settings: HttpSettings
    ) -> Callable[[], Guarded]:
        """Return what makes aiohttp's protocol for a connection."""
        loop = asyncio.get_running_loop()
        listener, counters = self._listener, self._app.manager.counters
        options = self._options = {
            "loop": loop,
            "keepalive_timeout": settings.keepalive_timeout,
            "max_line_size": settings.max_header_size,
            "max_field_size": settings.max_header_size,
            "max_headers": settings.max_headers,
            "lingering_time": 1.0,  # seconds for a client to see why its body is not wanted
            "auto_decompress": False,
            "access_log": _log_of(settings),
            "access_log_class": AccessLog,
        }
        counted = settings.server == "aiofastnet"  # asyncio's own server does it by itself

        def guarded() -> Guarded:
            if counted and listener is not None and places.gone(listener.fileno):
                raise ConnectionRefusedError("no file descriptor left")
            return Guarded(server, places, doors, hatches, counters, **options)

        return guarded


def _log_of(settings: HttpSettings) -> logging.Logger | None:
    return _access if settings.access_log else None


def application(
    app: App, settings: HttpSettings, routes: Sequence[Route]
) -> tuple[web.Application, Doors, Hatches]:
    """Make the aiohttp application (our routes and theirs, CORS, refusals), and the doors and hatches of its routes.

    Raises:
        PluginError: two routes have the same method and path.
    """
    made = web.Application(middlewares=[_answer], client_max_size=app.options.max_message_size)
    made[APP] = app
    made[SETTINGS] = settings
    made[ACCESS] = Access(settings)
    doors, hatches = Doors(made), Hatches(made)
    way_up = Route(
        "POST", under(app, "send"), send, hatch=send_at_once, about="messages of event streams and polls"
    )
    seen: set[tuple[str, str]] = set()
    index = Index(settings.base)
    for method, path, handler, door, hatch, _ in index.among([*OWN, way_up, *routes]):
        if (method, path) in seen:
            raise PluginError(
                "http", f"two routes for {method} {path}", mend="disable the plugin that should not have it"
            )
        seen.add((method, path))
        route = made.router.add_route(method, path, handler)
        if door is not None:
            doors.add(path, door, route)
        if hatch is not None:
            hatches.add(path, hatch, route)

    async def dress(request: web.Request, response: web.StreamResponse) -> None:
        """Add what every response has, streams among them."""
        for name, value in dressing(request).items():
            if name == "Server":
                response.headers[name] = value  # aiohttp has named itself by now
            else:
                response.headers.setdefault(name, value)

    made.on_response_prepare.append(dress)
    return made, doors, hatches


@web.middleware
async def _answer(request: web.Request, handler: Next) -> web.StreamResponse:
    """Preflights, refusals and failures; everything else is the route's."""
    protocol = request.protocol
    if isinstance(protocol, Guarded):
        protocol.request_began()
        if protocol.handler is not None:
            handler, protocol.handler = protocol.handler, None
    try:
        if isinstance(protocol, Guarded) and protocol.last:
            answer = refuse(Rejected("server_full", "no file descriptor is left", retry_after=1.0))
            answer.force_close()
            return answer
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return _preflight(request)
        return await handler(request)
    except Rejected as refusal:
        return refuse(refusal)
    except web.HTTPException as error:
        if error is request.match_info.http_exception:
            return missing(request, error)
        raise
    except asyncio.CancelledError:
        raise
    except HttpProcessingError as error:
        # Its body could not be parsed to its end.
        return malformed.answer(request.remote, error, request.app[APP].manager.counters)
    except Exception as error:  # noqa: BLE001 - a route is a plugin's own code; it is logged
        if isinstance(error, ConnectionError) and (
            request.transport is None or request.transport.is_closing()
        ):
            # The client left in the middle. A bad network does that all day, and nobody reads the answer.
            return web.Response(status=499, reason="Client Closed Request")
        _log.exception("%s %s failed", request.method, printable(request.path, SHOWN))
        return refuse(Rejected("internal"))
    finally:
        if isinstance(protocol, Guarded):
            protocol.request_ended()


def _preflight(request: web.Request) -> web.StreamResponse:
    unmatched = request.match_info.http_exception
    if not isinstance(unmatched, web.HTTPMethodNotAllowed):
        return refuse(Rejected("forbidden", "no such path")) if unmatched else web.Response(status=204)
    origins = request.app[ACCESS].origins
    if origins.judge(request) is Verdict.REFUSED:
        return refuse(Rejected("origin_refused"))
    return web.Response(status=204, headers=origins.preflight(unmatched.allowed_methods))
