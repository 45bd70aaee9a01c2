"""Traces and metrics of an rtcore server through the OpenTelemetry SDK."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rtcore.hooks import Lifespan, Phase, hookimpl
from rtcore.telemetry import Tracing
from rtcore_otel.plan import make_plan
from rtcore_otel.settings import OtelSettings
from rtcore_otel.telemetry import Telemetry

if TYPE_CHECKING:
    from rtcore.app import App

__all__ = ["OtelSettings", "Telemetry"]
__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return OtelSettings


@hookimpl
def rtcore_services(app: App) -> Mapping[type, object]:
    telemetry = Telemetry(make_plan(app.settings(OtelSettings), os.environ), node=app.node)
    services: dict[type, object] = {Telemetry: telemetry}
    if telemetry.tracing is not None:
        services[Tracing] = telemetry.tracing
    return services


@hookimpl
def rtcore_lifespan(app: App) -> Lifespan:
    # The first to start is the last to stop: what the end of everything else has to tell is exported too.
    return Lifespan(app.get(Telemetry).running(app.manager.counters), Phase.BROKER)
