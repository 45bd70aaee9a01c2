"""Routes: what other plugins put on the port, and the hook by which they do.

from rtcore.hooks import hookimpl
from rtcore_http.routes import Route

@hookimpl
def rtcore_http_routes(app):
    return [Route("GET", "/hello", hello)]

What belongs to the wire is below the base path of the settings, `under(app, "hello")`, so that it moves with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import web

from rtcore.hooks import hookspec
from rtcore_http.settings import HttpSettings

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore_http.hatches import Hatch

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Door = Callable[[web.Request], Handler | None]


class Route(NamedTuple):
    """One way in: a method (`"*"` for any), a path in aiohttp's syntax, and what answers.

    The handler may raise `Rejected`, which becomes a JSON body and a status (`rtcore_http.answers`). CORS and the
    preflight of the path are the port's business; a handler that changes anything on behalf of a cookie asks
    `rtcore_http.handshake.check_origin` first.

    A route for upgrades may have a `door`: it is called instead of the handler, in the very turn in which the request's
    head arrives, before a task was made for it. It takes the socket and returns `None`; or it returns what goes on with
    the request as a handler would, because something has to be waited for. It may raise whatever a handler may.
    The path of a door has no variable parts. With thousands of clients that connect at the same moment it halves the
    price of each; without one the handler is all there is.

    A route for small POSTs may have a `hatch` (`rtcore_http.hatches`): it is given a request that has arrived whole,
    its body, and a `Reply` to answer it by, at once or later. What is unusual about a request makes it the handler's,
    so that a hatch is never the only way in. Its path has no variable parts either. Requests of one connection with the
    same head share the `web.Request` that it is given: what was found out of a head may be kept in it.

    `about` says in a few words what a path below the base is: `GET /rt` lists them for people.
    """

    method: str
    path: str
    handler: Handler
    door: Door | None = None
    hatch: Hatch | None = None
    about: str = ""


def under(app: App, leaf: str) -> str:
    """Return the path of something that clients find below the base: `/rt/ws` for `ws`."""
    base = app.settings(HttpSettings).base
    return f"{base.removesuffix('/')}/{leaf}"


@hookspec
def rtcore_http_routes(app: App) -> Sequence[Route]:  # type: ignore[empty-body]  # a specification has none
    """Fires once, before the port opens: return routes. Two for the same method and path are refused."""
