"""One room's history: its last publications, and where it stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from rtcore.spi.broker import Forgotten, Position, Publication

#: Bytes of a publication and its message, without the payload.
_OVERHEAD: Final = 512


class RoomHistory:
    """Publications with offsets that rise by one; old ones leave at the front.

    Attributes:
        epoch: the life of this history.
        offset: of the newest publication, also when it has left.
        entries: `(expires, bytes, publication)`, oldest first.
        bytes: of all entries together.
    """

    __slots__ = ("bytes", "entries", "epoch", "offset")

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self.offset = 0
        self.entries: deque[tuple[float, int, Publication]] = deque()
        self.bytes = 0

    @property
    def position(self) -> Position:
        """Where it stands now."""
        return Position(self.offset, self.epoch)

    def append(self, publication: Publication, now: float) -> int:
        """Remember a publication for as long as it says; return by how many bytes that has grown."""
        before = self.bytes
        self.offset += 1
        size = _weigh(publication)
        self.entries.append((now + publication.keep_for, size, publication))
        self.bytes += size
        self.expire(now)
        while len(self.entries) > publication.keep:
            self._drop()
        return self.bytes - before

    def expire(self, now: float) -> int:
        """Forget what has been kept for long enough; return how many bytes that was."""
        before = self.bytes
        while self.entries and self.entries[0][0] <= now:
            self._drop()
        return before - self.bytes

    def after(self, since: Position | None, limit: int) -> Sequence[Publication]:
        """Return the first `limit` publications after a position, or the last `limit` of all.

        Raises:
            Forgotten: what follows the position is not all held.
        """
        oldest = self.offset - len(self.entries)
        if since is None:
            start = max(0, len(self.entries) - limit)
        elif since.epoch != self.epoch or not oldest <= since.offset <= self.offset:
            raise Forgotten(
                f"{since} is not held, offsets {oldest} to {self.offset} of epoch {self.epoch!r} are",
                oldest=Position(oldest, self.epoch),
            )
        else:
            start = since.offset - oldest
        # By index, and not along the deque: who catches up asks for a piece at a time, somewhere in the middle.
        entries = self.entries
        return [entries[at][2] for at in range(start, min(start + limit, len(entries)))]

    def _drop(self) -> None:
        self.bytes -= self.entries.popleft()[1]


def _weigh(publication: Publication) -> int:
    message = publication.message
    # What nobody has listened to yet was never encoded.
    return _OVERHEAD + (message.size or len(repr(message.payload)))
