"""How much at once a client's way up carries: less after a failure, down to a message or a part; more after a success.

A proxy that cuts every connection after a few thousand bytes, or a link that breaks all the time, never carries what is
larger than that. So what failed once is sent in smaller pieces.
"""

from __future__ import annotations

from typing import Final

from rtcore.wire.parts import PART, SMALLEST

#: Bytes of a POST at most, if a single message is not larger: what is cut is sent again.
POST_MAX: Final = 60 * 1024
#: Seconds that the bytes of one POST should take: an answer to a ping and what is urgent wait behind it for so long.
GOAL: Final = 1.0


class Reach:
    """Of one client, whatever link it has.

    Attributes:
        part: bytes of a part, on a link that is a stream.
        post: bytes of a POST.
    """

    def __init__(self) -> None:
        self.part = PART
        self.post = POST_MAX
        self._mark: object = None
        self._most = POST_MAX
        self._trip: float | None = None  # seconds that even an empty POST takes

    def attached(self, mark: object, *, lacking: bool) -> None:
        """A link has come. `mark` is what the server has; `lacking`: the link before was to bring more of it."""
        if mark != self._mark:
            self.part = min(PART, self.part * 2)
        elif lacking:
            self.part = max(SMALLEST, self.part // 2)
        self._mark = mark

    def progressed(self, mark: object) -> None:
        """The server says what it has."""
        if mark != self._mark:
            self._mark = mark
            self.part = min(PART, self.part * 2)

    def failed(self, size: int) -> None:
        """A POST of so many bytes was not answered, or somebody on the way refuses it."""
        self.post = max(SMALLEST, min(self.post, size) // 2)

    def refused(self, size: int) -> None:
        """Somebody on the way says that so many bytes are too many: that will not change."""
        self.failed(size)
        self._most = min(self._most, self.post)

    def carried(self, size: int, seconds: float) -> None:
        """A POST of so many bytes was answered after so many seconds."""
        if size <= 2 * SMALLEST or self._trip is None or seconds < self._trip:
            self._trip = seconds
        most = min(self._most, self.post + max(SMALLEST, self.post // 4))
        took = seconds - self._trip
        if took > GOAL:
            most = min(most, max(SMALLEST, int(size / took * GOAL)))
        self.post = most
