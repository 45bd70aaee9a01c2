"""A broker that answers when a test lets it: a gate before each answer, and delivery apart from saving."""

from __future__ import annotations

import asyncio
from collections import deque

from rtcore_memory.broker import MemoryBroker
from rtcore_memory.settings import Settings

from rtcore.hooks import hookimpl


class SlowBroker:
    """Its history and subscriptions answer after `open`; with `late`, what is published is delivered by `deliver`."""

    name = "slow"

    def __init__(self, *, late: bool = False, **settings) -> None:
        self._settings = settings
        self.late = late
        self.undelivered: deque = deque()
        self.waiting: deque[asyncio.Future[None]] = deque()
        self.is_open = False
        self.fails = 0
        self.asked = 0

    @hookimpl
    def rtcore_brokers(self, app):
        self.memory = MemoryBroker(Settings(**self._settings), clock=app.clock)
        return [self]

    async def start(self, sink):
        self._sink = sink
        await self.memory.start(self.undelivered.append if self.late else sink)

    async def stop(self):
        await self.memory.stop()

    def subscribe(self, room):
        self.memory.subscribe(room)
        return self._gate()

    def unsubscribe(self, room):
        self.memory.unsubscribe(room)

    def publish(self, publication):
        return self.memory.publish(publication)

    async def history(self, room, *, since=None, limit=100):
        self.asked += 1
        if self.fails:
            self.fails -= 1
            raise ConnectionError("the broker is not there")
        await self._gate()
        return self.memory.history(room, since=since, limit=limit)

    def deliver(self, count=1_000_000):
        """Bring the node what was published."""
        for _ in range(min(count, len(self.undelivered))):
            self._sink(self.undelivered.popleft())

    def step(self):
        """Let what has waited the longest go on."""
        while self.waiting:
            gate = self.waiting.popleft()
            if not gate.done():
                gate.set_result(None)
                return

    def open(self):
        """Let everything go on from now on."""
        self.is_open = True
        while self.waiting:
            self.step()

    async def _gate(self):
        if not self.is_open:
            gate = asyncio.get_running_loop().create_future()
            self.waiting.append(gate)
            await gate
