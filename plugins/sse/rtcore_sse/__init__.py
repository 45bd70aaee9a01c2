"""Server-Sent Events: a transport at `/rt/sse`, upstream by POST to `/rt/send`; rooms to read at `/rt/events/ROOM`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtcore.hooks import hookimpl
from rtcore.spi.rooms import Rooms
from rtcore_sse.room_events import RoomEvents
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
    if not isinstance(transport, SseTransport):
        return []
    routes = transport.routes()
    if app.find(Rooms) is not None:
        routes.append(RoomEvents(app, transport).route())
    return routes
