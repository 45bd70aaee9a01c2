"""A reconnect storm: all sessions are cut at the same moment, with messages under way in both directions.

    python -m benchmarks.storm PORT [SESSIONS]

Each client sends a request in the moment of the cut, which may arrive or not, then attaches again and resumes.
Meanwhile somebody goes on broadcasting numbers. Counted are the seconds from the cut until the last client has its
session back and the reply to its request. Nothing is lost: every request has exactly one reply, and every client
every number, in order.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.load import pinned, server
from benchmarks.polling import TOKEN, loop_factory
from benchmarks.websocket import WebSocket

#: Connects under way at once: a listen queue holds no more, and a real client waits a random moment anyway.
RAMP: Final = 512
#: Seconds between two broadcast numbers; what a session misses must fit into its window of 100.
EVERY: Final = 0.1


class Storm:
    """All clients, and who is back."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.todo: deque[Client] = deque()
        self.connecting = 0
        self.waiting = 0
        self.all_there = asyncio.Event()
        self.failed = ""

    async def gather(self, clients: list[Client]) -> None:
        """Connect all, a few at a time; return when each of them says that it is `there`."""
        self.all_there.clear()
        self.todo.extend(clients)
        self.waiting = len(clients)
        while self.connecting < RAMP and self.todo:
            self._start()
        await asyncio.wait_for(self.all_there.wait(), 120)

    def welcomed(self) -> None:
        """One is attached; another one may connect."""
        self.connecting -= 1
        if self.todo:
            self._start()

    def there(self) -> None:
        """One has everything that it waits for."""
        self.waiting -= 1
        if not self.waiting:
            self.all_there.set()

    def fail(self, why: str) -> None:
        """Somebody lost something: that is the result."""
        self.failed = self.failed or why
        self.all_there.set()

    def _start(self) -> None:
        self.connecting += 1
        client = self.todo.popleft()
        loop = asyncio.get_running_loop()
        client.task = loop.create_task(client.connect(self.port))


class Client:
    """One session, by the wire's rules: what it has, what it sent, what is confirmed."""

    def __init__(self, storm: Storm, index: int) -> None:
        self.storm = storm
        self.index = index
        self.task: asyncio.Task[None] | None = None
        self.socket: WebSocket | None = None
        self.attach = 0
        self.session: dict[str, str] = {}
        self.received = 0
        self.sent: list[bytes] = []
        self.replies: list[str] = []
        self.numbers: list[int] = []
        self.wants = 0

    async def connect(self, port: int) -> None:
        """Open a WebSocket and say hello."""
        self.attach += 1
        self.socket = WebSocket(self._frame)
        await self.socket.open("127.0.0.1", port, "/rt/ws")
        hello: dict[str, Any] = {
            "v": 1, "attach": self.attach, "nonce": f"0123456789abcdef{self.index}",
            "token": f"{TOKEN}:user{self.index}", **self.session,
        }  # fmt: skip
        if self.session:
            hello |= {"received": self.received, "sent": len(self.sent)}
        self.socket.send(json.dumps(["hello", hello]).encode())

    def request(self) -> None:
        """Send a request with a number of its own."""
        frame = b'{"type":"echo","id":"%d","payload":%d}' % (len(self.sent), len(self.sent))
        self.sent.append(frame)
        self.wants = len(self.sent)
        assert self.socket is not None
        self.socket.send(frame)

    def cut(self) -> None:
        """Be cut off; what is on its way is lost."""
        assert self.socket is not None
        self.socket.abort()
        self.socket = None

    def _frame(self, frame: bytes) -> None:
        for item in frame.split(b"\n"):
            if item[:1] == b"{":
                self.received += 1
                self._message(json.loads(item))
            elif item[:9] == b'["welcome':
                self._welcome(json.loads(item)[1])
            elif item[:7] == b'["close':
                self.storm.fail(item.decode())

    def _message(self, message: dict[str, Any]) -> None:
        if message["type"] == "reply":
            self.replies.append(message["re"])
            if len(self.replies) == self.wants:
                self.storm.there()
        elif message["type"] == "everyone":
            self.numbers.append(message["payload"])

    def _welcome(self, fields: dict[str, Any]) -> None:
        if self.session and not fields["resumed"]:
            self.storm.fail(f"not resumed: {fields}")
        self.session = {"session": fields["session"], "secret": fields["secret"]}
        assert self.socket is not None
        for frame in self.sent[fields["received"] :]:
            self.socket.send(frame)
        self.storm.welcomed()
        if not self.sent:
            self.storm.there()


async def run(port: int, count: int) -> dict[str, Any]:
    """Make the sessions, cut them all, wait until they are back, look at what they have."""
    storm = Storm(port)
    talker = Client(storm, count)
    clients = [Client(storm, i) for i in range(count)]
    await storm.gather([talker])
    await storm.gather(clients)
    assert talker.socket is not None
    told = 0

    async def talk() -> None:
        nonlocal told
        while True:
            assert talker.socket is not None
            talker.socket.send(b'{"type":"everyone","payload":%d}' % told)
            told += 1
            await asyncio.sleep(EVERY)

    talking = asyncio.create_task(talk())
    await asyncio.sleep(1.0)
    begun = time.perf_counter()
    for client in clients:
        client.request()
    for client in clients:
        client.cut()
    cut = time.perf_counter() - begun
    await storm.gather(clients)
    seconds = time.perf_counter() - begun
    talking.cancel()
    await asyncio.sleep(0.5)
    numbers = list(range(told))
    for _ in range(100):
        if storm.failed or all(c.numbers[-1:] == numbers[-1:] for c in clients):
            break
        await asyncio.sleep(0.1)
    lost = sum(c.numbers != numbers or c.replies != ["0"] for c in clients)
    for client in (talker, *clients):
        client.cut()
    note = (
        storm.failed
        or f"{lost} of {count} lost or doubled something; {told} numbers; the cut took {cut:.2f} s"
    )
    return {
        "seconds": seconds,
        "dead": lost or bool(storm.failed),
        "open": count,
        "note": f"{seconds:.2f} s; {note}",
    }


def measure(target: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Measure a target that speaks rtcore's wire."""
    call = [sys.executable, "-m", "benchmarks.storm"]
    with server(target) as (port, _):
        done = subprocess.run(pinned(1, [*call, str(port)]), check=True, stdout=subprocess.PIPE, text=True)
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def main() -> None:
    """Run the command."""
    port, *count = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(run(int(port), int(count[0]) if count else 5000))))


if __name__ == "__main__":
    main()
