"""Where a reader of a room is: the `Last-Event-ID` of its stream.

    <epoch>:<offset>    it has everything up to there of the room's history
    stop:<number>       the stream ended with a code that says stop: answer 204, which ends an `EventSource`
    (empty)             it begins now

A place is no secret: who may read the room may read all of its history.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from rtcore.errors import Rejected

_PLACE: Final = re.compile(r"(?P<epoch>[^\s]{1,256}):(?P<offset>[0-9]{1,15})")
_STOP: Final = re.compile(r"stop:[0-9]{4}")


class Place(NamedTuple):
    """What `since` of a `room:join` takes."""

    offset: int
    epoch: str


def id_of(place: Place) -> bytes:
    """Return a place as an event's id.

    >>> id_of(Place(7, "e1"))
    b'e1:7'
    """
    return f"{place.epoch}:{place.offset}".encode()


def says_stop(last_event_id: str) -> bool:
    """Say whether the client was told not to come back.

    >>> says_stop("stop:4203"), says_stop("e1:7")
    (True, False)
    """
    return _STOP.fullmatch(last_event_id) is not None


def place_of(given: str, *, header: bool) -> Place | None:
    """Return the place that somebody says; `None` if nothing is said.

    A browser brings back whatever it was given, perhaps by another server: an id that is none is a place in a history
    that is over, and its reader is told that something is missing. A person who types one is told what is wrong.

    Raises:
        Rejected: `bad_message`; it is none, and comes from no header.

    >>> place_of("e1:7", header=True), place_of("what?", header=True), place_of("", header=True)
    (Place(offset=7, epoch='e1'), Place(offset=0, epoch='what?'), None)
    """
    if not given:
        return None
    found = _PLACE.fullmatch(given)
    if found is not None:
        return Place(int(found["offset"]), found["epoch"])
    if header:
        return Place(0, given[:256])
    raise Rejected("bad_message", f"last-event-id: expected <epoch>:<offset>, given {given[:80]!r}")
