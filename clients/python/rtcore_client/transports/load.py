"""What waits to be posted: messages, and parts of one. Pure; no I/O.

Rule: a message has its place in the count, and so has the last part of one. All of it stays here until the server has
said that it has it, so that any POST can be made again, in smaller pieces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rtcore.wire.parts import SMALLEST, Large, Part, cut

if TYPE_CHECKING:
    from rtcore.wire.hello import Place

Piece = bytes | Part


def size_of(piece: Piece) -> int:
    """Return the bytes of a message or a part."""
    return len(piece.data) if isinstance(piece, Part) else len(piece)


def is_counted(piece: Piece) -> bool:
    """Say whether it is a message, or the last part of one."""
    return not isinstance(piece, Part) or piece.is_last


def _has(place: Place | None, part: Part) -> bool:
    """Say whether what the server holds has all of a part. A message that is whole it does not hold any more."""
    return place is not None and place.of == part.of and part.end <= place.at


class Load:
    """Of one link.

    Args:
        first: the count of the first message.
        binary: the codec's.
        most: bytes of a part that the server takes; 0: it takes none.

    Attributes:
        first: the count of the first message that waits, or of which a part does.
        size: bytes that wait.
    """

    def __init__(self, first: int, *, binary: bool, most: int) -> None:
        self.first = first
        self.size = 0
        self._binary = binary
        self._most = most
        self._pieces: deque[Piece] = deque()

    @property
    def cuts(self) -> bool:
        """The server takes parts."""
        return self._most > 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, pieces: Sequence[Piece], place: int) -> None:
        """Let messages or parts wait; `place` is the count of the first, and follows on what waits."""
        if not self._pieces:
            self.first = place
        self._pieces.extend(pieces)
        self.size += sum(map(size_of, pieces))

    def take(self, size: int, count: int) -> list[Piece]:
        """Return what goes next, of at most `size` bytes and `count` pieces: one at least. It stays here.

        A large one is cut, if the server takes parts.
        """
        taken: list[Piece] = []
        while len(taken) < min(count, len(self._pieces)):
            piece = self._pieces[len(taken)]
            if taken and size_of(piece) > size:
                break
            if size_of(piece) > max(size, SMALLEST) and self._cut(len(taken), max(size, SMALLEST)):
                piece = self._pieces[len(taken)]
            taken.append(piece)
            size -= size_of(piece) + 1
        return taken

    def drop(self, confirmed: int, place: Place | None) -> None:
        """The server has so many messages, and so much of the next that comes in parts."""
        pieces = self._pieces
        while pieces:
            piece = pieces[0]
            if self.first >= confirmed and not (isinstance(piece, Part) and _has(place, piece)):
                return
            self._pop()

    def fits(self, place: Place | None) -> bool:
        """Say whether the first part here goes on with what the server holds."""
        part = next((piece for piece in self._pieces if isinstance(piece, Part)), None)
        if part is None or part.at == 0:
            return True
        return place is not None and place.of == part.of and part.at <= place.at

    def give_up(self, nothing: bytes) -> int | None:
        """Forget the first piece, and with a part all others of its message.

        Returns:
            The message's place in the count, if it has one. If that was another part's, `nothing` is there now.
        """
        place = self.first
        piece = self._pop()
        if is_counted(piece) or not isinstance(piece, Part):
            return place
        kept: list[Piece] = []
        found = None
        for one in self._pieces:
            if not isinstance(one, Part) or one.of != piece.of:
                kept.append(one)
            elif one.is_last:
                found = place
                kept.append(nothing)
            place += is_counted(one)
        self._pieces = deque(kept)
        self.size = sum(map(size_of, kept))
        return found

    def _pop(self) -> Piece:
        piece = self._pieces.popleft()
        self.size -= size_of(piece)
        self.first += is_counted(piece)
        return piece

    def _cut(self, at: int, size: int) -> bool:
        """Cut the piece at a place in the queue. False if it cannot be."""
        piece = self._pieces[at]
        if not self._most:
            return False
        size = min(size, self._most)
        if isinstance(piece, Part):
            first, rest = piece.split(size, binary=self._binary)
        else:
            item = Large(piece)
            first = cut(item, 0, size, binary=self._binary)
            if first.is_last:
                return False
            rest = Part(item.of, first.end, len(item), item[first.end :])
        self._pieces[at] = first
        self._pieces.insert(at + 1, rest)
        return True
