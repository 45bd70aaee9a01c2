"""Delivery: one message to many sessions, encoded once, framed once, one write per session and loop turn.

Rule: posting only appends to a session's outbox; bytes leave when the loop turns. Sessions with a direct reply are
flushed first, those with broadcast messages after them in slices, so that nobody waits for a large room.

Measured on one core, 1,000 members, messages of 120 bytes: a write per message gives 0.3 million deliveries
a second (the kernel's `send` is the limit); a write per turn 5 to 7 million. A flush of 8,000 sessions in one go
stalls everybody for 55 ms; in slices a bystander's round trip stays under a millisecond.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from rtcore.backlog import caught_up, furthest
from rtcore.connection import Unread
from rtcore.wire.parts import PART, Large

if TYPE_CHECKING:
    from rtcore.outgoing import Outgoing
    from rtcore.session import Session
    from rtcore.wire.format import Format
    from rtcore.wire.message import Message

_log = logging.getLogger("rtcore.delivery")

#: Sessions with broadcast messages flushed per loop turn.
SLICE: Final = 256
#: Bytes written at once. More goes in pieces, for as long as the transport takes them: what is still here when it
#: is full can be overtaken, what is in its buffers cannot.
CHUNK: Final = 64 * 1024
#: Sessions that may wait for their turn before publishers are slowed.
CROWD: Final = 16 * SLICE
#: Priorities that no batch holds back.
URGENT: Final = frozenset({"critical", "high"})
#: Messages that an audience may be given in one turn before they are flushed on the spot.
BURST: Final = 256


class Flusher:
    """Writes what is pending, once per loop turn.

    Outboxes of a room's members are often equal, element by element, so the bytes made for the last one are
    kept until the turn ends: comparing two lists of the same objects is much cheaper than joining their bytes.

    Attributes:
        direct: sessions with a message of their own, which are flushed first; whoever adds one calls `wake`.
        scheduled: it will flush within this turn of the loop; `wake` does nothing.
    """

    __slots__ = (
        "_batch_interval", "_bulk", "_data", "_due", "_flushed", "_form", "_held", "_last", "_loop", "_most", "_paused",
        "_releasing", "direct", "scheduled",
    )  # fmt: skip

    def __init__(self, *, batch_interval: float = 0.1) -> None:
        self._batch_interval = batch_interval
        self._held: dict[Outgoing, None] = {}
        self._due = False
        self._releasing = False
        # Publishers that wait, the first one first, and how much must have been flushed before they go on.
        self._paused: dict[Session, int] = {}
        self._flushed = 0
        self.direct: list[Outgoing] = []
        self._bulk: deque[Outgoing] = deque()
        self.scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._last: list[Message] = []
        self._form: Format | None = None
        self._data = b""
        self._most = (
            CHUNK  # bytes of it that may be written at once: none, if there is one that goes in parts
        )

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Bind to the loop that writes happen in. What another one has left undone is forgotten."""
        self._loop = loop
        self.scheduled = self._releasing = False
        self.direct.clear()
        self._bulk.clear()
        self._held.clear()
        self._paused.clear()

    @property
    def bulk(self) -> deque[Outgoing]:
        """Where an audience puts sessions whose outbox was empty; call `wake` afterwards."""
        return self._bulk

    def wake(self) -> None:
        """Something is pending."""
        if not self.scheduled:
            self._schedule()

    @property
    def crowded(self) -> bool:
        """So many sessions wait to be flushed that whoever publishes should be slowed."""
        return len(self._bulk) > CROWD

    def slow(self, session: Session) -> None:
        """Let this publisher wait until what is pending now has been flushed: it feels the load it makes.

        Not until nothing is: others may publish all the time, and it would never have its turn.
        """
        if session not in self._paused:
            self._paused[session] = self._flushed + len(self._bulk)
            session.stop_reading(Unread.CROWD)

    def flush(self) -> None:
        """Write for one turn: everything direct, then a slice of the bulk."""
        if self.direct:
            direct, self.direct = self.direct, []
            for session in direct:
                try:
                    if session.put_one():
                        continue
                except Exception:  # noqa: BLE001 - as in `write`
                    self._broke(session)
                    continue
                self.write(session)
        bulk = self._bulk
        if bulk:
            size = min(SLICE, len(bulk))
            self._flushed += size
            for _ in range(size):
                self.write(bulk.popleft())
        self._last, self._form, self._data = [], None, b""
        while self._paused:
            session, due = next(iter(self._paused.items()))
            if due > self._flushed:
                break
            del self._paused[session]
            session.read_again(Unread.CROWD)
        if bulk or self.direct:
            self._loop.call_soon(self.flush)  # type: ignore[union-attr]  # scheduled only after start
        else:
            self.scheduled = False

    def write(self, session: Outgoing) -> None:
        """Write what is pending for one session; nothing if it is empty or waits in lanes."""
        pending = session.outbox
        if type(pending) is not list or not pending:
            if session.ack_rides:
                session.write_ack()
            return
        form = session.form
        if form.batch and self._holds(session, pending):
            if session.ack_rides:
                session.write_ack()
            return
        # Before anything is written: a write may fill the connection, and then this is where the next ones wait.
        session.outbox = []
        try:
            try:
                if len(pending) == 1 and not form.batch:
                    # What is alone is remembered by itself; to compare it with the last one would cost more.
                    data = pending[0].form(form)
                    most = 0 if data.__class__ is Large else CHUNK
                elif form is self._form and pending == self._last:
                    data, most = self._data, self._most
                else:
                    forms = [message.form(form) for message in pending]
                    data = form.finish(forms)
                    most = 0 if len(data) > PART and _has_large(forms) else CHUNK
                    self._last, self._form, self._data, self._most = pending, form, data, most
            except Exception:  # noqa: BLE001 - a payload that one codec cannot express must not stop the others
                pending, data = session.salvage(pending)
                most = PART
            if len(data) <= most and len(pending) <= form.piece:
                if data:
                    session.put(pending, data)
            else:
                session.put_in_chunks(pending)
        except Exception:  # noqa: BLE001 - a transport that breaks its contract must not stop the flush for all the others
            self._broke(session)

    @staticmethod
    def _broke(session: Outgoing) -> None:
        """A write raised. Nobody knows what the client got: it attaches again, and the window has what it lacks."""
        _log.exception("writing to session %s failed", session.id)
        if session.connection is not None:
            session.manager.give_up(session.connection, "internal")

    def finish(self, session: Outgoing) -> None:
        """Write what is pending for one session, and hold nothing back for a batch: it is the last."""
        self._due = True
        self.write(session)
        self._due = False

    def drain(self) -> None:
        """Write everything now; for the end, when no further turn is certain to come."""
        self._due = True
        for session in [*self.direct, *self._bulk, *self._held]:
            self.write(session)
        self._due = False
        self.direct.clear()
        self._bulk.clear()
        self._held.clear()

    def _holds(self, session: Outgoing, pending: list[Message]) -> bool:
        """Keep back what makes no full batch yet and is not urgent, for `batch_interval` at most."""
        if self._due or len(pending) >= session.form.batch or any(m.priority in URGENT for m in pending):
            self._held.pop(session, None)
            return False
        if not self._releasing and self._loop is not None:
            self._releasing = True
            self._loop.call_later(self._batch_interval, self._release)
        self._held[session] = None
        return True

    def unhold(self, members: Collection[Session], message: Message) -> None:
        """Look again at the batches that this message may have made full, or that it must not wait for.

        A session whose batch is held has something in its outbox, so its audience does not put it into the bulk.
        """
        urgent = message.priority in URGENT
        for session in self._held:
            if (urgent or len(session.outbox) == session.form.batch) and session in members:
                self._bulk.append(session)

    @property
    def holds(self) -> bool:
        """Some batch waits to become full."""
        return bool(self._held)

    def _release(self) -> None:
        self._releasing = False
        held, self._held = self._held, {}
        self._due = True
        for session in held:
            self.write(session)
        self._due = False

    def _schedule(self) -> None:
        if self._loop is not None:
            self.scheduled = True
            self._loop.call_soon(self.flush)


