"""The outbox: messages from the moment they are sent until the server has confirmed them.

    submit → queue, by priority → counted out, into the window → link → confirmed

Rule: one flush per turn of the loop, in slices: what is urgent can overtake what still waits here. A link that is
busy, or a full window, leaves messages in the queue; a full queue makes senders wait, the first come first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, Final

from rtcore.wire.format import Format
from rtcore.wire.message import Checked, Message
from rtcore_client.errors import NotConnected, QueueFull, RealtimeError, RequestError, UnknownOutcome
from rtcore_client.outgoing import Outgoing
from rtcore_client.pace import Pace
from rtcore_client.queue import PriorityMessageQueue
from rtcore_client.transports.base import Plain

if TYPE_CHECKING:
    from collections.abc import MutableSequence, Sequence

    from rtcore.spi.codec import Codec
    from rtcore.wire.client_line import ClientLine
    from rtcore_client.events import Events
    from rtcore_client.options import Options
    from rtcore_client.requests import Requests
    from rtcore_client.transports import Link

#: Bytes handed to a link at once.
SLICE: Final = 16 * 1024
PLAIN: Final = Plain()


class Outbox:
    """What is on its way to the server.

    Attributes:
        queue: what waits to be counted out.
        first: what goes before all that; few, and the client's own.
        link: takes it; `None` while there is none.
        batch: messages that share a frame at most; 1 when batching was not agreed on.
        max_size: bytes of a message that the server takes; `None` as long as it has not said.
        pace: what the server takes; `None` for as much as comes.
        held: the server takes no more messages on this link for now; control it does.
        sent, confirmed: messages, ever.
        dropped: messages that were queued and will never be sent, ever: a more urgent one took their place, or the
            client ended.
    """

    def __init__(self, options: Options, line: ClientLine, requests: Requests, events: Events) -> None:
        self.queue = PriorityMessageQueue(options.limits.queue, dropped=self._gave_way)
        self.first: deque[Outgoing] = deque()
        self.link: Link | None = None
        self.batch = 1
        self.max_size: int | None = None
        self.pace: Pace | None = None
        self.held = False
        self.sent = 0
        self.confirmed = 0
        self.dropped = 0
        self._interval = options.batch_interval
        self._line = line
        self._requests = requests
        self._events = events
        self._forms: dict[str, Format] = {}
        self._soon: asyncio.Handle | None = None
        self._later: asyncio.TimerHandle | None = None
        # Senders that wait for room, and how many queued messages wait for nothing: their sender gave up.
        self._room: deque[asyncio.Future[None]] = deque()
        self._withdrawn = 0
        self._moved: list[asyncio.Future[None]] = []

    # -- in ----------------------------------------------------------------------------------------------

    @property
    def backlogged(self) -> bool:
        """What is submitted now will not leave at once, though there is a link."""
        line = self._line
        if self.link is None:
            return False
        waiting = len(self.first) + len(self.queue)
        return len(line.window.held) + waiting > line.limit or line.full or self.link.busy or self.held

    def size(self, message: Message, codec: Codec) -> int:
        """Encode a message and return its bytes, which it remembers.

        Raises:
            TypeError: the payload holds something that the codec cannot express.
        """
        return len(message.form(self._form(codec)))

    def submit(self, message: Outgoing) -> None:
        """Let a message wait for its turn, which may be this one of the loop.

        Raises:
            QueueFull: nothing that waits is less urgent.
        """
        try:
            self.queue.enqueue(message)
        except QueueFull:
            if not self._withdrawn:
                raise
            self.queue.discard(_is_withdrawn)
            self._withdrawn = 0
            self.queue.enqueue(message)
        if self.link is None or self._soon is not None:
            return
        loop = asyncio.get_running_loop()
        if self.batch == 1 or message.priority == "critical" or len(self.queue) >= self.batch:
            self._soon = loop.call_soon(self.flush)
        elif self._later is None:
            self._later = loop.call_later(self._interval, self.flush)

    def submit_first(self, message: Outgoing) -> None:
        """Let a message go before all that wait."""
        self.first.append(message)
        if self.link is not None and self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self.flush)

    def withdraw(self, message: Outgoing) -> None:
        """The sender of a message gave up. One that is queued is never sent, and its place is free."""
        if message.is_queued and not (message.has_departed or message.withdrawn):
            self._withdrawn += 1
            self._wake_senders()
        message.withdrawn = True

    @property
    def is_awaited(self) -> bool:
        """Senders wait for room."""
        return bool(self._room)

    async def room(self, *, again: bool = False) -> None:
        """Wait for room in the queue, or the end of the client; then look whether it is still there.

        Those who wait wake in their order, as many as there is room for. `again`: it was gone, and who was the first
        stays the first.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if again:
            self._room.appendleft(future)
        else:
            self._room.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future in self._room:
                self._room.remove(future)
            else:
                self._wake_senders()  # the room that was meant for this one is the next one's
            raise

    async def moved(self) -> None:
        """Wait until something has left the queue, or the link is gone."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moved.append(future)
        await future

    # -- out ---------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Give the link what waits, a slice at a time, until it is busy or the window is full."""
        self._stop_timers()
        line, first, queue = self._line, self.first, self.queue
        before = len(first) + len(queue)
        while (first or len(queue)) and not line.full and not self.held:
            link = self.link
            if link is None or link.busy:
                break
            place, items, size = line.window.sent, [], 0
            form = self._form(link.codec)
            while size < SLICE and (first or len(queue)) and not line.full:
                if self._must_wait():
                    break
                message = first.popleft() if first else queue.dequeue()
                item = self._encode(message, form)
                if item is None:
                    continue
                message.n = line.put(message, len(item)) + 1
                items.append(item)
                size += len(item)
                if isinstance(message, Outgoing):
                    message.depart()
            self.sent += len(items)
            if not items:
                break
            link.send(items, place)
        if len(first) + len(queue) != before:
            self._wake_senders()
            _wake(self._moved)

    def resend(self, link: Link, messages: Sequence[Message]) -> None:
        """Send again what the server lacks. It was counted, so something must stand in the place of each."""
        form = self._form(link.codec)
        items = []
        for message in messages:
            item = self._encode_again(message, form)
            # The server will refuse a message without a type; its sender has been told.
            items.append(form.encode(Checked("", id=message.id)) if item is None else item)
        if items:
            link.send(items, self._line.window.sent - len(items))
            if self.pace is not None:
                self.pace.spend(asyncio.get_running_loop().time(), len(items))

    def confirm(self, n: int) -> bool:
        """The server has received so many messages. False if that cannot be."""
        window = self._line.window
        for message in islice(window.held, max(0, n - window.confirmed)):
            self.arrived(message)
        return self._line.confirm(n)

    def arrived(self, message: Message) -> None:
        """This one is confirmed."""
        self.confirmed += 1
        if isinstance(message, Outgoing):
            message.confirm()

    # -- links and ends ----------------------------------------------------------------------------------

    def end(self) -> None:
        """The link is gone: senders go on, and what they sent stays queued."""
        self.link = None
        self._stop_timers()
        for message in (*self.first, *self.queue):
            if isinstance(message, Outgoing):
                message.release()
        _wake(self._moved)

    def begin_anew(self, unknown: Sequence[Message]) -> None:
        """The session that carried these is gone. What may run twice is sent again; of the rest nobody knows.

        What was to go first in it has lost its sense.
        """
        while self.first:
            self.tell(self.first[0], UnknownOutcome([self.first.popleft()]))
        again = {
            id(m): m
            for m in unknown
            # A request that waits for nothing more was answered, which says more than a confirmation.
            if isinstance(m, Outgoing)
            and m.idempotent
            and not m.withdrawn
            and (m.id is None or m in self._requests)
        }
        # A confirmed request whose reply will never come is as unknown as what was never confirmed.
        again |= {id(m): m for m in self._requests if m.idempotent and m.has_departed}
        untold = [m for m in unknown if not (id(m) in again or _is_withdrawn(m) or _told(m))]
        self._requests.fail(lambda m: UnknownOutcome([m]) if m.has_departed and not m.idempotent else None)
        for message in again.values():
            message.requeue()
            try:
                self.queue.enqueue(message)
            except QueueFull as error:
                self.tell(message, error)
        if untold:
            self._events.emit("error", UnknownOutcome(untold))

    def fail(self, error: RealtimeError) -> tuple[RealtimeError, ...]:
        """The client ends: nothing that waits will come to pass. Tell all who wait.

        Returns:
            What nobody was there to be told of: messages that were never sent, and those whose outcome is unknown.
        """
        sent = self._line.window.reset()
        queued = [m for m in (*self.first, *self.queue) if not _is_withdrawn(m)]
        self.dropped += len(queued)
        self.first.clear()
        self.queue.discard(lambda _message: True)
        self._withdrawn = 0
        unsent = [m for m in queued if not (_failed(m, error) or m.id is not None)]
        unknown = [m for m in sent if not (_is_withdrawn(m) or _failed(m, error) or m.id is not None)]
        self._requests.fail(lambda _message: error)
        _wake(self._room)
        _wake(self._moved)
        untold: list[RealtimeError] = []
        if unsent:
            untold.append(NotConnected.never_sent(unsent, error))
        if unknown:
            untold.append(UnknownOutcome(unknown))
        return tuple(untold)

    def tell(self, message: Message, error: RealtimeError) -> None:
        """Tell whoever waits for a message that it failed; everybody, if nobody waits."""
        told = _failed(message, error)
        if message.id is not None:
            self._requests.fail(lambda pending: error if pending is message else None)
        elif not told:
            self._events.emit("error", error)

    # -- inside ------------------------------------------------------------------------------------------

    def _must_wait(self) -> bool:
        """Say whether the next message would come too soon for the server; then it goes later by itself."""
        if self.pace is None:
            return False
        loop = asyncio.get_running_loop()
        wait = self.pace.wait(loop.time())
        if wait:
            if self._later is None:
                self._later = loop.call_later(wait, self.flush)
            return True
        self.pace.spend(loop.time())
        return False

    def _encode(self, message: Message, form: Format) -> bytes | None:
        """Return a message's item; `None` if it is not to be sent, and its sender knows why."""
        if isinstance(message, Outgoing) and message.withdrawn:
            self._withdrawn = max(0, self._withdrawn - 1)
            return None
        return self._encode_again(message, form)

    def _encode_again(self, message: Message, form: Format) -> bytes | None:
        """Return the item of a message that was counted out before; `None` if this server or codec cannot take it."""
        try:
            item = message.form(form)
        except Exception as error:  # noqa: BLE001 - whatever a codec raises; another codec had taken it
            self.tell(message, RequestError(str(error), code="bad_payload"))
            return None
        if self.max_size is not None and len(item) > self.max_size:
            self.tell(message, too_big(len(item), self.max_size))
            return None
        return item

    def _form(self, codec: Codec) -> Format:
        """Return the one format for bare items of a codec, so that a message remembers its bytes."""
        form = self._forms.get(codec.name)
        if form is None:
            form = self._forms[codec.name] = Format(codec, PLAIN)
        return form

    def _gave_way(self, message: Message) -> None:
        if isinstance(message, Outgoing) and message.withdrawn:
            self._withdrawn -= 1
            return
        self.dropped += 1
        self.tell(message, QueueFull("a more urgent message has taken its place"))

    def _stop_timers(self) -> None:
        for handle in (self._soon, self._later):
            if handle is not None:
                handle.cancel()
        self._soon = self._later = None

    def _wake_senders(self) -> None:
        """Wake as many of those who wait for room as there is room for."""
        room = self.queue.maxsize - len(self.queue) + self._withdrawn
        while self._room and room > 0:
            future = self._room.popleft()
            if not future.done():
                future.set_result(None)
                room -= 1


def too_big(size: int, limit: int) -> RequestError:
    """Say that a message is larger than the server takes."""
    return RequestError(f"{size} bytes, the server takes {limit}", code="message_too_big", retry=False)


def _wake(waiters: MutableSequence[asyncio.Future[None]]) -> None:
    """Wake all."""
    woken = tuple(waiters)
    waiters.clear()
    for future in woken:
        if not future.done():
            future.set_result(None)


def _is_withdrawn(message: Message) -> bool:
    return isinstance(message, Outgoing) and message.withdrawn


def _failed(message: Message, error: RealtimeError) -> bool:
    """Tell the sender of a message. False if there is none who waits."""
    return isinstance(message, Outgoing) and message.fail(error)


def _told(message: Message) -> bool:
    """Tell the sender of a message that nobody knows what became of it. False if there is none who waits."""
    return _failed(message, UnknownOutcome([message])) or message.id is not None
