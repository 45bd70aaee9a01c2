from __future__ import annotations

from rtcore_memory.broker import MemoryBroker
from rtcore_memory.settings import Settings

from rtcore.testing import BrokerContract, FakeClock


class TestMemory(BrokerContract):
    def make_broker(self) -> MemoryBroker:
        self.clock = FakeClock()
        return MemoryBroker(Settings(), clock=self.clock)

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