class Audience:
    """A set of sessions that are spoken to together. Cost per message and member: one append.

    Whether a member keeps up is not asked here: the outbox of a session that does not is a `Lanes`, which is
    never empty and sorts what it is given.
    """

    __slots__ = ("_burst", "_flusher", "_members")

    def __init__(self, flusher: Flusher) -> None:
        self._members: dict[Session, None] = {}
        self._flusher = flusher
        self._burst = 0

    def count(self, exclude: Session | None = None) -> int:
        """How many members there are, but one."""
        return len(self._members) - (exclude in self._members)

    def add(self, session: Session) -> None:
        """Add a member; again is harmless."""
        self._members[session] = None

    def discard(self, session: Session) -> None:
        """Remove a member, if it is one."""
        self._members.pop(session, None)

    def __contains__(self, session: object) -> bool:
        return session in self._members

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._members)

    def publish(self, message: Message, *, exclude: Session | None = None) -> int:
        """Give a message to every member but one; return how many that was.

        Raises:
            TypeError: the payload holds something that the members' codec cannot express; nobody got it.
        """
        return self.publish_to(self._members, message, exclude=exclude)

    @property
    def backlog(self) -> int:
        """Messages that wait for the member that is furthest behind, of those who are here; looks at every one."""
        return furthest(self._members)

    async def drained(self, *, below: int = 1) -> None:
        """Wait until fewer than `below` messages wait for each member, to be written or confirmed.

        Members who are away are not waited for.
        """
        await caught_up(self._members, below=below)

    def publish_to(
        self, members: Collection[Session], message: Message, *, exclude: Session | None = None
    ) -> int:
        """Like `publish`, to some of the members or to sessions that are no members."""
        flusher = self._flusher
        waits = flusher.bulk.append
        count = len(members)
        for first in members:
            if first is not exclude:
                # Encoding here gives the publisher the error; it is remembered for all who share the format.
                message.form(first.form)
                break
        for session in members:
            if session is exclude:
                count -= 1
                continue
            outbox = session.outbox
            if not outbox:
                waits(session)
            outbox.append(message)
        if flusher.holds:
            flusher.unhold(members, message)
        flusher.wake()
        self._burst += 1
        if self._burst >= BURST:
            # One handler publishes without ever yielding: what waits is written, or moves to lanes, now.
            self._burst = 0
            for session in members:
                if type(session.outbox) is list and len(session.outbox) >= BURST:
                    self._flusher.write(session)
        return count


def _has_large(forms: list[bytes]) -> bool:
    """Say whether one of these goes in parts."""
    return any(form.__class__ is Large for form in forms)
