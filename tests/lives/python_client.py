"""One client in Python: it joins its rooms, talks, asks, and writes down what it sees."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

from rtcore_client import ConnectionInfo, Gap, Message, RealtimeClient, RealtimeError, Timing

#: Letters of several alphabets, and characters that transports and codecs have tripped over.
FILLER = 'naïve – 日本語 👩‍👩‍👧‍👦 \r\n\t\u2028 "quoted" \\ {}[]'


class PythonClient:
    """A life. `diary` is what it saw; see `tests.lives.diary`."""

    def __init__(self, name: str, url: str, *, rooms: Sequence[str], seed: int, **options: Any) -> None:
        self.name = name
        self.diary: list[list[Any]] = []
        self.rooms = rooms
        self._chance = random.Random(f"{name} {seed}")
        self._n = 0
        self.client = client = RealtimeClient(
            url,
            client_id=name,
            reconnect_delay=0.1,
            max_reconnect_attempts=1_000,
            timing=Timing(open=5.0, send=60.0, request=60.0, max_reconnect_delay=2.0, climb=5.0),
            **options,
        )
        client.subscribe("said", self._heard)
        client.on("gap", self._missed)
        client.on("connect", self._welcomed)
        client.on("reconnect", self._welcomed)
        client.on("error", lambda error: self.diary.append(["error", str(error)]))

    async def begin(self) -> None:
        """Come, and join."""
        await self.client.connect()
        for room in self.rooms:
            await self.client.join_room(room)

    async def live(self, messages: int, pause: float) -> None:
        """Send so many messages and requests, with pauses between them."""
        for _ in range(messages):
            self._n += 1
            if self._chance.random() < 0.2:
                await self._ask(self._n)
            else:
                await self._say(self._n)
            await asyncio.sleep(self._chance.uniform(0.0, 2 * pause))

    async def end(self) -> None:
        """Leave."""
        await self.client.close()

    async def _say(self, n: int) -> None:
        room, outcome = self._chance.choice(self.rooms), "ok"
        size = 60_000 if self._chance.random() < 0.005 else self._chance.randrange(40)
        payload = {"by": self.name, "n": n, "filler": (FILLER * (size // len(FILLER) + 1))[:size]}
        try:
            await self.client.send_to_room(room, "said", payload, confirm=True)
        except RealtimeError as error:
            outcome = error.code
        self.diary.append(["sent", room, n, outcome])

    async def _ask(self, n: int) -> None:
        answer, outcome = None, "ok"
        try:
            answer = await self.client.request(
                self._chance.choice(("square", "think")), {"by": self.name, "n": n}
            )
        except RealtimeError as error:
            outcome = error.code
        self.diary.append(["asked", n, outcome, answer])

    def _heard(self, message: Message) -> None:
        payload = message.payload
        self.diary.append(["said", message.room, message.epoch, message.offset, payload["by"], payload["n"]])

    def _missed(self, gap: Gap) -> None:
        self.diary.append(["gap", gap.reason, gap.n, gap.room])

    def _welcomed(self, info: ConnectionInfo) -> None:
        self.diary.append(["session", info.node, info.resumed])
