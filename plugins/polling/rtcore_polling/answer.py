"""How the answers to one client's polls are written: one frame of several, compressed as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rtcore_http.answers import Answer

from rtcore.wire.format import COMPRESSED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtcore.connection import Connection
    from rtcore.spi.codec import Codec
    from rtcore.spi.compressor import Compressor


class Dress(NamedTuple):
    """What was agreed on with a client. It holds no connection, so that it can outlive one.

    Attributes:
        codec: joins the frames.
        compressor: the one that `welcome` has named; `None` for none, and before it has.
        threshold: bytes. Smaller answers stay as they are.
    """

    codec: Codec
    compressor: Compressor | None
    threshold: int

    @classmethod
    def of(cls, connection: Connection) -> Dress:
        """Return what was agreed on for a connection."""
        return cls(connection.codec, connection.compressor, connection.form.threshold)

    def answer(self, frames: Sequence[bytes]) -> Answer:
        """Make one frame of several, compressed if that was agreed on and is worth it."""
        body, content_type = self.codec.join(frames), self.codec.content_type
        if self.compressor is not None and len(body) >= self.threshold:
            packed = self.compressor.compress(body)
            if len(packed) + 1 < len(body):
                body, content_type = bytes([COMPRESSED]) + packed, "application/octet-stream"
        return Answer(body, content_type)
