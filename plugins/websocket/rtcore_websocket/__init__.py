"""The WebSocket transport of an rtcore server, on picows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from rtcore_http.service import Http

from rtcore.hooks import hookimpl
from rtcore_websocket.settings import WebSocketSettings
from rtcore_websocket.transport import WebSocketTransport

if TYPE_CHECKING:
    from rtcore_http.routes import Route

    from rtcore.app import App
    from rtcore.spi.transport import Transport

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return WebSocketSettings


@hookimpl
def rtcore_requirements() -> Sequence[type]:
    return [Http]


@hookimpl
def rtcore_transports(app: App) -> Sequence[Transport]:
    return [WebSocketTransport()]


@hookimpl
def rtcore_http_routes(app: App) -> Sequence[Route]:
    transport = cast(WebSocketTransport, app.registry.transports["websocket"])
    return transport.routes(app, app.settings(WebSocketSettings))
