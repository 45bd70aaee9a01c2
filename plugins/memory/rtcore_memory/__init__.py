"""The in-process broker of an rtcore server."""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.broker import Broker
from rtcore_memory.broker import MemoryBroker
from rtcore_memory.settings import Settings

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_brokers(app: App) -> Sequence[Broker]:
    return [MemoryBroker(app.settings(Settings), clock=app.clock)]
