"""Frames as Brotli streams (RFC 7932), one each."""

from __future__ import annotations

import brotli  # type: ignore[import-untyped]  # it has no stubs

from rtcore.wire.errors import TooBigError, UndecodableError
from rtcore_brotli.settings import Settings


class BrotliCompressor:
    """See `rtcore.spi.compressor.Compressor`."""

    name = "brotli"

    def __init__(self, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self._quality = settings.quality
        self._window = settings.window

    def compress(self, data: bytes) -> bytes:
        packed: bytes = brotli.compress(data, quality=self._quality, lgwin=self._window)
        return packed

    def decompress(self, data: bytes, *, max_size: int) -> bytes:
        stream = brotli.Decompressor()
        parts: list[bytes] = []
        size = 0
        rest = data
        try:
            while not stream.is_finished():
                # The limit is where its buffer stops growing, so a part may be somewhat larger than that.
                part = stream.process(rest, output_buffer_limit=max_size + 1 - size)
                size += len(part)
                if size > max_size:
                    raise TooBigError(f"decompresses to more than {max_size} bytes")
                if not part and not stream.is_finished():
                    raise UndecodableError("a Brotli stream that is cut short")
                parts.append(part)
                rest = b""
        except brotli.error as error:
            raise UndecodableError("not a Brotli stream") from error
        return parts[0] if len(parts) == 1 else b"".join(parts)
