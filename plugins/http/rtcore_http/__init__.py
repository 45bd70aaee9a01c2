"""The one HTTP port of an rtcore server: routes, CORS, TLS, health, and the way up for SSE and long polling."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from rtcore.hooks import Lifespan, Phase, hookimpl
from rtcore_http import routes
from rtcore_http.port import Port
from rtcore_http.service import Http
from rtcore_http.settings import HttpSettings

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.settings import Resolved

__rtcore_api__ = 1


@hookimpl
def rtcore_addhooks() -> object:
    return routes


@hookimpl
def rtcore_settings() -> type:
    return HttpSettings


@hookimpl
def rtcore_services(app: App) -> Mapping[type, object]:
    return {Http: Port(app)}


@hookimpl
def rtcore_lifespan(app: App) -> Lifespan:
    return Lifespan(_port_open(app), Phase.TRANSPORTS)


@hookimpl
def rtcore_reload(app: App, settings: Resolved) -> Callable[[], None]:
    return cast(Port, app.get(Http)).reload(settings.section(HttpSettings))


@asynccontextmanager
async def _port_open(app: App) -> AsyncIterator[None]:
    port = cast(Port, app.get(Http))
    asked = app.hook.rtcore_http_routes(app=app)
    await port.open(app.settings(HttpSettings), [route for several in asked for route in several])
    try:
        yield
    finally:
        await port.close()
