"""The demo page of an rtcore server: files in the wheel, and the routes that serve them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtcore_http.routes import Route

from rtcore.hooks import hookimpl
from rtcore_playground.page import routes
from rtcore_playground.settings import PlaygroundSettings

if TYPE_CHECKING:
    from rtcore.app import App

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return PlaygroundSettings


@hookimpl
def rtcore_http_routes(app: App) -> Sequence[Route]:
    return routes(app, app.settings(PlaygroundSettings).path)
