"""A day: many clients in many weathers, then a drain to a second server, a crash, and a quiet evening."""

from __future__ import annotations

import asyncio
import json
import random
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

import attrs

from tests.lives import diary
from tests.lives.python_client import PythonClient
from tests.lives.weather import Weather, forecast

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
TRANSPORTS: Final = ("websocket", "sse", "polling")


@attrs.define
class Report:
    """What happened. `wrong` is empty after a good day."""

    happened: Counter[str] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)

    def lines(self) -> list[str]:
        """Say it."""
        return [
            "happened: " + ", ".join(f"{n:,} {what}" for what, n in sorted(self.happened.items())),
            *(f"WRONG: {one}" for one in self.wrong[:50]),
            f"{len(self.wrong)} things were wrong"
            if self.wrong
            else "nothing lost, nothing twice, nothing untold",
        ]


class Server:
    """A server in a process of its own."""

    def __init__(self, node: str, log: Path) -> None:
        self.node, self.log, self.port = node, log, 0
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Return when it is ready."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, str(HERE / "server.py"), self.node, "0", str(self.log),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stderr is not None
        said = ""
        while not (ready := re.search(r"http://127\.0\.0\.1:(\d+)", said)):
            line = await self._process.stderr.readline()
            if not line:
                raise RuntimeError(f"the server ended: {said}")
            said += line.decode()
        self.port = int(ready[1])
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while await self._process.stderr.readline():
            pass

    async def stop(self, signal_: signal.Signals) -> None:
        """Send a signal; return when the process is gone. One that never began has ended."""
        if not self.port:
            return
        if self._process.returncode is None:
            self._process.send_signal(signal_)
        await self._process.wait()
        await self._reading


class Pages:
    """Clients in TypeScript, in a process of Node."""

    def __init__(self, diaries: dict[str, list[list[Any]]]) -> None:
        self._diaries = diaries
        self._done: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        """Start Node."""
        self._process = await asyncio.create_subprocess_exec(
            "node", str(HERE / "typescript_clients.mjs"), cwd=ROOT, limit=2**24,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._reading = asyncio.create_task(self._read())

    async def do(self, what: str, **more: Any) -> None:
        """Have something done, and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, **more}).encode() + b"\n")
        await self._process.stdin.drain()
        done = await self._done.get()
        if done != what:
            raise RuntimeError(f"the clients in TypeScript: expected {what}, given {done!r}")

    async def stop(self) -> None:
        """End Node."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            told = json.loads(line)
            if "done" in told:
                self._done.put_nowait(told["done"])
            else:
                self._diaries[told["name"]].append(told["entry"])
        self._done.put_nowait("nothing: Node has ended")


async def lives(
    *,
    clients: int,
    messages: int,
    pause: float,
    seed: int,
    reloads: int = 3,
    processes: int = 2,
    say: Any = print,
) -> Report:
    """Let so many clients, half of them of each language, send so many messages each.

    Args:
        clients: in all.
        messages: that each sends, requests among them.
        pause: mean seconds between two of one client.
        seed: of all chance but the machine's.
        reloads: pages reloaded in each part of the day, in each process.
        processes: of Node.
        say: called with what happens.
    """
    report, chance = Report(), random.Random(seed)
    names = [f"life:{n}" for n in range(max(2, clients // 10))]
    diaries: dict[str, list[list[Any]]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = [Server(node, folder / "runs") for node in ("morning", "noon", "evening")]
        for server in servers:
            stack.push_async_callback(server.stop, signal.SIGKILL)
        await servers[0].start()
        weathers = await forecast(stack, servers[0].port, base="/rt", seed=seed)

        def plan(n: int) -> dict[str, Any]:
            return {
                "url": weathers[n % len(weathers)].url,
                "rooms": chance.sample(names, 2),
                "seed": chance.randrange(2**31),
                "codec": "cbor" if n % 3 == 0 else "json",
            }

        ours, theirs = [], [[] for _ in range(processes)]
        for n in range(clients):
            name = f"{'py' if n % 2 else 'ts'}{n}"
            transport = TRANSPORTS[n // 2 % 3]
            if n % 2:
                ours.append(PythonClient(name, connection_type=transport, **plan(n)))
                diaries[name] = ours[-1].diary
            else:
                diaries[name] = []
                theirs[n // 2 % processes].append(
                    {"name": name, "connectionType": transport, "resume": n % 4 == 0, **plan(n)}
                )
        pages = [Pages(diaries) for _ in theirs]
        for page in pages:
            await page.start()
            stack.push_async_callback(page.stop)
        async with asyncio.timeout(120):
            await asyncio.gather(
                *(client.begin() for client in ours),
                *(page.do("begin", clients=group) for page, group in zip(pages, theirs, strict=True)),
            )
        say(f"{clients} clients are here")

        async def part(share: float) -> None:
            """Everybody lives; then some reload."""
            many = max(1, round(messages * share))
            await asyncio.gather(
                *(client.live(many, pause) for client in ours),
                *(page.do("live", messages=many, pause=pause) for page in pages),
            )
            for page, group in zip(pages, theirs, strict=True):
                names = [one["name"] for one in chance.sample(group, min(reloads, len(group)))]
                await page.do("reload", names=names)
                report.happened["reloads"] += len(names)

        async def meanwhile(*deeds: Any, share: float) -> None:
            """Everybody lives, and something happens in the middle."""
            living = asyncio.create_task(part(share))
            await asyncio.sleep(messages * share * pause / 2)
            for deed in deeds:
                await deed
            await living

        await part(0.3)
        say("the morning is over; its server drains")
        await meanwhile(_move(servers[0], servers[1], weathers, signal.SIGTERM), share=0.3)
        say("noon; its server is killed")
        await meanwhile(_move(servers[1], servers[2], weathers, signal.SIGKILL), share=0.3)
        await part(0.1)
        say("the weather clears up")
        for weather in weathers:
            weather.clear()
            report.happened[f"cuts ({weather.name})"] = weather.cuts
            weather.cut()
        await _quiet(diaries)
        await asyncio.gather(*(client.end() for client in ours), *(page.do("end") for page in pages))
        runs = (folder / "runs").read_text(encoding="utf-8").splitlines()
        report.wrong = diary.read(diaries, runs, last="evening", killed=["noon"])
    for entries in diaries.values():
        report.happened.update(entry[0] for entry in entries)
        for entry in entries:
            if entry[0] == "sent":
                report.happened[f"sent: {entry[3]}"] += 1
            elif entry[0] == "asked":
                report.happened[f"asked: {entry[2]}"] += 1
            elif entry[0] == "gap":
                report.happened[f"gap: {entry[1]}"] += 1
    return report


async def _move(old: Server, new: Server, weathers: Sequence[Weather], how: signal.Signals) -> None:
    """Put a new server in the place of an old one, which ends as a deploy or a crash ends it."""
    await new.start()
    for weather in weathers:
        weather.target = new.port
    await old.stop(how)


async def _quiet(diaries: dict[str, list[list[Any]]], *, calm: float = 3.0, within: float = 90.0) -> None:
    """Wait until nobody has seen anything new for a while."""
    loop = asyncio.get_running_loop()
    seen, since, end = -1, loop.time(), loop.time() + within
    while loop.time() < end:
        now = sum(map(len, diaries.values()))
        if now != seen:
            seen, since = now, loop.time()
        elif loop.time() - since > calm:
            return
        await asyncio.sleep(0.2)
