"""A server whose tokens end: `ann:1700000000.5` is Ann's until then. Says where it is when it is ready."""

from __future__ import annotations

import sys
import time

import attrs
import rtcore_echo
import rtcore_http
import rtcore_json
import rtcore_memory
import rtcore_polling
import rtcore_rooms
import rtcore_sse
import rtcore_websocket
from rtcore_http.service import Http

from rtcore import App, Rejected
from rtcore.hooks import hookimpl
from rtcore.serve import run
from rtcore.spi.auth import Identity
from rtcore.spi.transport import Handshake


@attrs.frozen
class Tokens:
    """Takes each until its time."""

    name: str = "tokens"

    @hookimpl
    def rtcore_authenticators(self) -> list[Tokens]:
        return [self]

    async def authenticate(self, handshake: Handshake) -> Identity | None:
        if handshake.token is None:
            return None
        subject, _, end = handshake.token.partition(":")
        if float(end) <= time.time():
            raise Rejected("credentials_expired", "get another one")
        return Identity(subject, expires=float(end))


def main() -> None:
    plugins = [rtcore_http, rtcore_websocket, rtcore_sse, rtcore_polling, rtcore_json]
    plugins += [rtcore_memory, rtcore_rooms, rtcore_echo]
    app = App(
        {"http": {"port": 0}, "heartbeat_interval": 0.2, "ping_timeout": 0.2, "drain_time": 0.2},
        plugins=[*plugins, Tokens()],
    )

    def ready() -> None:
        sys.stdout.write(f"ready at http://127.0.0.1:{app.get(Http).port}\n")
        sys.stdout.flush()

    run(app, ready=ready)


if __name__ == "__main__":
    main()
