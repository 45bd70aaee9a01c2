"""The JSON codec of an rtcore server, on msgspec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rtcore.hooks import hookimpl
from rtcore.spi.codec import Codec, Converter
from rtcore_json.codec import JsonCodec
from rtcore_json.typed import MsgspecConverter

__rtcore_api__ = 1


@hookimpl
def rtcore_codecs() -> Sequence[Codec]:
    return [JsonCodec()]


@hookimpl
def rtcore_services() -> Mapping[type, object]:
    return {Converter: MsgspecConverter()}
