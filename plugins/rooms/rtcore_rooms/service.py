"""The rooms service: who is in which room of this node, and what is published there.

Rule: rights are acquired when a room is joined, and looked up when something is sent. Publishing goes through the
broker, which brings it back to `deliver` on every node that has a member, this one included.

    client's message ─ publish_from ┐
                                    ├─▶ broker ─▶ deliver ─▶ the room's audience
    program's message ───── send ───┘
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from rtcore.errors import Problem, Rejected
from rtcore.spi.broker import History, Position, Publication
from rtcore_rooms.arrivals import Arrivals
from rtcore_rooms.catchup import place_of
from rtcore_rooms.histories import Histories, Start
from rtcore_rooms.names import addressed, check_name
from rtcore_rooms.presence import Presence, check_member_name
from rtcore_rooms.promptly import IN_A_TASK, Patience
from rtcore_rooms.rights import ask
from rtcore_rooms.room import Room
from rtcore_rooms.settings import Patterns, Settings

if TYPE_CHECKING:
    from rtcore.app import App
    from rtcore.session import Session
    from rtcore.wire.message import Message
    from rtcore.wire.policy import Policy

T = TypeVar("T")

#: Types that a client must not be able to fake towards another one: what clients take for the server's own answers.
RESERVED: Final = frozenset({"reply", "error", "gap"})
#: Prefix of this plugin's own types.
OWN: Final = "room:"


class Joined(NamedTuple):
    """What came of a join.

    Attributes:
        place: in a room with a history: everything after this comes.
        top: where the history stands.
        missed: some of what was asked for is no longer there.
        waiting: to a member: messages after the place that it had not been sent before it asked again.
    """

    place: Position | None = None
    top: Position | None = None
    missed: bool = False
    waiting: int = 0


class _Entering:
    """A join under way; `left` says that the session has left the room since it began."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False


