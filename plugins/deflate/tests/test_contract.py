from __future__ import annotations

from rtcore_deflate.compressor import DeflateCompressor
from rtcore_deflate.settings import Settings

from rtcore.testing import CompressorContract


class TestDeflate(CompressorContract):
    def make_compressor(self) -> DeflateCompressor:
        return DeflateCompressor(Settings())
