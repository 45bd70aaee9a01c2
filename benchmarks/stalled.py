"""One client of many stops reading while megabytes are broadcast: what the others feel, and what the server keeps.

    python -m benchmarks.stalled PORT PID CLIENTS MEGABYTES PAIRS

A talker broadcasts in a closed loop, `rtload` listens for all but two, and one client reads only in every second round.
Rounds of both kinds alternate, so that whatever else happens on the machine happens to both. `MEGABYTES` are addressed
to that one client while it does not read, and as many to each of the others.

Nothing is lost without a word: what the others get is everything, and what the stalled one gets, and is told to have
missed, is everything as well.
"""

from __future__ import annotations

import asyncio
import json
import math
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from benchmarks.load import HERE, Load, command, loading, pinned, resident, server
from benchmarks.polling import TOKEN, loop_factory
from benchmarks.websocket import WebSocket

#: Bytes of one message's text, and messages under way at once.
TEXT: Final = 4096
WINDOW: Final = 8
#: Bytes that the stalled client's system takes by itself: as few as it can; the rest is the server's problem.
RECEIVE: Final = 4096
#: Pairs of rounds whose figures count, and pairs before them: the first rounds make a server grow in any case.
PAIRS: Final = 5
WARM_UP: Final = 1
#: Messages of a round in which everybody reads, at most: enough for a p99 of a million deliveries.
ENOUGH: Final = 1000
#: Seconds between the last message of a round and its end: the talker may have it before the others.
SETTLE: Final = 0.3
SELDOM: Final = "heartbeat_interval=3600"


class Round(NamedTuple):
    """One round: whether the one client was stalled, what the others measured, and the server's largest memory."""

    stalled: bool
    p50: float
    p99: float
    peak: int


class Result(NamedTuple):
    """What came of it. Bytes and microseconds.

    Attributes:
        rounds: of both kinds in turn, without those that warmed up.
        published: messages, ever.
        least: messages that came to the listener that got the fewest.
        talker: messages that came back to the talker.
        stalled: messages that came to the stalled client, which is `closed` if the server gave its connection up.
        told: messages that it was told to have missed, by reason.
        dropped: messages that the server counts as dropped, by reason.
        seconds: that the rounds took.
    """

    rounds: Sequence[Round]
    published: int
    least: int
    talker: int
    stalled: int
    closed: str
    told: Mapping[str, int]
    dropped: Mapping[str, int]
    seconds: float

    @property
    def slower(self) -> float:
        """How many times longer a delivery takes while one client does not read: p99, the median of the pairs."""
        pairs = zip(self.rounds[::2], self.rounds[1::2], strict=True)
        return statistics.median(stalled.p99 / reading.p99 for reading, stalled in pairs)

    @property
    def slower_at_best(self) -> float:
        """The same of the best rounds of each kind: what else the machine does makes a round worse, never better."""
        reading, stalled = ([r.p99 for r in self.rounds if r.stalled is kind] for kind in (False, True))
        return min(stalled) / min(reading)

    @property
    def grown(self) -> int:
        """Bytes between the server's smallest and largest memory in all rounds."""
        peaks = [r.peak for r in self.rounds]
        return max(peaks) - min(peaks)


