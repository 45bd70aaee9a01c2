"""Catching up: a member reads a room's history at its own pace, and is live when it has all of it.

    live         in the audience: what is published goes straight into its outbox
    behind       its session pulls from the history, from a cursor on; what is published meanwhile is found there
    dormant      behind, and nothing is pulled: its page was loaded again, and has not joined yet

Rule: a member has one place in the history, here or in the audience, and never both. So everything comes in order and
once, however slow it is and whatever is cut, and what it has not got yet costs no memory but the history's.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Final

from rtcore.spi.broker import Forgotten, Position
from rtcore.wire.message import Message
from rtcore.wire.ranges import holds

if TYPE_CHECKING:
    from rtcore.session import Session
    from rtcore.spi.broker import Page, Publication
    from rtcore.wire.ranges import Ranges
    from rtcore_rooms.histories import Histories
    from rtcore_rooms.room import Room

_log = logging.getLogger("rtcore.rooms")

#: Seconds before a broker that has failed is asked again; they double up to the second one.
PAUSE: Final = 0.5
PAUSE_MAX: Final = 30.0
#: Times that a broker may say in a row that it has forgotten what it has just said that it has.
LOST_MAX: Final = 3
#: Publications that are asked for at once.
PAGE: Final = 32
#: Says that a place in the history is not for whoever gets it: its own message, where there is no echo.
SKIP: Final = "room:skip"


class CatchUp:
    """One member that is behind. A `rtcore.spi.feed.Feed`.

    Attributes:
        session: whose it is.
        here: the room.
        offset, epoch: its cursor: everything up to here was given to the session. `epoch` is `None` before anything.
        ahead: what it was given beyond that, since it was urgent.
        dormant: nothing is pulled before the next join.
        written: of one that is dormant: everything up to here was written to the session, whether that came or not.
    """

    __slots__ = (
        "_answer", "_asked", "_failed", "_histories", "_hole", "_page", "_told", "ahead", "dormant", "epoch", "here",
        "offset", "session", "written",
    )  # fmt: skip

    def __init__(
        self,
        histories: Histories,
        session: Session,
        here: Room,
        place: Position | None,
        *,
        page: Sequence[Publication] = (),
        ahead: Ranges = (),
        dormant: bool = False,
        written: int = 0,
    ) -> None:
        self._histories = histories
        self._page: deque[Publication] = deque(page)
        self._told: list[Message] = []
        self._hole: Position | None = None
        self._asked = False
        self._answer: Awaitable[Page] | None = None
        self._failed = 0
        self.session = session
        self.here = here
        self.offset = place.offset if place is not None else 0
        self.epoch = place.epoch if place is not None else None
        self.ahead = ahead
        self.dormant = dormant
        self.written = written

    @property
    def place(self) -> Position | None:
        """The cursor; `None` before anything is known."""
        return Position(self.offset, self.epoch) if self.epoch is not None else None

    @property
    def waiting(self) -> int:
        """Publications between its cursor and what this node was brought last, but for what is ahead."""
        newest = self.here.delivered
        if self.dormant or newest is None or newest.epoch != self.epoch:
            return 0
        return max(0, newest.offset - self.offset - among(self.ahead, self.offset, newest.offset))

    def take(self, count: int, size: int) -> Sequence[Message]:
        """Return what follows; see `rtcore.spi.feed.Feed`."""
        taken: list[Message] = []
        while len(taken) < count and size > 0 and (self._told or self._page or self._ask()):
            if self._told:
                taken.append(self._told.pop(0))
            elif self._page:
                message = self._next(self._page.popleft())
                if message is not None:
                    taken.append(message)
                    size -= max(1, message.size)
        return taken

    def end(self) -> None:
        """Nothing more is pulled."""
        self.dormant = True
        self._page.clear()
        self.session.unfollow(self)
        close = getattr(self._answer, "close", None)
        if close is not None:
            close()  # it is a coroutine, and nobody will wait for it

    # -- inside ------------------------------------------------------------------------------------------

    def _next(self, publication: Publication) -> Message | None:
        """Move the cursor to a publication; return what its member is to be sent of it."""
        message = publication.message
        self.offset, self.epoch = message.offset or 0, message.epoch
        if self.ahead and holds(self.ahead, self.offset):
            return None
        if publication.exclude != self.session.id:
            return message
        return place_of(message) if self.session.covers else None

    def _ask(self) -> bool:
        """Ask the broker for what follows. True if there is something to take, or a reason to ask again."""
        if self._asked or self.dormant:
            return False
        try:
            answer = self._look()
            if not isawaitable(answer):
                return self._take_page(answer)
        except LookupError as error:
            if self._failed < LOST_MAX:
                self._lose(error)
                return True
            answer = None
        except Exception:  # noqa: BLE001 - whatever a broker raises: it is asked again
            _log.exception("the history of %s cannot be read", self.here.name)
            answer = None
        self._asked, self._answer = True, answer
        self._histories.spawn(self._wait(), f"history of {self.here.name}")
        return False

    async def _wait(self) -> None:
        """Wait for the broker's answer. While it fails, it is asked again: its history has what the member lacks."""
        answer, self._answer = self._answer, None
        pause = PAUSE
        while not self.dormant:
            try:
                if answer is None:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, PAUSE_MAX)
                    found = self._look()
                    page = await found if isawaitable(found) else found
                else:
                    page, answer = await answer, None
                self._take_page(page)
            except LookupError as error:
                if self._failed >= LOST_MAX:
                    continue
                self._lose(error)
            except Exception:  # noqa: BLE001 - as in `_ask`
                _log.exception("the history of %s cannot be read", self.here.name)
                answer = None
                continue
            break
        self._asked = False
        self.session.feed()

    def _look(self) -> Page | Awaitable[Page]:
        """Ask for what follows the cursor; without one, for all that there is."""
        place = self.place
        return self._histories.look(
            self.here, place, PAGE if place is not None else self.here.options.history
        )

    def _take_page(self, page: Page) -> bool:
        """Take what the broker has answered. False if there is nothing: the member is live from here on."""
        publications, top = page
        self._failed = 0
        if self.dormant:
            return False
        if self.epoch is None:
            self.offset, self.epoch = first_of(publications, top), top.epoch
        if self._hole is not None:
            self._tell_hole(self._hole)
        self._page.extend(publications)
        if publications:
            return True
        newest = self.here.delivered
        if newest is not None and newest.epoch == top.epoch and newest.offset > top.offset:
            return True  # it was published while the broker was looking: ask again
        if self._told:
            return True
        self._histories.live(self, top)
        return False

    def _lose(self, error: LookupError) -> None:
        """The history no longer reaches back to the cursor: go on where it begins, and tell the member."""
        oldest = error.oldest if isinstance(error, Forgotten) and not self._failed else None
        self._failed += 1
        if self._hole is None:
            self._hole = self.place or Position(0, "")
        if oldest is not None:
            self.offset, self.epoch = oldest.offset, oldest.epoch
        else:
            self.offset, self.epoch = 0, None

    def _tell_hole(self, hole: Position) -> None:
        self._hole = None
        n = 0
        if hole.epoch == self.epoch:
            n = max(0, self.offset - hole.offset - among(self.ahead, hole.offset, self.offset))
        else:
            self.ahead = ()
        self.session.drop("history", max(1, n))
        self._told.append(
            Message(
                "gap",
                {
                    "reason": "history",
                    "n": n,
                    "room": self.here.name,
                    "offset": self.offset,
                    "epoch": self.epoch,
                },
            )
        )


def first_of(publications: Sequence[Publication], top: Position) -> int:
    """Return the offset before the first of the newest publications: where one stands who is sent them."""
    return (publications[0].message.offset or 1) - 1 if publications else top.offset


def among(ranges: Ranges, after: int, last: int) -> int:
    """Count the offsets from the one after `after` to `last` that are in the ranges."""
    return sum(max(0, min(end, last) - max(begin - 1, after)) for begin, end in ranges)


def place_of(message: Message) -> Message:
    """Return what tells a member that keeps a cursor of a place that is not for it, or it would take it for a hole."""
    return Message(SKIP, room=message.room, offset=message.offset, epoch=message.epoch)
