from __future__ import annotations

from contextlib import asynccontextmanager

from rtcore.testing import InMemoryTransport, TransportContract


class TestInMemory(TransportContract):
    transport = "in_memory"

    def plugins(self):
        self.it = InMemoryTransport()
        return [self.it]

    @asynccontextmanager
    async def open(self, app, *, codec):
        end = self.it.connect(codec=codec)
        yield end
        await end.close()


class TestInMemoryForTextOnly(TestInMemory):
    def plugins(self):
        self.it = InMemoryTransport(binary=False)
        return [self.it]
