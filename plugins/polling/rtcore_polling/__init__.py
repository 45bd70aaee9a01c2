"""The long-polling transport of an rtcore server: `POST /rt/poll`, upstream by POST to `/rt/send`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtcore.hooks import hookimpl
from rtcore_polling.settings import PollingSettings
from rtcore_polling.transport import PollingTransport

if TYPE_CHECKING:
    from rtcore_http.routes import Route

    from rtcore.app import App
    from rtcore.spi.transport import Transport

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return PollingSettings


@hookimpl
def rtcore_transports(app: App) -> Sequence[Transport]:
    return [PollingTransport(app)]


@hookimpl
def rtcore_http_routes(app: App) -> Sequence[Route]:
    transport = app.registry.transports["polling"]
    return transport.routes() if isinstance(transport, PollingTransport) else []
