"""Framing: the frames of a poll's answer, joined, are one frame again.

Rule: JSON items are lines, so each ends with LF; a CBOR sequence needs nothing between its items (RFC 8742). What is
compressed cannot be joined, so that answers are compressed as a whole and the kernel leaves single frames alone.
"""

from __future__ import annotations

from typing import Final


class PollFraming:
    """Frames that can be joined to one.

    Attributes:
        compression: tells the kernel that it agrees on a compressor and the transport uses it, on the whole body.
    """

    name = "polling"
    compression = "body"

    def frame(self, body: bytes, *, binary: bool) -> bytes:
        r"""Wrap one frame.

        >>> PollFraming().frame(b"{}", binary=False), PollFraming().frame(b"\xa0", binary=True)
        (b'{}\n', b'\xa0')
        """
        return body if binary else body + b"\n"

    def join(self, frames: list[bytes], *, binary: bool) -> bytes:
        r"""Return the one frame that several make.

        >>> PollFraming().join([b"[]\n", b"{}\n"], binary=False)
        b'[]\n{}'
        """
        body = b"".join(frames)
        return body if binary else body.removesuffix(b"\n")


FRAMING: Final = PollFraming()
