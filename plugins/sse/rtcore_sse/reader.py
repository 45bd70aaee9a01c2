"""A reader: the client inside of the server that stands for whoever reads a room by a plain GET.

    hello ─▶ welcome ─▶ room:join {since | history} ─▶ its answer: the response begins ─▶ messages, as plain events

Rule: to everything else it is a client like any other, so it may what its identity may, counts where others count, and
gets the room's history at the pace at which it reads. What it has been given it confirms at once: what a cut takes it
asks for again by its place in the history, and its session ends with its stream.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from rtcore.errors import Rejected
from rtcore.wire.codes import CODES, Next, after_close
from rtcore.wire.control import VERSION, Control
from rtcore.wire.message import Message
from rtcore_sse.events import event, retry
from rtcore_sse.framing import ASIDE, JOIN
from rtcore_sse.link import StreamLink
from rtcore_sse.places import Place, id_of

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore_sse.framing import RoomFraming

#: More than any room remembers: all that there is.
ALL: Final = 2**31
#: The end that the reader itself has asked for.
BYE: Final = CODES["bye"].number


class ReaderLink(StreamLink):
    """A `Link` that speaks for its peer.

    Args:
        framing: of the room.
        since: where the reader was; `None` if it begins.
        newest: messages of the history that one who begins wants.
        retry_after: seconds before it comes back after a cut.
        flush_padding: bytes of comment after each write.
    """

    __slots__ = (
        "_answered", "_codec", "_confirming", "_end", "_newest", "_owes_pong", "_paused", "_retry", "_room", "_since",
    )  # fmt: skip

    confirms = False

    def __init__(
        self,
        framing: RoomFraming,
        *,
        since: Place | None,
        newest: int,
        retry_after: float,
        flush_padding: int = 0,
    ) -> None:
        super().__init__(framing, flush_padding=flush_padding)
        self._room = framing.room
        self._codec: Codec = framing.codec
        self._since = since
        self._newest = newest
        self._retry = retry_after
        self._answered = False
        self._confirming = False
        self._owes_pong = False
        self._paused = False
        self._end: dict[str, Any] = {}

    def begin(self) -> None:
        """Say hello."""
        self._say(
            "hello", {"v": VERSION, "attach": 1, "nonce": secrets.token_urlsafe(18), "client": "events"}
        )

    # -- the kernel's side ----------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        while data.startswith(ASIDE):
            aside, _, data = data.partition(b"\n")
            for item in self._codec.decode(aside[len(ASIDE) :]):
                if isinstance(item, Control):
                    self._control(item.name, item.fields)
                elif isinstance(item, Message):
                    self._answer(item)
        if not data:
            return
        if self._transport is None:
            if self.number is None:
                self._early.append(data)
        else:
            super().write(data)
        if not self._confirming:
            self._confirming = True
            self._loop.call_soon(self._confirm)

    def close(self, code: int, reason: str) -> None:
        if not self._answered and self.refusal is None:
            self.refusal = Rejected(
                str(self._end.get("code", "internal")),
                str(self._end.get("reason", "")),
                retry_after=self._end.get("retry_after"),
            )
        super().close(code, reason)

    # -- what the socket says -------------------------------------------------------------------------------

    def pause(self) -> None:
        self._paused = True
        super().pause()

    def resume(self) -> None:
        self._paused = False
        if self._owes_pong:
            self._owes_pong = False
            self._say("pong", {})
        super().resume()

    def lost(self) -> None:
        session = self.connection.session if self.connection is not None else None
        super().lost()
        if session is not None:
            session.close("bye")

    # -- the request handler's side ---------------------------------------------------------------------------

    def open(self, transport: asyncio.Transport, *, padding_size: int) -> None:
        self._paused = False
        super().open(transport, padding_size=padding_size)
        if not self._paused:
            self.resume()

    # -- inside ---------------------------------------------------------------------------------------------

    def _say(self, name: str, fields: dict[str, Any]) -> None:
        self._speak(self._codec.encode_control(name, fields))

    def _speak(self, item: bytes) -> None:
        """Let the kernel hear an item: in a turn of its own, since it may be in the middle of a write."""
        self._loop.call_soon(self._heard, self._codec.join([item]))

    def _heard(self, frame: bytes) -> None:
        if self.connection is not None:
            self.connection.receive(frame)

    def _control(self, name: str, fields: Any) -> None:
        if name == "welcome":
            wish: dict[str, Any] = {"room": self._room, "history": self._newest}
            if self._since is not None:
                # What is missing of what it asks for is missing; it wants the rest.
                wish |= {"since": self._since._asdict(), "history": ALL}
            self._speak(self._codec.encode(Message("room:join", wish, id=JOIN)))
        elif name == "ping":
            # A pong says that the peer reads: one whose buffer is full owes it.
            if self._paused:
                self._owes_pong = True
            else:
                self._say("pong", {})
        elif name == "close" and not self._end:
            self._end = dict(fields)
        elif name in {"move", "reconnect"} and not self._end:
            self._end = {"code": "going_away", "reason": "the server is draining; come again"}
            if self._transport is not None:
                self._transport.write(self._events.wrap(retry(float(fields.get("within", 0.0)))))
            self._say("bye", {})

    def _answer(self, answer: Message) -> None:
        """The room has let the reader in, or not."""
        if self._answered or self.refusal is not None:
            return
        payload = answer.payload if isinstance(answer.payload, dict) else {}
        if answer.type == "error":
            self.refusal = Rejected(
                str(payload.get("code", "internal")),
                str(payload.get("reason", "")),
                retry_after=payload.get("retry_after"),
            )
            self._decided()
            return
        self._answered = True
        # Until the head of the response is out nothing more is wanted.
        self.pause()
        told = [self._told("joined", payload, _place(payload))]
        if payload.get("missed"):
            told.append(self._told("gap", {"reason": "history", "n": 0, "room": self._room}))
        self._early[:0] = [self._events.wrap(retry(self._retry)), *told]
        self._decided()

    def _told(self, name: str, payload: Any, place: Place | None = None) -> bytes:
        data = json.dumps(payload, ensure_ascii=False, default=str).encode()
        return self._events.wrap(event(data, name=name, id=id_of(place) if place is not None else None))

    def _confirm(self) -> None:
        self._confirming = False
        session = self.connection.session if self.connection is not None else None
        if session is not None and session.closed is None:
            session.confirm(session.window.sent)

    def _finish(self) -> None:
        code = self.number or 0
        if self._transport is not None:
            stop = b"stop:%d" % code if after_close(code) is Next.STOP and code != BYE else None
            end = {name: self._end[name] for name in ("code", "reason", "retry_after") if name in self._end}
            data = json.dumps(end, ensure_ascii=False, default=str).encode()
            self._transport.write(self._events.wrap(event(data, name="end", id=stop)))
        super()._finish()


def _place(joined: dict[str, Any]) -> Place | None:
    since, epoch = joined.get("since"), joined.get("epoch")
    return Place(since, epoch) if isinstance(since, int) and isinstance(epoch, str) else None
