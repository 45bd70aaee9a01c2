"""Brotli compression for an rtcore server."""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.app import App
from rtcore.hooks import hookimpl
from rtcore.spi.compressor import Compressor
from rtcore_brotli.compressor import BrotliCompressor
from rtcore_brotli.settings import Settings

__rtcore_api__ = 1


@hookimpl
def rtcore_settings() -> type:
    return Settings


@hookimpl
def rtcore_compressors(app: App) -> Sequence[Compressor]:
    return [BrotliCompressor(app.settings(Settings))]
