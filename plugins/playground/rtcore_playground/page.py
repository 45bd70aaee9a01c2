"""The page's files as HTTP responses, and what the page must know of the server that the wire does not say.

Rule: the page may load and call nothing but this server, and no inline script or style (Content Security Policy
Level 3). The files are read once; a browser asks each time whether its copy is still good, and is told so in few bytes.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from aiohttp import web
from rtcore_http.routes import Route, under

if TYPE_CHECKING:
    from rtcore.app import App

#: Where the page's own files are, whatever the path of the page itself.
BELOW: Final = "/playground/"
#: How the page says where the transports are, relative to itself: it may be behind a proxy's prefix.
META: Final = b'<meta name="rtcore-base" content="%b">'
#: The type of a question to an assistant.
QUESTION: Final = "chat:message"

TYPES: Final = {
    "css": "text/css",
    "html": "text/html",
    "js": "text/javascript",
    "svg": "image/svg+xml",
}

HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class File:
    """One file of the page, ready to be served."""

    def __init__(self, name: str, body: bytes) -> None:
        self.name = name
        self._body = body
        self._type = TYPES[name.rpartition(".")[2]]
        self._tag = hashlib.sha256(body).hexdigest()[:20]

    async def answer(self, request: web.Request) -> web.Response:
        """Answer with the file, or with 304 if the browser has it (RFC 9110, section 13.1.2)."""
        headers = {**HEADERS, "ETag": f'"{self._tag}"'}
        known = request.if_none_match or ()
        if any(tag.value in {self._tag, "*"} for tag in known):
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._body, headers=headers, content_type=self._type, charset="utf-8")


class Offers:
    """What this server has that a page may have a use for: `GET /playground/offers.json`."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def answer(self, request: web.Request) -> web.Response:
        """Say whether questions are answered, and whether a token is of use. Each page asks once."""
        registry = self._app.registry
        offers = {
            "assistant": any(covers(pattern, QUESTION) for pattern in registry.handlers),
            "token": bool(registry.authenticators),
        }
        return web.json_response(offers, headers={**HEADERS, "Cache-Control": "no-store"})


def covers(pattern: str, type_: str) -> bool:
    """Say whether a handler of this pattern was made for messages of this type. One for everything was not.

    >>> covers("chat:message", "chat:message"), covers("chat:*", "chat:message"), covers("*", "chat:message")
    (True, True, False)
    """
    return pattern == type_ or (pattern.endswith(":*") and type_.startswith(pattern[:-1]))


def routes(app: App, path: str) -> list[Route]:
    """Return a route for each file; the page itself is at `path`."""
    made = [Route("GET", BELOW + "offers.json", Offers(app).answer)]
    for file in sorted(files(__package__).joinpath("static").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".d.ts"):
            continue  # for those who work on the page, where it lies in the tree
        body, where = file.read_bytes(), BELOW + file.name
        if file.name == "index.html":
            where = path
            base = under(app, "").strip("/").encode() or b"./"
            body = body.replace(META % b"rt", META % base)
        served = File(file.name, body)
        made += [Route("GET", where, served.answer), Route("HEAD", where, served.answer)]
    return made
