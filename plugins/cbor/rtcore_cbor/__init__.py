"""The CBOR codec of an rtcore server, on cbor2."""

from __future__ import annotations

from collections.abc import Sequence

from rtcore.hooks import hookimpl
from rtcore.spi.codec import Codec
from rtcore_cbor.codec import CborCodec

__rtcore_api__ = 1


@hookimpl
def rtcore_codecs() -> Sequence[Codec]:
    return [CborCodec()]
