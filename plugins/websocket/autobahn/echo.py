"""The plugin's own frame path with an echo behind it, for the Autobahn test suite.

The port, the upgrade, the hand-over, picows, reassembly, deflate and framing are the real ones; only the kernel's
connection is replaced by one that sends back what it gets. Prints its port and runs until its stdin ends.
"""

# ruff: noqa: INP001, T201
# a program, not a package

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, cast

import rtcore_http
from picows import WSFrame, WSMsgType, WSTransport
from rtcore_http.service import Http
from rtcore_websocket.link import PicowsLink
from rtcore_websocket.settings import WebSocketSettings
from rtcore_websocket.transport import WebSocketTransport

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.wire.codes import CODES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtcore_http.routes import Route
    from rtcore_websocket.plain import PlainLink

    from rtcore.connection import Connection
    from rtcore.spi.auth import Identity
    from rtcore.spi.transport import Handshake, Transport

#: Section 9 sends messages of 16 MiB.
LIMIT = 32 * 1024 * 1024


class Listening(PicowsLink):
    """Remembers whether the last message was text: an echo has to be what it answers."""

    __slots__ = ("binary",)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is WSMsgType.TEXT or kind is WSMsgType.BINARY:
            self.binary = kind is WSMsgType.BINARY
        super().on_ws_frame(transport, frame)


class Echo:
    """In the place of a kernel connection."""

    def __init__(self, link: Listening) -> None:
        self.link = link

    def receive(self, frame: bytes) -> None:
        self.link.write(self.link.framing.frame(frame, binary=self.link.binary))

    def pause(self) -> None:
        self.link.pause_reading()

    def resume(self) -> None:
        self.link.resume_reading()

    def close(self, code: str, reason: str) -> None:
        self.link.close(CODES[code].number, code)

    def lost(self, code: str) -> None:
        """Forget the link."""
        del self.link


class EchoTransport(WebSocketTransport):
    """The transport, with an echo where the kernel would be."""

    link_type = Listening

    def connect(
        self, link: PicowsLink | PlainLink, handshake: Handshake, identity: Identity | None
    ) -> Connection:
        return cast("Connection", Echo(cast(Listening, link)))


class EchoPlugin:
    """What rtcore_websocket is, with the transport above."""

    @hookimpl
    def rtcore_settings(self) -> type:
        return WebSocketSettings

    @hookimpl
    def rtcore_transports(self, app: App) -> Sequence[Transport]:
        return [EchoTransport()]

    @hookimpl
    def rtcore_http_routes(self, app: App) -> Sequence[Route]:
        return cast(EchoTransport, app.registry.transports["websocket"]).routes()


async def main() -> None:
    # Deflate whatever can be, so that the sections about it test something.
    sections = {
        "http": {"port": 0},
        "echoplugin": {"permessage_deflate": True, "deflate_threshold": 0, "deflate_window_bits": 15},
    }
    app = App({"max_message_size": LIMIT, **sections}, plugins=[rtcore_http, EchoPlugin()])
    async with app:
        print(app.get(Http).port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
