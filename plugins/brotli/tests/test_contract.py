from __future__ import annotations

from rtcore_brotli.compressor import BrotliCompressor
from rtcore_brotli.settings import Settings

from rtcore.testing import CompressorContract


class TestBrotli(CompressorContract):
    def make_compressor(self) -> BrotliCompressor:
        return BrotliCompressor(Settings())
