"""Framing: frames on their way to an answer, each with its length, so that the codec can join them to one frame.

Rule: a frame of this transport never leaves the process as it is. What is compressed cannot be joined, so that an
answer is compressed as a whole and the kernel leaves single frames alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_LENGTH: Final = 4


class PollFraming:
    """Frames that can be told apart again.

    Attributes:
        compression: tells the kernel to agree on a compressor and to leave its use to the transport.
        whole: tells the kernel that an answer arrives as a whole or not at all: it must fit into the window.
    """

    name = "polling"
    compression = "body"
    whole = True

    def frame(self, body: bytes, binary: bool) -> bytes:  # noqa: FBT001 - the kernel gives it by its place
        return len(body).to_bytes(_LENGTH, "big") + body


def frames_of(data: bytes) -> Iterator[bytes]:
    """Yield the frames that were joined to `data`.

    >>> wrap = PollFraming().frame
    >>> list(frames_of(wrap(b"one", binary=False) + wrap(b"two", binary=True)))
    [b'one', b'two']
    """
    place = 0
    while place < len(data):
        start = place + _LENGTH
        place = start + int.from_bytes(data[place:start], "big")
        yield data[start:place]


FRAMING: Final = PollFraming()
