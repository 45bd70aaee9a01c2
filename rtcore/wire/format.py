"""Formats: how items become the bytes of one kind of connection.

A *frame* is one or more items. A frame whose first byte is `0x01` is compressed: what follows is what the
session's compressor made of a frame. No item of JSON or CBOR can begin with that byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from rtcore.wire.errors import FrameError, TooBigError, UndecodableError
from rtcore.wire.parts import PART, Large, cut

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec, Item
    from rtcore.spi.compressor import Compressor
    from rtcore.spi.transport import Framing
    from rtcore.wire.message import Message

#: Marks a compressed frame.
COMPRESSED: Final = 0x01
#: Items in one frame. Each costs an answer if it is bad, so a megabyte of the smallest ones must not pass.
MAX_ITEMS: Final = 10_000
_MARK: Final = b"\x01"
#: Parts that a format remembers: those that a room's members, who are in step, are about to be sent as well.
_REMEMBERED: Final = 8
#: Bytes. A larger item goes in parts even where it could be compressed to a small frame: a client bounds what a frame
#: is decompressed to.
_PACKED_MAX: Final = 1024 * 1024


class Format:
    """One combination of codec, compressor and framing; shared by all connections that have it.

    Args:
        codec: how items are encoded.
        framing: how a frame is delimited on the transport.
        compressor: used for frames of at least `threshold` bytes; `None` for none.
        threshold: bytes. Token-sized frames are never compressed: they would grow.
        batch: so many messages at most go into one frame, compressed as a whole; 0 for a frame per message. With
            it a message's form is its bare item, and `finish` makes the frames.
        piece: messages that are written at once at most, where a client confirms all of an answer or nothing.
        parts: those who have it take large messages in parts: the form of one is then its bare item, a `Large`.
    """

    __slots__ = (
        "__weakref__", "_frame", "_largest", "_parts", "batch", "binary", "codec", "compressor", "framing", "piece",
        "threshold",
    )  # fmt: skip

    def __init__(
        self,
        codec: Codec,
        framing: Framing,
        *,
        compressor: Compressor | None = None,
        threshold: int = 1024,
        batch: int = 0,
        piece: int = 2**31,
        parts: bool = False,
    ) -> None:
        self._frame = framing.frame
        self._largest = PART if parts else 2**53
        self._parts: dict[tuple[str, int, int], tuple[bytes, int]] | None = None
        self.batch = batch
        self.piece = piece
        self.codec = codec
        self.binary = codec.binary
        self.framing = framing
        self.compressor = compressor
        self.threshold = threshold

    def encode(self, message: Message) -> bytes:
        """Return the form of one message. Use `message.form(format)`, which remembers it."""
        codec = self.codec
        item = message.item
        if item is None or message.raw_codec is not codec:
            item = codec.encode(message)
            if message.raw is None and message.item is None:
                message.keep(item, codec)
        if len(item) > self._largest:
            return self._large(message, item)
        if self.batch:
            return item
        if self.compressor is None:  # what `pack` would do, without the call: 100 ns of 800
            return self._frame(item, self.binary)
        return self.pack(item)

    def finish(self, forms: Sequence[bytes]) -> bytes:
        """Make the bytes of one write of the forms of one or more messages."""
        size = self.batch
        if size:
            groups = (forms[i : i + size] for i in range(0, len(forms), size))
            forms = [self.pack(self.codec.join(group)) for group in groups]
        return forms[0] if len(forms) == 1 else b"".join(forms)

    def is_large(self, message: Message) -> bool:
        """Say whether a message goes in parts."""
        try:
            return message.form(self).__class__ is Large
        except Exception:  # noqa: BLE001 - found again, and reported, when it is written
            return False

    def part(self, item: Large, at: int, most: int) -> tuple[bytes, int]:
        """Return the framed bytes of one part of an item, at most `most` bytes from `at`, and where it ends."""
        known = self._parts
        if known is None:
            known = self._parts = {}
        key = (item.of, at, most)
        found = known.get(key)
        if found is None:
            part = cut(item, at, most, binary=self.binary)
            body = self.codec.encode_control("part", part.fields(binary=self.binary))
            found = known[key] = self.pack(body), part.end
            if len(known) > _REMEMBERED:
                del known[next(iter(known))]
        return found

    def _large(self, message: Message, item: bytes) -> bytes:
        """Return the form of a message that is larger than one part, if it cannot be made small."""
        if not self.batch and len(item) <= _PACKED_MAX:
            framed = self.pack(item)
            if len(framed) <= PART:
                return framed
        if isinstance(item, Large):
            return item
        # One that another transport with this codec has: so a resume over that one goes on where it was.
        for form, made in ((message.made_for, message.made), *message.forms.items()):
            if made.__class__ is Large and form is not None and form.codec is self.codec:
                return made
        large = Large(item)
        if message.item is item:
            message.item = large  # once is enough
        return large

    def encode_control(self, name: str, fields: dict[str, Any]) -> bytes:
        """Return the framed bytes of one control item."""
        return self.framing.frame(self.codec.encode_control(name, fields), self.binary)

    def pack(self, body: bytes) -> bytes:
        """Compress a frame if that is worth it, and wrap it."""
        if self.compressor is not None and len(body) >= self.threshold:
            packed = self.compressor.compress(body)
            if len(packed) + 1 < len(body):
                return self.framing.frame(_MARK + packed, True)
        return self.framing.frame(body, self.binary)


def unpack(frame: bytes, codec: Codec, compressor: Compressor | None, *, max_size: int) -> Sequence[Item]:
    """Make items of a frame as it came from the transport: size, decompression, decoding.

    Args:
        frame: one frame, without the transport's framing.
        codec: the connection's codec.
        compressor: the one agreed on in `welcome`; `None` when there is none.
        max_size: bytes, of the frame and of what it decompresses to.

    Raises:
        TooBigError: the frame or what is in it is larger than `max_size`.
        FrameError: it is compressed and nothing was agreed on, or it cannot be decompressed or cut into items:
            nobody knows how many messages it held.
    """
    if len(frame) > max_size:
        raise TooBigError(f"a frame of {len(frame)} bytes; max_message_size is {max_size} bytes")
    if frame and frame[0] == COMPRESSED:
        if compressor is None:
            raise FrameError("a compressed frame, but no compression was agreed on in `welcome`")
        try:
            frame = compressor.decompress(frame[1:], max_size=max_size)
        except UndecodableError as error:
            raise FrameError(f"a compressed frame: {error}") from error
    return codec.decode(frame)
