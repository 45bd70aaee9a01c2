"""Histories: where members stand in what their rooms remember, and how a hole is filled from it.

Rule: whatever a member cannot be given when it is published is still in the history. So it is moved there: it reads on
from the first that it lacks (`rtcore_rooms.catchup`), and what is published after that reaches it in the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Container, Coroutine, Mapping, Sequence
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rtcore.spi.broker import Forgotten, History, Position
from rtcore_rooms.catchup import PAGE, CatchUp, among, first_of, place_of

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.outgoing import Outgoing
    from rtcore.session import Session
    from rtcore.spi.broker import Page, Publication
    from rtcore.wire.message import Message
    from rtcore.wire.ranges import Ranges
    from rtcore_rooms.promptly import Patience
    from rtcore_rooms.room import Room


class Start(NamedTuple):
    """Where somebody who joins begins.

    Attributes:
        place: everything after this comes.
        top: where the history stands.
        page: the first of what comes, as far as it is here.
        missed: it had asked for what follows another place, and that is not all held any more.
    """

    place: Position
    top: Position
    page: Sequence[Publication] = ()
    missed: bool = False


class Histories:
    """Those of one node. A `rtcore.spi.feed.Healer`.

    Args:
        app: the app.
        of: the rooms of each session, by name.

    Attributes:
        broker: the broker, if it remembers anything.
    """

    def __init__(self, app: App, of: Mapping[Session, Mapping[str, Room]]) -> None:
        self._app = app
        self._of = of
        self.broker: History | None = None

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Let the app own a task."""
        self._app.spawn(work, name=name)

    # -- reading -----------------------------------------------------------------------------------------

    def has(self, here: Room) -> bool:
        """Say whether a room has a history."""
        return self.broker is not None and here.options.history > 0

    def look(self, here: Room, since: Position | None, limit: int) -> Page | Awaitable[Page]:
        """Ask the broker; see `History.history`.

        Raises:
            LookupError: as there.
        """
        assert self.broker is not None  # noqa: S101 - nobody is behind in a room without a history
        return self.broker.history(here.name, since=since, limit=limit)

    async def start(self, here: Room, since: Position | None, newest: int, patience: Patience) -> Start:
        """Find where a member of a room with a history begins: after `since`, or with the `newest` messages."""
        missed = False
        if since is not None:
            try:
                page, top = await self._page(here, since, PAGE, patience)
            except LookupError:
                missed = True
            else:
                return Start(since, top, page)
        newest = min(newest, here.options.history)
        page, top = await self._page(here, None, min(newest, PAGE), patience)
        if newest <= PAGE:
            return Start(Position(first_of(page, top), top.epoch), top, page, missed)
        place = Position(max(0, top.offset - newest), top.epoch)
        try:
            page, top = await self._page(here, place, PAGE, patience)
        except LookupError as error:
            # It is not that long, or was not kept for that long: all that there is.
            oldest = error.oldest if isinstance(error, Forgotten) else None
            if oldest is None:
                page, top = await self._page(here, None, newest, patience)
                oldest = Position(first_of(page, top), top.epoch)
            return Start(oldest, top, (), missed)
        return Start(place, top, page, missed)

    async def _page(self, here: Room, since: Position | None, limit: int, patience: Patience) -> Page:
        answer = self.look(here, since, limit)
        if isawaitable(answer):
            return await patience(answer)
        # A broker that answers at once has delivered everything that it has.
        here.delivered = answer[1]
        return answer

    # -- members -----------------------------------------------------------------------------------------

    def stands(self, session: Session, here: Room, top: Position) -> Position:
        """Return up to where a member has everything when the answer to its join comes, if nothing about it changes."""
        feed = here.behind.get(session)
        if feed is not None and feed.place is not None:
            return feed.place
        # What leaves in this turn leaves before the answer.
        unsent = session.unsent if not isinstance(session.outbox, list) else ()
        waiting = [m for m in unsent if m.room == here.name and m.offset is not None]
        lowest = min(map(_lowest, waiting), default=top.offset + 1)
        return Position(lowest - 1, top.epoch)

    def enter(self, session: Session, here: Room, start: Start) -> int:
        """Let a member begin at a place; it may have been one before, at another.

        Returns:
            How many messages after that place had not been written to it yet.
        """
        waiting = self._unwritten(session, here, start)
        newest = here.delivered
        behind_node = (
            newest is not None and newest.epoch == start.top.epoch and newest.offset > start.top.offset
        )
        if start.place.offset >= start.top.offset and not behind_node:
            self._live(session, here, start.top)
        else:
            here.follow(CatchUp(self, session, here, start.place, page=start.page))
        return waiting

    def _unwritten(self, session: Session, here: Room, start: Start) -> int:
        """Count what follows a place and was not written to a member; and take it back, since it comes anew."""
        feed = here.behind.get(session)
        if feed is None and session not in here.audience:
            return 0
        if feed is not None:
            written, ahead, epoch = (feed.written if feed.dormant else feed.offset), feed.ahead, feed.epoch
        else:
            written, ahead, epoch = self._withdraw(session, here, start.top)
        if not epoch == start.place.epoch == start.top.epoch:
            return 0
        after = max(written, start.place.offset)
        return max(0, start.top.offset - after - among(ahead, after, start.top.offset))

    def _withdraw(
        self, session: Outgoing, here: Room, top: Position | None
    ) -> tuple[int, Ranges, str | None]:
        """Take back what waits; return up to where everything was written, what was beyond that, and the epoch."""
        withdrawn = session.withdraw(here.name)
        if not withdrawn.messages:
            return (top.offset, (), top.epoch) if top is not None else (0, (), None)
        epoch = withdrawn.messages[-1].epoch
        lowest = min(_lowest(m) for m in withdrawn.messages if m.epoch == epoch)
        return lowest - 1, _beyond(withdrawn.ahead, lowest), epoch

    def live(self, feed: CatchUp, top: Position) -> None:
        """A member has all of the history."""
        self._live(feed.session, feed.here, top)

    def _live(self, session: Session, here: Room, top: Position) -> None:
        here.live(session)
        if here.delivered != top:
            here.past[session] = top

    def fall_behind(self, session: Session, here: Room, place: Position, ahead: Ranges = ()) -> None:
        """A live member reads the history from a place on."""
        here.follow(CatchUp(self, session, here, place, ahead=ahead))

    # -- what the kernel says ------------------------------------------------------------------------------

    def heal(self, session: Outgoing, message: Message, reason: str) -> bool:
        """A member cannot take a message: let it read on from there. See `Healer`."""
        member = cast("Session", session)
        here = self._of.get(member, {}).get(message.room or "")
        if here is None or not self.has(here) or message.offset is None or message.epoch is None:
            return False
        if reason in {"unencodable", "message_too_big"}:
            # The history has it in no other form. Its place is told, or it would be taken for a hole to be filled.
            if session.covers:
                session.post(place_of(message))
            return False
        feed = here.behind.get(member)
        if feed is not None:
            return feed.epoch == message.epoch and message.offset > feed.offset
        withdrawn = session.withdraw(here.name)
        lowest = min(_lowest(m) for m in (message, *withdrawn.messages) if m.epoch == message.epoch)
        self.fall_behind(member, here, Position(lowest - 1, message.epoch), _beyond(withdrawn.ahead, lowest))
        return True

    def rest(self, session: Outgoing, unconfirmed: Sequence[Message], *, replays: bool) -> Container[str]:
        """A member asks its rooms anew from where on it wants to have their histories. See `Healer`.

        One that the program has put into a room does not know of that, and goes on where it has confirmed everything.
        """
        member = cast("Session", session)
        rooms = [here for here in self._of.get(member, {}).values() if self.has(here)]
        resting = [here for here in rooms if not (replays and member in here.placed)]
        for here in resting:
            self._rest(member, here, [m for m in unconfirmed if m.room == here.name and m.offset is not None])
        return {here.name for here in resting}

    def _rest(self, member: Session, here: Room, unconfirmed: Sequence[Message]) -> None:
        feed = here.behind.get(member)
        if feed is not None:
            written, ahead, epoch = (feed.written if feed.dormant else feed.offset), feed.ahead, feed.epoch
            had = feed.offset
        else:
            written, ahead, epoch = self._withdraw(member, here, here.past.get(member, here.delivered))
            had = written
        lowest = min((_lowest(m) for m in unconfirmed if m.epoch == epoch), default=had + 1)
        place = Position(min(had, lowest - 1), epoch) if epoch is not None else None
        if member in here.placed and place is not None:
            self.fall_behind(member, here, place)
        elif member not in here.placed:
            here.follow(CatchUp(self, member, here, place, ahead=ahead, dormant=True, written=written))

    # -- what the broker brings ----------------------------------------------------------------------------

    def is_news(self, here: Room, place: Position) -> bool:
        """Say whether something that this node is brought is to be delivered.

        If something is missing before it, members that would have a hole read the history from there: it has that.
        """
        last = here.delivered
        if last is None:
            return True
        if last.epoch == place.epoch and place.offset <= last.offset:
            self._app.manager.counters.drop("duplicate")
            return False
        if place.offset > (last.offset if last.epoch == place.epoch else 0) + 1:
            begin = last if last.epoch == place.epoch else Position(0, place.epoch)
            for session in tuple(here.audience):
                if session not in here.past:
                    self.fall_behind(session, here, begin)
        return True

    def had(self, here: Room, place: Position) -> Sequence[Session]:
        """Return the members that have had what is at a place; from the next one on they are like the others."""
        had = []
        for session, past in tuple(here.past.items()):
            begins = past.offset if past.epoch == place.epoch else 0
            if place.offset <= begins:
                had.append(session)
                continue
            del here.past[session]
            if place.offset > begins + 1:
                self.fall_behind(session, here, Position(begins, place.epoch))
        return had


def _lowest(message: Message) -> int:
    """Return the first offset of a message: its own, or one that it stands for."""
    offset = message.offset or 0
    return min((offset, *(first for first, _ in message.covers or ())))


def _beyond(ranges: Ranges, offset: int) -> Ranges:
    return tuple(one for one in ranges if one[1] >= offset)
