"""Long polling: one POST waits for what the server has to say, upstream is `POST /rt/send`.

Rule: each poll says what was received, and its answer begins there. So a poll whose answer was lost is simply asked
again; only the answer to the newest one counts, and there is never more than one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from rtcore_client.transports.base import LinkLost
from rtcore_client.transports.http import body_of, post
from rtcore_client.transports.upstream import Upstream, unless_lost

if TYPE_CHECKING:
    from rtcore.wire.parts import Part
    from rtcore_client.options import ConnectionType
    from rtcore_client.transports.base import Context, Speech

#: Seconds: the first and the longest pause before a poll that failed is asked again.
RETRY: Final = (0.05, 2.0)


class PollingLink:
    """A `Link` made of polls."""

    type: ConnectionType = "polling"
    confirms = True

    def __init__(self, context: Context) -> None:
        self.codec = context.codec
        self._context = context
        self._first: bytes | None = None
        self._upstream: Upstream | None = None
        self._patience = 0.0
        self._name: dict[str, object] = {}

    @property
    def busy(self) -> bool:
        return self._upstream is None or self._upstream.busy

    @property
    def free_since(self) -> float:
        return self._upstream.free_since if self._upstream is not None else 0.0

    def moved(self) -> bool:
        return False

    async def open(self, hello: Callable[[], bytes]) -> None:
        self._first = await self._ask(hello())

    async def receive(self) -> bytes:
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._upstream is None:
            raise LinkLost("NETWORK_ERROR", "a poll before the welcome")
        return await unless_lost(self._poll(), self._upstream)

    def speak(self, speech: Speech) -> None:
        self._patience = speech.timeout
        line = self._context.line
        self._name = {"session": line.session, "secret": line.secret, "attach": line.attached}
        self._upstream = Upstream(self._context, self.codec, speech)

    def send(self, items: Sequence[bytes], place: int) -> None:
        if self._upstream is not None:
            self._upstream.send(items, place)

    def part(self, part: Part, place: int) -> None:
        if self._upstream is not None:
            self._upstream.part(part, place)

    def control(self, item: bytes) -> None:
        if self._upstream is not None:
            self._upstream.control(item)

    async def flush(self) -> None:
        if self._upstream is not None:
            await self._upstream.flush()

    async def close(self) -> None:
        if self._upstream is not None:
            await self._upstream.close()

    async def _poll(self) -> bytes:
        """Poll until there is an answer that says something."""
        loop = asyncio.get_running_loop()
        failing, pause = 0.0, RETRY[0]
        while True:
            line = self._context.line
            if not line.hears(self):
                raise LinkLost("superseded", "the session has left this link")
            asked = {**self._name, "received": line.rewind()}
            if (place := line.assembly.place) is not None:
                asked["part"] = place.fields()
            try:
                answer = await self._ask(self.codec.encode_control("poll", asked))
            except LinkLost as lost:
                failing = failing or loop.time()
                if not lost.passing or loop.time() >= failing + self._patience:
                    raise
                await asyncio.sleep(max(lost.retry_after or 0.0, random.uniform(0, pause)))  # noqa: S311 - a spread
                pause = min(pause * 2, RETRY[1])
                continue
            if answer:
                return answer
            failing, pause = 0.0, RETRY[0]

    async def _ask(self, body: bytes) -> bytes:
        # No limit for the silence: how long a poll is held is the server's choice, and heartbeats find a dead one.
        response = await post(self._context, "poll", body, self.codec, timeout=None)
        self._context.alive()
        return await body_of(response, self._context.max_frame, self._context.alive)
