"""The smallest client of docs/wire.md, over a network that cuts it at any byte: what it needs to know is enough."""

from __future__ import annotations

import asyncio
import random
import runpy
from pathlib import Path

from proxy import Proxy
from stack import make, serving

SMALLEST = Path(__file__).parents[2] / "examples" / "smallest_client.py"
MESSAGES = 2_000


async def test_it_loses_nothing_and_repeats_nothing_across_many_cuts(capsys):
    chance = random.Random(9)
    app = make(message_buffer_size=5_000)
    asked: list[int] = []

    @app.handler("square")
    def square(payload: int) -> int:
        asked.append(payload)
        return payload * payload

    client_class = runpy.run_path(str(SMALLEST))["SmallestClient"]
    async with serving(app) as port, Proxy(port) as proxy:
        proxy.cut_after = lambda: chance.randrange(500, 30_000)
        client = client_class(proxy.url.replace("http", "ws", 1) + "/ws")
        client.pause = lambda: 0.01

        async def ask() -> None:
            for n in range(MESSAGES):
                await client.send({"type": "square", "id": str(n), "payload": n})
                if n % 20 == 0:
                    await asyncio.sleep(0.001)

        asking = asyncio.create_task(ask())
        answers: list[int] = []
        async with asyncio.timeout(60):
            async for message in client.messages():
                answers.append(message["payload"])
                if len(answers) == MESSAGES:
                    break
        await asking
        cuts = proxy.cuts
    assert asked == list(range(MESSAGES))
    assert answers == [n * n for n in range(MESSAGES)]
    assert cuts > 5
    assert capsys.readouterr().out.count("goes on") >= 5


def test_it_has_nothing_of_rtcore_and_is_small():
    source = SMALLEST.read_text(encoding="utf-8")
    client = source[: source.index("async def main")]
    assert "rtcore" not in client[client.index("from __future__") :]
    code = [line for line in client.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(code) < 130, "the wire is simple, or this is the place where one sees that it is not"
