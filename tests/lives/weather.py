"""The networks of a day: each kind is a proxy, and a client has one of them for its whole life.

A connection may be slow, cut after some bytes, refused for what it asks, or taken after a while only, so that of two
hellos the later one arrives first.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

from tests.end_to_end.proxy import Proxy

#: Bytes a second, both ways each.
SLOW, QUICK = 40_000, 10_000_000


class Weather(Proxy):
    """A proxy with a rate for each connection and direction, and with delays before connections are taken.

    Attributes:
        rate: bytes a second; `None` for as many as there are.
        delay: the longest time, in seconds, before a connection is carried on.
    """

    def __init__(self, name: str, target: int, *, seed: int) -> None:
        super().__init__(target)
        self.name = name
        self.chance = random.Random(f"{name} {seed}")
        self.rate: float | None = None
        self.delay = 0.0
        self._due: dict[Any, float] = {}

    def clear(self) -> None:
        """From here on new connections are good ones."""
        self.cut_after, self.rate, self.delay = None, None, 0.0
        self.blocked.clear()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.delay:
            await asyncio.sleep(self.chance.uniform(0.0, self.delay))
        await super()._carry(reader, writer)

    async def _pass(self, pair: Any, data: bytes, writer: asyncio.StreamWriter) -> bool:
        if self.rate is None:
            return await super()._pass(pair, data, writer)
        loop = asyncio.get_running_loop()
        for start in range(0, len(data), 4096):
            piece = data[start : start + 4096]
            if not await super()._pass(pair, piece, writer):
                self._due.pop(writer, None)
                return False
            due = max(self._due.get(writer, 0.0), loop.time()) + len(piece) / (self.rate or QUICK)
            self._due[writer] = due
            await asyncio.sleep(max(0.0, due - loop.time()))
        return True


async def forecast(stack: AsyncExitStack, target: int, *, base: str, seed: int) -> Sequence[Weather]:
    """Open one proxy of each kind in front of a server; `base` is the path below which transports live."""
    kinds: dict[str, dict[str, Any]] = {
        "fair": {},
        "quick": {"rate": QUICK},
        "cut": {"cut": (2_000, 150_000)},
        "torn": {"cut": (2_000, 60_000), "delay": 0.3},
        "slow": {"rate": SLOW},
        "slow and cut": {"rate": 4 * SLOW, "cut": (20_000, 200_000)},
        "no websocket": {"blocked": {"ws"}},
        "polls only": {"blocked": {"ws", "sse"}, "cut": (20_000, 200_000)},
    }
    made = []
    for name, kind in kinds.items():
        weather = await stack.enter_async_context(Weather(name, target, seed=seed))
        weather.rate, weather.delay = kind.get("rate"), kind.get("delay", 0.0)
        weather.blocked = {f"{base}/{leaf}" for leaf in kind.get("blocked", ())}
        if "cut" in kind:
            low, high = kind["cut"]
            weather.cut_after = lambda w=weather, low=low, high=high: w.chance.randrange(low, high)
        made.append(weather)
    return made
