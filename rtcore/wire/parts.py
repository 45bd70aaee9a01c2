"""Parts: a message too large for one frame travels in several, and a connection that breaks costs one of them.

    ["part", {"of": "x7Yw", "at": 16384, "size": 40000, "data": …}]

`of` names the encoded message, `size` is the bytes of its item and `at` the place of `data` in it. Between two parts
whatever is urgent can pass. Each end holds at most one message of which a part is missing, and says in hello, welcome,
polls and acks how far it is: the next connection goes on there.

Rule: parts are control and not counted; their message is, with its last part, on both sides.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Self

from rtcore.wire.errors import BadControlError, BadPartError, TooBigError
from rtcore.wire.hello import Place, field

#: Bytes of an item that travels whole, and of the data of one part.
PART: Final = 16 * 1024
#: Bytes of the parts that a bad link is reduced to.
SMALLEST: Final = 1024


class Large(bytes):
    """An encoded item that is to travel in parts.

    Attributes:
        of: what parts call it; random, so that two messages with the same bytes are told apart.
    """

    of: str

    def __new__(cls, item: bytes) -> Self:
        made = super().__new__(cls, item)
        made.of = secrets.token_urlsafe(9)
        return made


class Part(NamedTuple):
    """One part of an item.

    Attributes:
        of: names the item.
        at: where `data` begins in it, in bytes.
        size: bytes of the whole item.
        data: bytes of it; whole characters where the codec is text.
    """

    of: str
    at: int
    size: int
    data: bytes

    @property
    def end(self) -> int:
        """How far the item is with this part."""
        return self.at + len(self.data)

    @property
    def is_last(self) -> bool:
        """The item is whole with it, if all before it has come."""
        return self.end == self.size

    def fields(self, *, binary: bool) -> dict[str, Any]:
        """Return the fields of the control item, for a codec that is binary or text."""
        data: bytes | str = self.data if binary else self.data.decode()
        return {"of": self.of, "at": self.at, "size": self.size, "data": data}

    def split(self, most: int, *, binary: bool) -> tuple[Part, Part]:
        """Return the first bytes of it, at most about `most`, and the others. It has more than one character."""
        end = _end(self.data, 0, min(most, len(self.data) - 1), binary=binary)
        if end == len(self.data):  # one character, and a piece of another cannot be
            end = _end(self.data, 0, 1, binary=binary)
        return self._replace(data=self.data[:end]), self._replace(at=self.at + end, data=self.data[end:])


def cut(item: Large, at: int, most: int, *, binary: bool) -> Part:
    """Return the part of an item that begins at `at`.

    Those of the usual size end at the same places for all receivers, wherever they began, so that they share them.

    Args:
        item: of which.
        at: bytes, less than it has.
        most: bytes of data; a character that is longer is not cut.
        binary: the codec's; else parts end between characters.
    """
    to = min(at + most, (at // PART + 1) * PART, len(item))
    end = _end(item, at, to, binary=binary)
    return Part(item.of, at, len(item), item[at:end])


def _end(item: bytes, at: int, to: int, *, binary: bool) -> int:
    """Return `to`, or the nearest place before it where a character ends; after it, if that would be nothing."""
    if binary or to >= len(item):
        return to
    end = to
    while end > at and item[end] & 0xC0 == 0x80:
        end -= 1
    if end > at:
        return end
    end = max(to, at + 1)
    while end < len(item) and item[end] & 0xC0 == 0x80:
        end += 1
    return end


def parse_part(fields: Mapping[str, Any], *, binary: bool) -> Part:
    """Read the fields of a `part` item of a codec that is binary or text.

    Raises:
        BadPartError: names the field, what was given and what was expected.
    """
    try:
        place = Place.parse("part", fields)
        size: int = field("part", fields, "size", int)
    except BadControlError as error:
        raise BadPartError(str(error)) from None
    data: Any = fields.get("data")
    if type(data) is not (bytes if binary else str) or not data:
        wanted = "bytes" if binary else "text"
        raise BadPartError(f"part: `data`: expected {wanted}, given {type(data).__name__} {data!r:.40}")
    if type(data) is str:
        try:
            data = data.encode()
        except UnicodeEncodeError:
            raise BadPartError("part: `data`: half a character; cut between characters") from None
    part = Part(place.of, place.at, size, data)
    if part.end > size:
        raise BadPartError(f"part: `size`: {size} bytes, but this part ends at {part.end}")
    return part


class Assembly:
    """A message that is not all here: the parts that have come.

    Attributes:
        of: names it; empty while there is none.
        at: bytes of it that have come, from its beginning.
        size: bytes that it will have.
    """

    __slots__ = ("_data", "at", "of", "size")

    def __init__(self) -> None:
        self.of = ""
        self.at = 0
        self.size = 0
        # One buffer, not a list: a message in a million parts costs what it weighs.
        self._data: bytearray | None = None

    @property
    def place(self) -> Place | None:
        """What to tell the other end, so that it goes on there; `None` if nothing is held that is of use."""
        return Place(self.of, self.at) if self._data is not None else None

    def continues(self, part: Part) -> bool:
        """Say whether a part goes on with what is held, or begins anew."""
        if part.of == self.of:
            return part.at <= self.at and part.size == self.size
        return part.at == 0

    def fit(self, parts: Iterable[Part]) -> bool:
        """Say whether each of some parts would continue what is held once those before it were taken. Takes none."""
        would = Assembly()
        would.of, would.at, would.size = self.of, self.at, self.size
        for part in parts:
            if not would.continues(part):
                return False
            if part.is_last:
                would.clear()
            else:
                at = max(would.at, part.end) if part.of == would.of else part.end
                would.of, would.at, would.size = part.of, at, part.size
        return True

    def take(self, part: Part, *, limit: int) -> bytes | None:
        """Take a part. Bytes that are here already are left out: what was sent twice is the same.

        Args:
            part: it.
            limit: bytes of an item.

        Returns:
            The item, once it is whole: empty, if what came before `pretend` was not kept.

        Raises:
            TooBigError: the item has more than `limit` bytes.
            BadPartError: it does not continue what is held.
        """
        if not self.continues(part):
            held = (
                f"{self.at} of {self.size} bytes of {self.of!r:.80} are held"
                if self.of
                else "nothing is held"
            )
            raise BadPartError(f"part: `at`: {part.at} of {part.size} bytes of {part.of!r:.80}, but {held}")
        if part.size > limit:
            raise TooBigError(f"a message of {part.size} bytes in parts; max_message_size is {limit} bytes")
        if part.of != self.of:
            self.of, self.at, self.size, self._data = part.of, 0, part.size, bytearray()
        if part.end > self.at:
            if self._data is not None:
                self._data += part.data[self.at - part.at :]
            self.at = part.end
        if self.at < self.size:
            return None
        item = bytes(self._data or b"")
        self.clear()
        return item

    def pretend(self, place: Place, size: int) -> None:
        """So much of a message is here, for the counting only: it was received, and comes again from there."""
        self.of, self.at, self.size, self._data = place.of, place.at, size, None

    def clear(self) -> None:
        """Forget what is held."""
        self.of, self.at, self.size, self._data = "", 0, 0, None