class Peer:
    """One session by the wire's rules, with no library between. It counts, and acknowledges only when it resumes."""

    def __init__(self, port: int, name: str, *, receive: int = 0) -> None:
        self.name = name
        self.numbers = 0
        self.told: dict[str, int] = {}
        self.gone = False
        self.closed = ""
        self.socket: WebSocket
        self._port = port
        self._receive = receive
        self._received = 0
        self._attach = 0
        self._session: dict[str, str] = {}
        self._changed = asyncio.Event()
        self._replies: deque[Any] = deque()

    @property
    def accounted(self) -> int:
        """Messages that came, or of which it was told that they will not."""
        return self.numbers + sum(self.told.values())

    async def connect(self) -> None:
        """Attach, or attach again; the welcome has come when this returns.

        Raises:
            ConnectionError: it could not be.
        """
        self.gone = False
        self._attach += 1
        self.socket = WebSocket(self._frame, self._lost)
        await self.socket.open("127.0.0.1", self._port, "/rt/ws", receive=self._receive)
        hello: dict[str, Any] = {
            "v": 1, "attach": self._attach, "nonce": f"0123456789abcdef{self.name}",
            "token": f"{TOKEN}:{self.name}", **self._session,
        }  # fmt: skip
        if self._session:
            hello["received"] = self._received
        self.socket.send(json.dumps(["hello", hello]).encode())
        welcome = await self._reply()
        self._session = {key: welcome[key] for key in ("session", "secret")}
        if welcome.get("lost"):
            self._told(welcome["reason"], welcome["lost"])
            self._received += welcome["lost"]

    async def ask(self, type: str) -> Any:
        """Return the payload of the reply to a request.

        Raises:
            ConnectionError: the connection has ended before it came.
        """
        self.socket.send(b'{"type":"%s","id":"%s"}' % (type.encode(), type.encode()))
        return await self._reply()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something holds that frames can change.

        Raises:
            TimeoutError: nothing came for a minute.
        """
        while not condition():
            self._changed.clear()
            # Not `wait_for`: on Python 3.11 it may lose a cancellation that comes together with a frame.
            async with asyncio.timeout(60):
                await self._changed.wait()

    async def catch_up(self, published: int) -> None:
        """Read again, come back if the connection was given up, until it knows of everything that was published."""
        self.socket.resume_reading()
        while self.accounted < published:
            await self.until(lambda: self.gone or self.accounted >= published)
            if self.gone:
                await self.connect()

    async def _reply(self) -> Any:
        await self.until(lambda: self.gone or bool(self._replies))
        if not self._replies:
            raise ConnectionError(f"{self.name}: gone before it was answered: {self.closed or 'cut'}")
        return self._replies.popleft()

    def _frame(self, frame: bytes) -> None:
        if frame[:1] == b"{":
            self._received += 1
            if frame[:18] == b'{"type":"everyone"':
                self.numbers += 1
            else:
                self._message(json.loads(frame))
        else:
            name, fields = json.loads(frame)
            if name == "welcome":
                self._replies.append(fields)
            elif name == "ping":
                self.socket.send(b'["pong",{}]')
            elif name == "close":
                self.closed = fields["code"]
        self._changed.set()

    def _message(self, item: Mapping[str, Any]) -> None:
        if item["type"] == "gap":
            self._told(item["payload"]["reason"], item["payload"]["n"])
        else:
            self._replies.append(item.get("payload"))

    def _told(self, reason: str, n: int) -> None:
        self.told[reason] = self.told.get(reason, 0) + n

    def _lost(self) -> None:
        self.gone = True
        self._changed.set()


class Run:
    """The talker, the one that stalls, and the listeners between them."""

    def __init__(self, port: int, pid: int, listeners: Load) -> None:
        self.talker = Peer(port, "talker")
        self.stalled = Peer(port, "stalled", receive=RECEIVE)
        self.published = 0
        self._pid = pid
        self._listeners = listeners
        self._peak = 0

    async def round(self, messages: int, *, stall: bool) -> Round:
        """Broadcast so many messages, and let the one client read them or not."""
        if stall:
            self.stalled.socket.pause_reading()
        self._peak = 0
        watching = asyncio.create_task(self._watch())
        await self._publish(messages)
        await asyncio.sleep(SETTLE)
        watching.cancel()
        figures = self._listeners.turn()
        await self.stalled.catch_up(self.published)
        return Round(stall, figures["p50_us"], figures["p99_us"], self._peak)

    async def _publish(self, messages: int) -> None:
        talker, end = self.talker, self.published + messages
        text = "x" * TEXT
        while self.published < end:
            while self.published < min(end, talker.numbers + WINDOW):
                mark = f"~{time.monotonic_ns():016x}"
                talker.socket.send(
                    f'{{"type":"everyone","payload":{{"d":"{mark}","text":"{text}"}}}}'.encode()
                )
                self.published += 1
            before = talker.numbers
            await talker.until(lambda: talker.numbers > before)  # noqa: B023 - awaited at once
        await talker.until(lambda: talker.numbers == end)

    async def _watch(self) -> None:
        while True:
            self._peak = max(self._peak, resident(self._pid))
            await asyncio.sleep(0.05)


async def run(port: int, pid: int, conns: int, megabytes: float, pairs: int) -> Result:
    """Run all rounds against a server that listens."""
    call = ["--conns", str(conns - 2), "--idle", "--announce", "--settle", "0", "--seconds", "3600"]
    target = {**json.loads((HERE / "targets" / "rtcore.json").read_text())[0], "init": []}
    messages = math.ceil(megabytes * 1e6 / TEXT / pairs)
    with loading(command(port, target, call)) as listeners:
        listeners.opened()
        this = Run(port, pid, listeners)
        await this.talker.connect()
        await this.stalled.connect()
        begun = time.perf_counter()
        rounds: list[Round] = []
        for pair in range(WARM_UP + pairs):
            few = min(messages, ENOUGH)
            rounds.append(await this.round(few, stall=False))
            rounds.append(await this.round(messages if pair >= WARM_UP else few, stall=True))
        seconds = time.perf_counter() - begun
        last = listeners.turn()
        stats = await this.talker.ask("stats")
        return Result(
            rounds=rounds[2 * WARM_UP :],
            published=this.published,
            least=last["got_min"],
            talker=this.talker.numbers,
            stalled=this.stalled.numbers,
            closed=this.stalled.closed,
            told=this.stalled.told,
            dropped=stats["drops"],
            seconds=seconds,
        )


def case(megabytes: float, *, conns: int = 1000, pairs: int = PAIRS, settings: Sequence[str] = ()) -> Result:
    """Start a server and run all rounds against it, in a process that shares a CPU with the listeners alone.

    The one that does not read does not answer pings either, and would soon be given up for that: heartbeats are rare.
    """
    target = json.loads((HERE / "targets" / "rtcore.json").read_text())[0]
    call = [sys.executable, "-m", "benchmarks.stalled"]
    with server(target, SELDOM, *settings) as (port, pid):
        done = subprocess.run(
            pinned(1, [*call, str(port), str(pid), str(conns), str(megabytes), str(pairs)]),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
        )
    fields = json.loads(done.stdout)
    return Result(**{**fields, "rounds": [Round(*one) for one in fields["rounds"]]})


def measure(target: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Measure rtcore's own server: 200 MB, whatever time that takes."""
    result = case(200.0, pairs=20)
    stalled = [r for r in result.rounds if r.stalled]
    lost = result.published - min(result.least, result.talker)
    deliveries = result.published * 1000
    return {
        "p50_us": statistics.median(r.p50 for r in stalled),
        "p99_us": statistics.median(r.p99 for r in stalled),
        "delivered_per_s": deliveries / result.seconds,
        "slower": result.slower,
        "dead": lost,
        "note": f"p99 {result.slower:.2f} times that without it; memory grew by {result.grown / 2**20:.1f} MiB; of "
        f"{result.published:,} messages the others lack {lost}, it got {result.stalled:,} and was told of the rest: "
        f"{dict(result.told)}",
    }


def main() -> None:
    """Run the command."""
    port, pid, conns, megabytes, pairs = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        result = runner.run(run(int(port), int(pid), int(conns), float(megabytes), int(pairs)))
    print(json.dumps(result._asdict()))


if __name__ == "__main__":
    main()
