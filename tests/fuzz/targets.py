"""What is fuzzed in one process: each target takes bytes, and lets nothing out but what its contract names.

A target raises `AssertionError` when a promise is broken; any other exception is a fault as well.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rtcore_brotli.compressor import BrotliCompressor
from rtcore_cbor.codec import CborCodec
from rtcore_deflate.compressor import DeflateCompressor
from rtcore_json.codec import JsonCodec

from rtcore.wire import Control, Hello, Message, Welcome, WireError, trace
from rtcore.wire.format import COMPRESSED, unpack
from rtcore.wire.hello import field

MAX_SIZE = 1 << 20
JSON, CBOR = JsonCodec(), CborCodec()
COMPRESSORS = (None, BrotliCompressor(), DeflateCompressor())


def frames(data: bytes, codec: Any, compressor: Any = None) -> None:
    """Unpack a frame: nothing but a `WireError`. What is decoded has a payload, or says why not, and can be relayed."""
    try:
        items = unpack(data, codec, compressor, max_size=MAX_SIZE)
    except WireError:
        return
    for item in items:
        if isinstance(item, Message):
            relayed(item)
        elif isinstance(item, Control):
            greeting(item)


def relayed(message: Message) -> None:
    """Encode a message anew in both codecs: each reads what it has written, as one message with the same names."""
    with suppress(WireError):
        message.payload  # noqa: B018 - it is decoded at the first look
    trace.parse(message.trace or "")
    for codec in (JSON, CBOR):
        try:
            encoded = codec.encode(message)
        except (TypeError, WireError):
            continue
        again = codec.decode(encoded)
        assert len(again) == 1, f"{codec.name}: relayed as {len(again)} items"
        back = again[0]
        assert isinstance(back, Message), f"{codec.name}: what it has written it cannot read: {back}"
        assert (back.type, back.room, back.id) == (message.type, message.room, message.id)


def greeting(item: Control) -> None:
    """Read the fields of a control item: nothing but a `WireError`."""
    for read in (Hello.parse, Welcome.parse):
        with suppress(WireError):
            read(item.fields)
    for key in ("n", "t", "session", "from", "at", "size"):
        with suppress(WireError):
            field("x", item.fields, key, int)


def json_frames(data: bytes) -> None:
    """A frame in JSON."""
    frames(data, JSON)


def cbor_frames(data: bytes) -> None:
    """A frame in CBOR."""
    frames(data, CBOR)


def compressed_frames(data: bytes) -> None:
    """A compressed frame; the first byte says by what, and what is in it."""
    if data:
        compressor = COMPRESSORS[data[0] % 3]
        frames(bytes((COMPRESSED,)) + data[1:], CBOR if data[0] & 64 else JSON, compressor)


#: By name, for the command line.
TARGETS: dict[str, Callable[[bytes], None]] = {
    "json": json_frames,
    "cbor": cbor_frames,
    "compressed": compressed_frames,
}
