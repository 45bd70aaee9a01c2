"""The full product as a target: authenticated sessions, resume window, rate limit, authorisation, rooms, telemetry.

    python benchmarks/servers/rtcore_server.py PORT [key=value …]

Everything that a deployment has is on: a token in `hello` is checked in constant time, joining a room is authorised,
each message passes the rate limiter, counters are kept and one message in a hundred gets a span.
"""

from __future__ import annotations

import hmac
import sys
from collections.abc import Sequence

import rtcore_cbor
import rtcore_echo
import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_otel
import rtcore_polling
import rtcore_ratelimit
import rtcore_rooms
import rtcore_sse
import rtcore_websocket

from rtcore import App, Rejected, Session, hookimpl
from rtcore.serve import run
from rtcore.settings import load
from rtcore.spi.auth import Authenticator, Authorizer, Identity
from rtcore.spi.transport import Handshake

TOKEN = "a-token-of-32-characters-exactly"
PLUGINS = (
    rtcore_cbor, rtcore_echo, rtcore_http, rtcore_json, rtcore_memory, rtcore_otel, rtcore_polling,
    rtcore_ratelimit, rtcore_rooms, rtcore_sse, rtcore_websocket,
)  # fmt: skip
SETTINGS = (
    "max_connections=20000",
    "max_greetings=20000",
    "rate_limit_per_second=1000000",
    'http.host="127.0.0.1"',
    "otel.sample_ratio=0.01",
    "otel.attach_ratio=0.01",
)


class Gate:
    """Lets in who has the token, and lets them into rooms."""

    name = "gate"

    @hookimpl
    def rtcore_authenticators(self) -> Sequence[Authenticator]:
        return [self]

    @hookimpl
    def rtcore_authorizers(self) -> Sequence[Authorizer]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token is None:
            return None
        if not hmac.compare_digest(handshake.token, TOKEN):
            raise Rejected("unauthenticated")
        return Identity(f"user-{handshake.peer}")

    async def authorize(self, session: Session, action: str, resource: str) -> None:
        if resource.startswith("private:"):
            raise Rejected("forbidden")


def main() -> None:
    port, *more = sys.argv[1:]
    sources = load(None, {}, [*SETTINGS, f"http.port={port}", *more])
    run(App(sources, plugins=[*PLUGINS, Gate()]))


if __name__ == "__main__":
    main()
