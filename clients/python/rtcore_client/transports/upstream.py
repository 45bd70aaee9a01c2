"""The way up for transports whose own way is down only: `POST /rt/send`, one at a time.

Rule: a POST says with `from` which count its first message has. So one whose answer was lost is sent again as it is,
and the server skips what it knows. What was posted stays here until an answer has confirmed it.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Coroutine, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rtcore.wire.control import Control
from rtcore.wire.errors import WireError
from rtcore_client.tasks import end
from rtcore_client.transports.base import LinkLost
from rtcore_client.transports.http import body_of, post

if TYPE_CHECKING:
    from rtcore.spi.codec import Codec
    from rtcore_client.transports.base import Context, Speech

#: Bytes that may wait here.
HIGH_WATER: Final = 128 * 1024
#: Bytes that one POST carries at most, if a single message is not larger: what is cut is sent again as a whole.
POST_MAX: Final = 64 * 1024
#: Bytes for the first item of a POST and its controls.
SLACK: Final = 4096
#: Seconds: the first and the longest pause before a POST is sent again.
RETRY: Final = (0.05, 2.0)

T = TypeVar("T")


class Upstream:
    """What waits to be posted, and the task that posts it. `lost` is set when there is no use in going on."""

    def __init__(self, context: Context, codec: Codec, speech: Speech) -> None:
        self._context = context
        self._codec = codec
        self._silence = speech.interval + speech.timeout
        self._patience = speech.timeout
        self._most = max(1, min(POST_MAX, speech.max_size) - SLACK)
        self._controls: deque[bytes] = deque(maxlen=1000)
        self._items: deque[bytes] = deque()
        line = context.line
        self._first = line.window.sent
        # Of this attach for ever: with the next one's these POSTs would be taken for its own.
        self._name = {"session": line.session, "secret": line.secret, "attach": line.attached}
        self._bytes = 0
        self._work = asyncio.Event()
        self._idle = asyncio.Event()
        self.lost: asyncio.Future[LinkLost] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._run(), name="rtcore-client:upstream")

    @property
    def busy(self) -> bool:
        """More waits here than should."""
        return self._bytes >= HIGH_WATER

    def send(self, items: Sequence[bytes], place: int) -> None:
        """Post messages; `place` is the count of the first, and follows on what waits."""
        if not self._items:
            self._first = place
        self._items.extend(items)
        self._bytes += sum(map(len, items))
        self._work.set()

    def control(self, item: bytes) -> None:
        """Post a control item with the next messages, or alone."""
        self._controls.append(item)
        self._work.set()

    async def flush(self) -> None:
        """Wait until everything was posted and answered, or the link is lost."""
        while (self._items or self._controls) and not self.lost.done():
            self._idle.clear()
            await self._idle.wait()

    async def close(self) -> None:
        """Post nothing more."""
        self._end(LinkLost("NETWORK_ERROR", "closed"))
        await end(self._task)

    async def _run(self) -> None:
        try:
            while True:
                if not self._items and not self._controls:
                    self._idle.set()
                    self._work.clear()
                    await self._work.wait()
                    await asyncio.sleep(0)  # what is sent in the same turn goes into the same POST
                await self._post()
        except LinkLost as lost:
            self._end(lost)
        except Exception as error:
            self._end(LinkLost("internal", f"{type(error).__name__}: {error}"))
            raise

    def _end(self, lost: LinkLost) -> None:
        if not self.lost.done():
            self.lost.set_result(lost)
        self._idle.set()

    async def _post(self) -> None:
        controls = len(self._controls)
        count, size = 0, 0
        for item in self._items:
            if count and size + len(item) > self._most:
                break
            count += 1
            size += len(item) + 1
        head = self._head()
        body = self._codec.join([head, *islice(self._controls, controls), *islice(self._items, count)])
        answer = await self._until_answered(body)
        if answer is None:
            return
        for _ in range(min(controls, len(self._controls))):
            self._controls.popleft()
        self._context.heard(answer)

    async def _until_answered(self, body: bytes) -> bytes | None:
        """Send a POST until somebody answers; `None` when its messages must be cut anew."""
        loop = asyncio.get_running_loop()
        failing, pause = 0.0, RETRY[0]
        while True:
            try:
                response = await post(self._context, "send", body, self._codec, timeout=self._silence)
                answer = await body_of(response, self._context.max_frame)
            except LinkLost as lost:
                if lost.code == "gap" and lost.refusal is not None:
                    self._rewind(lost)
                    return None
                if not lost.passing:
                    raise
                failure = lost
            else:
                self._taken(answer)
                return answer
            failing = failing or loop.time()
            if loop.time() >= failing + self._patience:
                raise failure
            await asyncio.sleep(max(failure.retry_after or 0.0, random.uniform(0, pause)))  # noqa: S311 - a spread
            pause = min(pause * 2, RETRY[1])

    def _head(self) -> bytes:
        return self._codec.encode_control("send", {**self._name, "from": self._first})

    def _taken(self, answer: bytes) -> None:
        """An answer says how many messages the server has: those need no other POST."""
        try:
            items = self._codec.decode(answer)
        except WireError as error:
            raise LinkLost("malformed_frame", f"the answer to a POST: {error}") from error
        for item in items:
            if isinstance(item, Control) and item.name == "ack" and isinstance(item.fields.get("n"), int):
                self._drop(item.fields["n"])

    def _rewind(self, gap: LinkLost) -> None:
        """The server lacks what was posted before: nothing here can make that good unless it still waits here."""
        expected = gap.refusal.details.get("expected") if gap.refusal is not None else None
        if not isinstance(expected, int) or expected < self._first:
            raise gap
        self._drop(expected)

    def _drop(self, confirmed: int) -> None:
        was_busy = self.busy
        while self._items and self._first < confirmed:
            self._bytes -= len(self._items.popleft())
            self._first += 1
        if was_busy and not self.busy:
            self._context.drained()


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
