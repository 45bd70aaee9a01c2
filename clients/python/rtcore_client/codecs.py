"""The codecs and compressors that are installed. JSON always is; the others are extras of the distribution."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore.spi.compressor import Compressor

#: Name to module, class and extra.
_CODECS: Final = {
    "json": ("rtcore_json.codec", "JsonCodec", "json"),
    "cbor": ("rtcore_cbor.codec", "CborCodec", "cbor"),
}
#: The best first.
_COMPRESSORS: Final = {
    "brotli": ("rtcore_brotli.compressor", "BrotliCompressor"),
    "deflate": ("rtcore_deflate.compressor", "DeflateCompressor"),
}


def codec(name: str) -> Codec:
    """Return the codec of this name.

    Raises:
        ValueError: no such codec; the text says how to install it, if it is one that we know.
    """
    if name not in _CODECS:
        raise ValueError(f"codec: expected one of {', '.join(_CODECS)}, given {name!r}")
    module, class_name, extra = _CODECS[name]
    try:
        make: Callable[[], Codec] = getattr(import_module(module), class_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"codec {name!r} is not installed: pip install 'rtcore-client[{extra}]'") from error
    return make()


def compressors() -> dict[str, Compressor]:
    """Return the compressors that are installed, by name, the best first."""
    found: dict[str, Compressor] = {}
    for name, (module, class_name) in _COMPRESSORS.items():
        try:
            found[name] = getattr(import_module(module), class_name)()
        except ModuleNotFoundError:
            continue
    return found
