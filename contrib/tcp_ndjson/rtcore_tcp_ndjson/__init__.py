"""An rtcore transport: newline-delimited JSON over plain TCP, on a port of its own."""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.transport import Transport
from rtcore_tcp_ndjson.settings import Settings
from rtcore_tcp_ndjson.transport import TcpTransport

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_transports(app: App) -> Sequence[Transport]:
    return [TcpTransport(app.settings(Settings))]
