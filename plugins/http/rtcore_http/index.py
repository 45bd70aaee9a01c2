"""`GET /rt`, for people who look what is there; and what a path is told where nothing is.

Rule: whoever has taken the wrong turn is told which one is right. No client needs any of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from rtcore.wire.control import VERSION
from rtcore_http.answers import answer
from rtcore_http.keys import SETTINGS
from rtcore_http.routes import Route

if TYPE_CHECKING:
    from collections.abc import Iterator


class Index:
    """What lies below the base.

    Args:
        base: the path, as in the settings.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._here: dict[str, str] = {}

    def among(self, routes: Sequence[Route]) -> Iterator[Route]:
        """Yield the routes, and those of the index where nobody else has them (the root has a page, perhaps)."""
        below = self._base.removesuffix("/") + "/"
        for route in routes:
            if route.path.startswith(below) and route.about:
                self._here[f"{route.method} {route.path}"] = route.about
            yield route
        taken = {(route.method, route.path) for route in routes} | {("*", route.path) for route in routes}
        for path in dict.fromkeys((self._base, below)):
            for method in ("GET", "HEAD"):
                if (method, path) not in taken:
                    yield Route(method, path, self.answer)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Say what is here, and what to do with the address."""
        body = {
            "server": "rtcore",
            "protocol": VERSION,
            "base": self._base,
            "here": self._here,
            "hint": "give a client the address of this page, as its url; browsers have nothing to look at here",
        }
        return answer(body)


def missing(request: web.Request, error: web.HTTPException) -> web.StreamResponse:
    """Answer where there is no route: with the status of the error, and with what would be right.

    It has no code, since a client should not take it for an answer of its session.
    """
    base = request.app[SETTINGS].base
    body: dict[str, Any] = {"error": "there is nothing at this path"}
    headers = {}
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = sorted(error.allowed_methods)
        body["error"] = f"{request.method} is not for this path"
        body["allowed"] = allowed
        headers["Allow"] = ",".join(allowed)
    body["base"] = base
    body["hint"] = f"clients find this server below {base}, and GET {base} says what is there"
    return answer(body, status=error.status, headers=headers)
