"""Frames as raw DEFLATE streams (RFC 1951), one each; a browser's `DecompressionStream("deflate-raw")` reads them."""

from __future__ import annotations

import zlib

from rtcore.wire.errors import TooBigError, UndecodableError
from rtcore_deflate.settings import Settings


class DeflateCompressor:
    """See `rtcore.spi.compressor.Compressor`."""

    name = "deflate"

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self._level = settings.level

    def compress(self, data: bytes) -> bytes:
        return zlib.compress(data, self._level, -zlib.MAX_WBITS)

    def decompress(self, data: bytes, *, max_size: int) -> bytes:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            original = stream.decompress(data, max_size + 1)
        except zlib.error as error:
            raise UndecodableError("not a DEFLATE stream") from error
        if len(original) > max_size:
            raise TooBigError(f"decompresses to more than {max_size} bytes")
        if not stream.eof:
            raise UndecodableError("a DEFLATE stream that is cut short")
        if stream.unused_data:
            raise UndecodableError("bytes after the end of a DEFLATE stream")
        return original