class RoomService:
    """See `rtcore.spi.rooms.Rooms`.

    Attributes:
        arrivals: what sessions have asked of a room and is under way.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        self.arrivals = Arrivals(self._publish_now)
        self._app = app
        self._later = False  # the broker has answered after the call: then it may encode after it, too
        self._settings = settings
        self._patterns = Patterns(settings.options)
        self._rooms: dict[str, Room] = {}
        self._of: dict[Session, dict[str, Room]] = {}
        # Joins under way; a leave in the middle of one ends it.
        self._entering: dict[tuple[Session, str], list[_Entering]] = {}
        self._histories = Histories(app, self._of)

    # -- life --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def life(self) -> AsyncIterator[None]:
        """Learn what the broker can do, and tell the kernel what happens to the messages of slow members."""
        policies = self._app.manager.policies
        broker: object = self._app.broker
        # Once: on Python 3.11 such a check costs as much as all the rest of a join.
        if isinstance(broker, History):
            self._histories.broker = broker
            self._app.manager.healer = self._histories
        policies.add(self._policy)
        try:
            yield
        finally:
            policies.discard(self._policy)
            self._app.manager.healer = None

    def problems(self) -> Iterator[Problem]:
        """Say which rooms are to have a history that no broker here keeps. See `rtcore.spi.service.Checked`."""
        broker: object = self._app.broker
        if isinstance(broker, History) and getattr(broker, "remembers", True):
            return
        name = getattr(broker, "name", None)
        why = f"the broker {name!r} keeps none" if name is not None else "there is no broker"
        for pattern, options in self._settings.options.items():
            if options.history:
                key = f'rooms.options."{pattern}".history'
                yield Problem(
                    key,
                    str(options.history),
                    f"0, since {why}; or install and choose a broker that keeps histories, such as `rtcore-memory`",
                    self._app.resolved.origin(key),
                )

    def _policy(self, message: Message) -> Policy | None:
        """The policy of a room's messages, if its pattern says one. It is not for what the room says of itself."""
        if message.room is None or message.type.startswith(OWN):
            return None
        return self._patterns.policy(message.room)

    # -- membership --------------------------------------------------------------------------------------

    async def join(self, session: Session, room: str) -> None:
        was_member = session in self.members(room)
        await self.join_with_history(session, room)
        if not was_member:
            self._rooms[room].placed.add(session)

    async def join_with_history(
        self,
        session: Session,
        room: str,
        *,
        since: Position | None = None,
        newest: int = 0,
        name: str | None = None,
        patience: Patience = IN_A_TASK,
    ) -> Joined:
        """Join, and let the session read what it has missed before anything new.

        Args:
            session: who joins; if it is a member already, nothing changes but that it is sent what it asks for.
            room: the room's name.
            since: send what was published after this.
            newest: without `since`, or where the history does not reach back to it: send so many of the last
                publications.
            name: how the others may see the session; it stays as it is without one.
            patience: how it waits, if somebody has begun it outside of a task.

        Raises:
            Rejected: as `Rooms.join`.
        """
        self._app.threads.only_here("rooms.join", "app.from_thread(app.get(Rooms).join, …)")
        check_name(room)
        if name is not None:
            check_member_name(name)
        entering = _Entering()
        self._entering.setdefault((session, room), []).append(entering)
        try:
            here = self._of.get(session, {}).get(room)
            if here is not None:
                self._name(session, here, name)
                return await self._join_again(session, here, since, newest, patience)
            return await self._enter(session, room, since, newest, name, patience, entering)
        finally:
            mine = self._entering[session, room]
            mine.remove(entering)
            if not mine:
                del self._entering[session, room]

    async def _enter(
        self,
        session: Session,
        room: str,
        since: Position | None,
        newest: int,
        name: str | None,
        patience: Patience,
        entering: _Entering,
    ) -> Joined:
        self._check_limits(session, room)
        sender = await self._rights(session, room, patience)
        here = await self._open(room, patience)
        try:
            start = None
            if self._histories.has(here):
                start = await self._histories.start(here, since, newest, patience)
            # From here to the end nothing waits: what is published next reaches the new member.
            if session.closed is not None:
                raise Rejected("session_closed")
            if entering.left:
                raise Rejected("cancelled", "the session has left the room meanwhile")
            if session not in here:
                self._check_limits(session, room)
                if start is None:
                    here.live(session)
                else:
                    self._histories.enter(session, here, start)
                here.came(session, sender)
            self._of.setdefault(session, {})[room] = here
            self._name(session, here, name)
        finally:
            here.waiting -= 1
            self._close_if_empty(here)
        return _joined(start, since)

    async def _join_again(
        self, session: Session, here: Room, since: Position | None, newest: int, patience: Patience
    ) -> Joined:
        """A member joins: it is sent what it asks for, or goes on where it was when its page was loaded again."""
        if not self._histories.has(here):
            return _joined(None, since)
        feed = here.behind.get(session)
        dormant = feed is not None and feed.dormant
        if feed is not None and feed.dormant and since is None and not newest:
            since = feed.place
        start = await self._histories.start(here, since, newest, patience)
        if session not in here:
            raise Rejected("not_a_member", "the session has left the room meanwhile")
        if since is None and not newest and not dormant:
            return _joined(start._replace(place=self._histories.stands(session, here, start.top)), since)
        return _joined(start, since)._replace(waiting=self._histories.enter(session, here, start))

    def asked(self, session: Session, room: str) -> None:
        """A member has asked to be in a room itself: it knows of it, and of its place there."""
        here = self._of.get(session, {}).get(room)
        if here is not None:
            here.placed.discard(session)

    def leave(self, session: Session, room: str) -> bool:
        if self._app.threads.take("rooms.leave", self.leave, session, room):
            return room in self.of(session)
        entering = self._entering.get((session, room), ())
        for join in entering:
            join.left = True
        mine = self._of.get(session)
        here = mine.pop(room, None) if mine is not None else None
        if here is None:
            return bool(entering)
        if not mine:
            del self._of[session]
        here.discard(session)
        session.take_back(room)
        self._close_if_empty(here)
        return True

    def away(self, session: Session) -> None:
        """The page behind a session has gone: it stays a member, and the others see it no more until it is back."""
        for here in self._of.get(session, {}).values():
            here.leave(session)

    def back(self, session: Session) -> None:
        """It is there again. Harmless if it was not seen to go."""
        for here in self._of.get(session, {}).values():
            here.come_back(session)

    def present(self, room: str) -> int:
        """Return how many members of a room of this node are here: not those whose page has gone."""
        here = self._rooms.get(room)
        return 0 if here is None else here.present

    def forget(self, session: Session) -> None:
        """The session is over: end all its memberships."""
        for here in self._of.pop(session, {}).values():
            here.discard(session)
            self._close_if_empty(here)

    def members(self, room: str) -> Collection[Session]:
        here = self._rooms.get(room)
        return () if here is None else here

    def rooms(self) -> Collection[str]:
        # A copy, made in one step: another thread may ask, and goes through it while rooms come and go.
        return [name for name, here in tuple(self._rooms.items()) if len(here)]

    def of(self, session: Session) -> Collection[str]:
        return tuple(self._of.get(session, ()))

    def presence(self, session: Session, room: str) -> Presence | None:
        """Return who is in a room of the session's; `None` if nobody is named there.

        Raises:
            Rejected: `not_a_member`.
        """
        here = self._of.get(session, {}).get(room)
        if here is None:
            raise Rejected("not_a_member")
        return self._presence(here)

    def listed(self, session: Session, prefix: str) -> list[tuple[str, int]]:
        """Return name and members of the rooms that this session may see: its own, and those that are listed."""
        mine = self._of.get(session, {})
        return [
            (name, here.present)
            for name, here in (self._rooms if self._patterns.any_listed else mine).items()
            if name.startswith(prefix) and len(here) and (here.options.listed or name in mine)
        ]

    # -- publishing --------------------------------------------------------------------------------------

    def send(
        self, room: str, message: Message, *, exclude: Session | None = None
    ) -> Position | Awaitable[Position | None] | None:
        check_name(room)
        if self._app.threads.take("rooms.send", self.send, room, message, exclude=exclude):
            return None
        if message.room != room or message.offset is not None or message.posted:
            # The program's message may be on its way elsewhere; it stays as it is.
            message = addressed(message, room)
        here = self._rooms.get(room)
        tracing = self._app.tracing
        if tracing is not None:
            tracing.publish(message, len(here) if here is not None else 0)
        options = here.options if here is not None else self._patterns.of(room)
        return self._publish(
            Publication(
                room,
                message,
                exclude.id if exclude is not None else None,
                options.history,
                options.history_for,
            )
        )

    def publish_from(
        self, session: Session, message: Message
    ) -> Position | Awaitable[Position | None] | None:
        room = message.room
        if room is not None and len(self.arrivals) and self.arrivals.holds(session, room):
            return self.arrivals.hold(session, room, message)
        return self._publish_now(session, message)

    def _publish_now(
        self, session: Session, message: Message
    ) -> Position | Awaitable[Position | None] | None:
        room, type_ = message.room, message.type
        here = self._rooms.get(room) if room is not None else None
        sender = here.senders.get(session) if here is not None else None
        if here is None or sender is None:
            raise self._refusal(session, room)
        if type_ in RESERVED or type_.startswith(OWN):
            raise Rejected("forbidden", f"messages of type {type_!r} come from the server only")
        if message.id is not None:
            # The kernel still needs the id, to answer; the members must not take it for a request to them.
            message = addressed(message, here.name)
        else:
            message.re = message.offset = message.epoch = message.covers = None
        message.sender = sender
        tracing = self._app.tracing
        if tracing is not None:
            tracing.publish(message, len(here), session=session)
        else:
            message.trace = None
        options = here.options
        exclude = None if options.echo else session.id
        try:
            return self._publish(
                Publication(here.name, message, exclude, options.history, options.history_for)
            )
        except TypeError as error:
            # What one codec can say and the other cannot is the sender's to mend, not the server's to log.
            raise Rejected("bad_payload", f"the members' codec cannot express it: {error}"[:200]) from error

    def deliver(self, publication: Publication) -> None:
        here = self._rooms.get(publication.room)
        if here is None:
            return
        message, exclude = publication.message, publication.exclude
        left_out = self._app.manager.sessions.get(exclude) if exclude is not None else None
        if message.offset is None or message.epoch is None:
            here.audience.publish(message, exclude=left_out)
            for session, feed in here.behind.items():
                if session is not left_out and not feed.dormant:
                    session.post(message)
            return
        place = Position(message.offset, message.epoch)
        if not self._histories.is_news(here, place):
            return
        members: Collection[Session] = here.audience
        had = self._histories.had(here, place) if here.past else ()
        if had:
            members = [session for session in here.audience if session not in had]
        here.begin_publishing()
        try:
            here.audience.publish_to(members, message, exclude=left_out)
            if left_out is not None and left_out.covers and left_out in members:
                left_out.post(place_of(message))
        finally:
            here.end_publishing()
        here.delivered = place

    def _publish(self, publication: Publication) -> Position | Awaitable[Position | None] | None:
        broker = self._app.broker
        if broker is None:
            self.deliver(publication)
            return None
        if publication.keep or self._later:
            # It will be encoded some time: what is published is what it is now.
            self._freeze(publication.message)
        answer = broker.publish(publication)
        if answer is None or isinstance(answer, Position):
            return answer
        self._later = True
        self._freeze(publication.message)
        # Whether or not anybody waits for the answer, the broker's work must be done and its failure seen.
        return self._app.spawn(_awaited(answer), name=f"publish to {publication.room}")

    # -- inside ------------------------------------------------------------------------------------------

    def _freeze(self, message: Message) -> None:
        codec = self._app.registry.codecs.get(self._app.options.codec)
        if codec is not None:
            message.freeze(codec)

    def _name(self, session: Session, here: Room, name: str | None) -> None:
        presence = self._presence(here) if name is not None else None
        if name is not None and presence is not None:
            presence.name(session, name)

    def _presence(self, here: Room) -> Presence | None:
        """Who is in the room, if its options let that be known. Made when somebody first asks."""
        limit = here.options.presence
        if here.presence is None and limit:
            watchers = self._app.manager.audience()
            here.presence = Presence(here.name, limit, members=lambda: here.present, watchers=watchers)
        return here.presence

    async def _rights(self, session: Session, room: str, patience: Patience) -> str | None:
        """Ask the authorizers; return the name to send under, or `None` if the session may only listen."""
        authorizers = self._app.registry.authorizers
        await ask(authorizers, session, "room:join", room, patience)
        if self._patterns.of(room).send == "server":
            return None
        try:
            await ask(authorizers, session, "room:send", room, patience)
        except Rejected:
            return None
        return session.sender

    def _check_limits(self, session: Session, room: str) -> None:
        settings = self._settings
        if len(self._of.get(session, ())) >= settings.rooms_per_session:
            raise Rejected("too_many_rooms", f"a session may be in {settings.rooms_per_session} rooms")
        here = self._rooms.get(room)
        if here is None:
            if len(self._rooms) >= settings.max_rooms:
                raise Rejected("room_full", "this node has as many rooms as it may have", retry_after=60.0)
            return
        limit = here.options.members_limit
        if limit and len(here) >= limit:
            raise Rejected("room_full", f"the room has {limit} members", retry_after=30.0)

    async def _open(self, name: str, patience: Patience) -> Room:
        """Return a room that the broker brings publications to. The caller counts as waiting in it."""
        here = self._rooms.get(name)
        if here is None:
            here = Room(name, self._patterns.of(name), self._app.manager.audience())
            self._rooms[name] = here
            answer = self._app.broker.subscribe(name) if self._app.broker is not None else None
            if answer is not None:
                here.opening = asyncio.ensure_future(_awaited(answer))
        here.waiting += 1
        if here.opening is not None:
            try:
                await patience(asyncio.shield(here.opening))
            except BaseException:
                here.waiting -= 1
                self._close_if_empty(here)
                raise
        return here

    def _close_if_empty(self, here: Room) -> None:
        if not here.waiting and not len(here) and self._rooms.get(here.name) is here:
            del self._rooms[here.name]
            if self._app.broker is not None:
                self._app.broker.unsubscribe(here.name)

    def _refusal(self, session: Session, room: str | None) -> Rejected:
        if room is not None and room in self._of.get(session, ()):
            return Rejected("forbidden", "you may listen in this room, not send")
        return Rejected("not_a_member")


async def _awaited(answer: Awaitable[T]) -> T:
    return await answer


def _joined(start: Start | None, since: Position | None) -> Joined:
    if start is None:
        return Joined(missed=since is not None)
    return Joined(start.place, start.top, start.missed)
