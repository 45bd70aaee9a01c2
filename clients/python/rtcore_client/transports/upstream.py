"""The way up for transports whose own way is down only: `POST /rt/send`, one at a time.

Rule: a POST says with `from` which count its first message has, and the server skips what it knows. So what was not
answered is sent again, in smaller pieces: a POST of the whole queue may never get through, one message does. What was
posted stays here until an answer has confirmed it. What somebody on the way refuses, alone and as small as can be,
fails; what is behind it goes on.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore.wire.hello import Place
from rtcore.wire.message import Checked
from rtcore.wire.parts import SMALLEST
from rtcore_client.reach import POST_MAX
from rtcore_client.tasks import end
from rtcore_client.transports.base import LinkLost
from rtcore_client.transports.http import body_of, post
from rtcore_client.transports.load import Load, is_counted, size_of

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore.wire.parts import Part
    from rtcore_client.transports.base import Context, Speech
    from rtcore_client.transports.load import Piece

#: Pieces of one POST at most.
PIECES: Final = 1000
#: POSTs in a row of which the server says that something is missing before them.
GAPS: Final = 3
#: Bytes a second: while a POST is under way, silence counts only after the time that it takes at this rate.
SLOWEST: Final = 16 * 1024
#: Seconds: the first and the longest pause before a POST is sent again.
RETRY: Final = (0.05, 2.0)

T = TypeVar("T")


class Upstream:
    """What waits to be posted, and the task that posts it.

    Attributes:
        lost: set when there is no use in going on.
        free_since: seconds of the loop's clock: when the last POST ended, or until when the one under way may take.
    """

    def __init__(self, context: Context, codec: Codec, speech: Speech) -> None:
        line = context.line
        self.free_since = 0.0
        self._context = context
        self._codec = codec
        self._silence = speech.interval + speech.timeout
        self._patience = speech.timeout
        self._largest = max(1, min(POST_MAX, speech.max_size))
        self._controls: deque[bytes] = deque(maxlen=1000)
        self._load = Load(line.window.sent, binary=codec.binary, most=speech.part)
        # Of this attach for ever: with the next one's these POSTs would be taken for its own.
        self._name = {"session": line.session, "secret": line.secret, "attach": line.attached}
        self._most = PIECES
        self._gaps = 0
        self._is_open = False  # somebody has answered, since something was refused
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self.lost: asyncio.Future[LinkLost] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name="rtcore-client:upstream")

    @property
    def busy(self) -> bool:
        """As much waits here as one POST has: what waits here cannot be overtaken."""
        return self._load.size >= self._context.reach.post

    def send(self, items: Sequence[bytes], place: int) -> None:
        """Post messages; `place` is the count of the first, and follows on what waits."""
        self._load.add(items, place)
        self._work.set()

    def part(self, part: Part, place: int) -> None:
        """Post a part of the message that has this place in the count."""
        self._load.add((part,), place)
        self._work.set()

    def control(self, item: bytes) -> None:
        """Post a control item with the next messages, or alone."""
        self._controls.append(item)
        self._work.set()

    async def flush(self) -> None:
        """Wait until everything was posted and answered, or the link is lost."""
        while (self._load or self._controls) and not self.lost.done():
            self._idle.clear()
            await self._idle.wait()

    async def close(self) -> None:
        """Post nothing more."""
        self._end(LinkLost("NETWORK_ERROR", "closed"))
        await end(self._task)

    async def _run(self) -> None:
        try:
            while True:
                if not self._load and not self._controls:
                    self._idle.set()
                    self._work.clear()
                    await self._work.wait()
                    await asyncio.sleep(0)  # what is sent in the same turn goes into the same POST
                await self._until_answered()
        except LinkLost as lost:
            self._end(lost)
        except Exception as error:
            self._end(LinkLost("internal", f"{type(error).__name__}: {error}"))
            raise

    def _end(self, lost: LinkLost) -> None:
        if not self.lost.done():
            self.lost.set_result(lost)
        self._idle.set()

    # -- one POST ------------------------------------------------------------------------------------------

    async def _until_answered(self) -> None:
        """Post what waits, and less of it after each failure, until somebody answers."""
        loop, reach = asyncio.get_running_loop(), self._context.reach
        failing, pause = 0.0, RETRY[0]
        while True:
            pieces = self._load.take(min(reach.post, self._largest), self._most)
            controls = len(self._controls)
            body = self._body(pieces, controls)
            begun = loop.time()
            try:
                answer = await self._posted(body)
            except LinkLost as lost:
                if lost.code == "gap" and lost.refusal is not None:
                    self._rewind(lost)
                    return
                if lost.refuses is not None and pieces:
                    await self._refused(pieces, lost)
                    return
                if not lost.passing:
                    raise
                self._less(pieces)
                failing = failing or begun
                if loop.time() >= failing + self._patience:
                    raise
                await asyncio.sleep(max(lost.retry_after or 0.0, random.uniform(0, pause)))  # noqa: S311 - a spread
                pause = min(pause * 2, RETRY[1])
                continue
            reach.carried(len(body), loop.time() - begun)
            self._most = min(PIECES, self._most * 2)
            self._gaps = 0
            for _ in range(min(controls, len(self._controls))):
                self._controls.popleft()
            self._taken(answer)
            return

    def _body(self, pieces: Sequence[Piece], controls: int) -> bytes:
        codec = self._codec
        binary = codec.binary
        return codec.join(
            [
                codec.encode_control("send", {**self._name, "from": self._load.first}),
                *list(self._controls)[:controls],
                *(
                    piece
                    if isinstance(piece, bytes)
                    else codec.encode_control("part", piece.fields(binary=binary))
                    for piece in pieces
                ),
            ]
        )

    async def _posted(self, body: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        self.free_since = loop.time() + len(body) / SLOWEST
        try:
            response = await post(self._context, "send", body, self._codec, timeout=self._silence)
            return await body_of(response, self._context.max_frame)
        finally:
            self.free_since = loop.time()

    def _taken(self, answer: bytes) -> None:
        """An answer says how many messages the server has, and how much of one: those need no other POST."""
        self._is_open = True
        try:
            for item in self._codec.decode(answer):
                if isinstance(item, Control) and item.name == "ack" and isinstance(item.fields.get("n"), int):
                    self._drop(item.fields["n"], Place.found("ack", item.fields))
        except WireError as error:
            raise LinkLost("malformed_frame", f"the answer to a POST: {error}") from error
        self._context.heard(answer)

    def _drop(self, confirmed: int, place: Place | None) -> None:
        was_busy = self.busy
        self._load.drop(confirmed, place)
        if was_busy and not self.busy:
            self._context.drained()

    # -- what does not get through -------------------------------------------------------------------------

    def _less(self, pieces: Sequence[Piece]) -> None:
        """A POST did not get through: the next one is smaller, down to one message or part."""
        reach = self._context.reach
        if reach.post <= SMALLEST:
            self._most = max(1, len(pieces) // 2)
        reach.failed(sum(map(size_of, pieces)))

    async def _refused(self, pieces: Sequence[Piece], lost: LinkLost) -> None:
        """Somebody refuses a POST, and would again: find out what of it; that fails, and the rest goes on.

        Raises:
            LinkLost: POSTs without messages are refused, too.
        """
        if not self._is_open:
            self._taken(await self._posted(self._body((), 0)))
        size = sum(map(size_of, pieces))
        if lost.refuses == "message_too_big":
            self._context.reach.refused(size)
        else:
            self._context.reach.failed(size)
        if len(pieces) > 1:
            self._most = len(pieces) // 2
            return
        piece = pieces[0]
        if size > SMALLEST and self._load.cuts:
            return
        answer = None
        # What has a place in the count leaves it to something that the server refuses, and counts.
        nothing = self._codec.encode(Checked(""))
        if is_counted(piece):
            answer = await self._posted(self._body((nothing,), 0))
        self._context.refused(piece, self._load.give_up(nothing), lost)
        if answer is not None:
            self._taken(answer)
        if not self.busy:
            self._context.drained()
        self._most = min(PIECES, self._most * 2)

    def _rewind(self, gap: LinkLost) -> None:
        """The server lacks what was posted before: nothing here can make that good unless it still waits here."""
        details = gap.refusal.details if gap.refusal is not None else {}
        expected = details.get("expected")
        self._gaps += 1
        try:
            place = Place.found("gap", details)
        except WireError:
            raise gap from None
        if not isinstance(expected, int) or expected < self._load.first or self._gaps > GAPS:
            raise gap
        self._drop(expected, place)
        if not self._load.fits(place):
            raise gap


async def unless_lost(work: Coroutine[Any, Any, T], upstream: Upstream | None) -> T:
    """Await the way down, unless the way up is lost first: a link is whole or it is nothing.

    Raises:
        LinkLost: of the way up; the work is cancelled.
    """
    if upstream is None:
        return await work
    task = asyncio.create_task(work, name="rtcore-client:downstream")
    try:
        await asyncio.wait((task, upstream.lost), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise upstream.lost.result()
    finally:
        await end(task)
