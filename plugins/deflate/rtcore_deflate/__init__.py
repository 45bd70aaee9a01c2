"""Deflate compression for an rtcore server, on the standard library."""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.compressor import Compressor
from rtcore_deflate.compressor import DeflateCompressor
from rtcore_deflate.settings import Settings

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_compressors(app: App) -> Sequence[Compressor]:
    return [DeflateCompressor(app.settings(Settings))]
