"""The client's session: a conversation that goes on across links.

    out   outbox → link                         counted as it leaves, confirmed by acks
    in    link → counted, replays skipped → control is answered at once │ a reply to its request │ the rest to the inbox

Rule: everything here is plain and happens in one turn of the loop; counting and fencing are `ClientLine`'s. Whoever
must wait (a sender for room, the reader for callbacks) waits outside.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rtcore.wire.client_line import ClientLine
from rtcore.wire.control import Control, Undecodable
from rtcore.wire.errors import WireError
from rtcore.wire.format import Format, unpack
from rtcore_client.acks import Acks
from rtcore_client.errors import RealtimeError, RequestError
from rtcore_client.events import Gap, NewSession
from rtcore_client.inbox import Inbox
from rtcore_client.outbox import PLAIN, Outbox, too_big
from rtcore_client.outgoing import Outgoing
from rtcore_client.pace import Pace
from rtcore_client.requests import Requests
from rtcore_client.transports.base import LinkLost, Speech

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec, Item
    from rtcore.spi.compressor import Compressor
    from rtcore.wire.hello import Welcome
    from rtcore.wire.message import Message
    from rtcore_client.events import Events
    from rtcore_client.options import Options
    from rtcore_client.transports import Link

#: Bytes of a frame, if the server does not say.
MAX_SIZE = 1024 * 1024


class Session:
    """One client's conversation.

    Attributes:
        line: counts, fences, secrets.
        outbox: what is on its way to the server.
        inbox: what waits for callbacks.
        requests: what waits for a reply.
        link: carries the session; `None` while there is none.
        welcome: the last one.
        lost: set when the link ends; made anew with each link.
        heard: when the last frame came by the way down, in seconds of the loop's clock.
        received, duplicates, missed: messages, ever.
        previous: the session that the last welcome gave; `None` before the first.
        began_anew: the last welcome gave another session, or counts that begin again.
        reason: why the last welcome did not go on where the one before was; `None` if it did, or was the first.
        on_message: called with each message that is not a reply, before anybody else sees it; says whether the
            application is to see it.
        on_anew: called when the server knows nothing of an earlier session's rooms any more, or lets them rest since
            the counts begin again, and before anything that waits is sent.
        on_lost: called when the session goes on without so many messages, and with why.
        on_gap: called with the payload of each `gap` of the server.
        on_pong: called with the `t` of each pong.
        on_move: called with the seconds within which the server wants the client to attach elsewhere.
    """

    def __init__(self, options: Options, events: Events, *, previous: str | None = None) -> None:
        limits = options.limits
        self.line = ClientLine(limits.window, limits.window_bytes)
        self.requests = Requests()
        self.outbox = Outbox(options, self.line, self.requests, events)
        self.inbox = Inbox(limits.inbox, limits.inbox_bytes)
        self.link: Link | None = None
        self.welcome: Welcome | None = None
        self.lost: asyncio.Future[LinkLost] | None = None
        self.heard = 0.0
        self.received = 0
        self.duplicates = 0
        self.missed = 0
        self.previous = previous
        self.reason: str | None = None
        self.began_anew = False
        self.on_message: Callable[[Message], bool] = lambda _message: True
        self.on_anew: Callable[[], None] = lambda: None
        self.on_lost: Callable[[int, str], None] = lambda n, reason: self.miss(Gap(reason, n))
        self.on_gap: Callable[[Mapping[str, Any]], None] = lambda _fields: None
        self.on_pong: Callable[[Any], None] = lambda _t: None
        self.on_move: Callable[[float], None] = lambda _within: None
        self._options = options
        self._events = events
        self._ended = "closed" if previous is not None else ""
        self._acks = Acks(self)
        self._codec: Codec | None = None
        self._compressor: Compressor | None = None

    # -- links -------------------------------------------------------------------------------------------

    def take(self, link: Link, welcome: Welcome, codec: Codec, compressor: Compressor | None) -> Link | None:
        """Move to the link that a welcome came by, and send again what the server lacks.

        Returns:
            The link that was left; the caller closes it.

        Raises:
            BadControlError: the counts do not fit; nothing has changed.
            LinkLost: the welcome is not the answer to the last hello; nothing has changed.
        """
        held = tuple(self.line.window.held)
        taken = self.line.take_welcome(link, welcome)
        if taken is None:
            raise LinkLost("stale_attach", "the welcome answers another hello")
        for message in held[: taken.confirmed]:
            self.outbox.arrived(message)
        loop = asyncio.get_running_loop()
        old, self.link, self.welcome = self.link, link, welcome
        self._codec, self._compressor = codec, compressor
        self.lost, self.heard = loop.create_future(), loop.time()
        self._acks.begin(welcome)
        self._speak(link, welcome, codec, compressor)
        anew = self.began_anew = taken.fresh or welcome.reason in {"reset", "unknown"}
        self.reason = welcome.reason
        if anew:
            self.requests.forget_given_up()
        self._cancel(self.requests.given_up)  # before the server gets more to do
        self.outbox.resend(link, taken.resend)
        if anew:
            self._tell_of_session(welcome)
            self.outbox.begin_anew(taken.unknown)
        if anew or not welcome.rooms:
            self.on_anew()
        if taken.missed and anew:
            self.miss(Gap(welcome.reason or "overflow", taken.missed))
        elif taken.missed:
            self.on_lost(taken.missed, welcome.reason or "overflow")
        self.outbox.flush()
        return old

    def lose(self, link: Link, lost: LinkLost) -> bool:
        """A link has ended. False if the session had left it before."""
        if not self.line.detach(link):
            return False
        self.link = None
        self.outbox.end()
        self._acks.end()
        if self.lost is not None and not self.lost.done():
            self.lost.set_result(lost)
        return True

    def forget(self, why: str) -> None:
        """The session is gone, by this code: the next hello asks for a new one."""
        self.line.session = self.line.secret = None
        self._ended = why

    # -- out ---------------------------------------------------------------------------------------------

    def check(self, message: Outgoing, codec: Codec) -> None:
        """Encode a message, so that its sender hears of what cannot be sent.

        Args:
            message: to be sent.
            codec: to use before the first welcome.

        Raises:
            TypeError: the payload holds something that the codec cannot express.
            RequestError: `message_too_big`, by what the server said in its welcome.
        """
        size, limit = self.outbox.size(message, self._codec or codec), self._limit("max_message_size")
        if limit is not None and size > limit:
            raise too_big(size, limit)

    def control(self, name: str, fields: dict[str, Any]) -> None:
        """Write a control item now, if there is a link."""
        link = self.link
        if link is not None:
            link.control(link.codec.encode_control(name, fields))

    def cancel(self, message: Outgoing) -> None:
        """Nobody waits for the answer to a request that was sent: tell the server, and again until it has answered.

        While there is no link, or the request itself may still be on its way, the server cannot know what is meant.
        """
        self.requests.give_up(message)
        self._cancel((message,))

    def _cancel(self, messages: Iterable[Outgoing]) -> None:
        for message in messages:
            self.control("cancel", {"id": message.id})

    # -- in ----------------------------------------------------------------------------------------------

    def receive(self, link: Link, frame: bytes) -> None:
        """Take one frame from the way down of the session's link.

        Raises:
            LinkLost: the server has closed the connection, or what it sends cannot be understood.
        """
        self.heard = asyncio.get_running_loop().time()
        self.hear(link, frame)

    def hear(self, link: Link, frame: bytes) -> None:
        """Take one frame, wherever it came from; what a link brings that the session has left is not heard."""
        codec = self._codec
        if codec is None or not self.line.hears(link):
            return
        try:
            items = unpack(frame, codec, self._compressor, max_size=self._options.limits.frame)
        except WireError as error:
            raise LinkLost(error.code, str(error)) from error
        self.take_items(link, items, len(frame))

    def take_items(self, link: Link, items: Sequence[Item], size: int) -> None:
        """Take the items of one frame of `size` bytes; see `hear`."""
        for item in items:
            if isinstance(item, Control):
                self._control(item)
            elif not self.line.take(link):
                self.duplicates += 1
            else:
                self.received += 1
                self._message(item)
        self._acks.due(self.line.received, size, confirms=link.confirms)

    def _message(self, item: Message | Undecodable) -> None:
        if isinstance(item, Undecodable):
            self._events.emit("error", RequestError(item.reason, code="undecodable"))
        elif item.re is not None:
            self.requests.settle(item)
        elif item.type == "error" and item.sender is None:
            self._refused(item)
        elif item.type == "gap" and item.sender is None:
            self._told_of_gap(item)
        elif self.on_message(item):
            self.inbox.put(item)

    def _refused(self, item: Message) -> None:
        """A message was answered with an error that names its place in the count: it has no id, or it was not read."""
        try:
            payload = item.payload
        except WireError as undecodable:
            payload = {"code": undecodable.code, "reason": str(undecodable)}
        error: RealtimeError = RequestError.parse(payload)
        n = payload.get("n") if isinstance(payload, Mapping) else None
        message = self._sent_as(n) if isinstance(n, int) else None
        if message is None:
            self._events.emit("error", error)
        else:
            self.outbox.tell(message, error)

    def _sent_as(self, n: int) -> Message | None:
        """Find the message that was the n-th of this session, if anybody can still be told of it."""
        window = self.line.window
        at = n - 1 - window.confirmed
        if 0 <= at < len(window.held):
            return window.held[at]
        return next((request for request in self.requests if request.n == n), None)

    def _told_of_gap(self, item: Message) -> None:
        """Messages were dropped before they were counted: the server says how many, and why."""
        try:
            fields = item.payload
        except WireError:
            fields = None
        if not isinstance(fields, Mapping):
            fields = {}
        self.on_gap(fields)
        n, room = fields.get("n"), fields.get("room")
        count = n if isinstance(n, int) else 1
        self.miss(Gap(str(fields.get("reason", "")), count, room if isinstance(room, str) else None))

    def _control(self, item: Control) -> None:
        """Do what the server says; an unknown item is a newer server's and does no harm."""
        name, fields = item
        if name == "ack":
            n = fields.get("n")
            underway = [message for message in self.requests.given_up if not message.is_confirmed]
            if isinstance(n, int) and not self.outbox.confirm(n):
                raise LinkLost("bad_control", f"ack: n is {n}, but {self.line.window.sent} were sent")
            self._cancel(message for message in underway if message.is_confirmed)
            self.outbox.flush()
        elif name == "ping":
            self.control("pong", {"t": fields["t"]} if "t" in fields else {})
        elif name == "pong":
            self.on_pong(fields.get("t"))
        elif name == "flow":
            self.outbox.held = fields.get("active") is False
            self.outbox.flush()
        elif name == "close":
            raise LinkLost.by_server(fields)
        elif name == "move":
            within = fields.get("within")
            self.on_move(float(within) if isinstance(within, (int, float)) else 0.0)
        elif name == "error":
            self._events.emit("error", RequestError.parse(fields))

    # -- inside ------------------------------------------------------------------------------------------

    def _tell_of_session(self, welcome: Welcome) -> None:
        """The counts begin anew. Unless it is the client's first session, its program hears why."""
        previous, self.previous = self.previous, welcome.session
        why, self._ended = welcome.reason or self._ended or "unknown", ""
        if previous is not None:
            self.reason = why
            self._events.emit("session", NewSession(welcome.session, previous, why))

    def miss(self, gap: Gap) -> None:
        """Messages will never come: count them, and tell the application."""
        self.missed += gap.n
        self._events.emit("gap", gap)

    def _speak(self, link: Link, welcome: Welcome, codec: Codec, compressor: Compressor | None) -> None:
        options = self._options
        batch = options.batch_size if options.enable_batching and welcome.batch else 1
        link.speak(
            Speech(
                format=Format(codec, PLAIN, compressor=compressor, threshold=options.compression_threshold),
                batch=batch,
                max_size=self._limit("max_message_size") or MAX_SIZE,
                interval=welcome.interval,
                timeout=welcome.timeout,
            )
        )
        self.outbox.link, self.outbox.batch, self.outbox.held = link, batch, False
        self.outbox.max_size = self._limit("max_message_size")
        self._keep_pace(welcome)

    def _keep_pace(self, welcome: Welcome) -> None:
        """Send no faster than the server takes; a session that goes on has spent what it has spent."""
        rate, burst = welcome.limits.get("rate_per_second", 0), welcome.limits.get("burst", 0)
        pace = self.outbox.pace
        if not rate:
            self.outbox.pace = None
        elif pace is None or not welcome.resumed or (pace.rate, pace.burst) != (rate, burst or rate):
            self.outbox.pace = Pace(rate, burst or rate)

    def _limit(self, name: str) -> int | None:
        value = self.welcome.limits.get(name) if self.welcome is not None else None
        return int(value) if isinstance(value, (int, float)) and value > 0 else None
