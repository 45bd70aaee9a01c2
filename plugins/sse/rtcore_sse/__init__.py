"""The Server-Sent Events transport of an rtcore server: a stream at `/rt/sse`, upstream by POST to `/rt/send`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtcore.hooks import hookimpl
from rtcore_sse.settings import SseSettings
from rtcore_sse.transport import SseTransport

if TYPE_CHECKING:
    from rtcore_http.routes import Route

    from rtcore.app import App
    from rtcore.spi.transport import Transport

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return SseSettings


@hookimpl
def rtcore_transports(app: App) -> Sequence[Transport]:
    return [SseTransport(app)]


@hookimpl
def rtcore_http_routes(app: App) -> Sequence[Route]:
    transport = app.registry.transports["sse"]
    return transport.routes() if isinstance(transport, SseTransport) else []
