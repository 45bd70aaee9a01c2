"""Long polling: clients whose poll waits on one kept-alive connection while they post on another.

    python -m benchmarks.polling TARGET PORT SECONDS WHAT CLIENTS

`TARGET` is a target in JSON, whose `polling` is its dialect: `rtcore`, or `engineio`, the polling of Socket.IO; a POST
up and a request down in either. `WHAT` is `trips`
(each client posts a message, gets it back and posts the next) or `room` (one client publishes to all of them in a
closed loop; what comes to anybody is a delivery). The clients do not sleep: on a virtual machine whoever writes to one
that sleeps pays for the wake-up of its CPU.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from benchmarks.load import CannotRun, pinned, server

TOKEN: Final = "a-token-of-32-characters-exactly"
PAYLOAD: Final = '{"text":"hello everyone in this room, how are you today?"}'
#: Publications under way at once, in the room.
WINDOW: Final = 4


class Line(asyncio.Protocol):
    """One kept-alive connection: a request at a time, whose answer's body is given to `got`."""

    transport: asyncio.Transport

    def __init__(self, failed: Callable[[str], None]) -> None:
        self.got: Callable[[str], None] = _nobody
        self.busy = False
        self._failed = failed
        self._buffer = b""

    def ask(self, request: bytes, got: Callable[[str], None]) -> None:
        """Send a request."""
        self.busy, self.got = True, got
        self.transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        if self.busy:
            self._failed("the connection has ended")

    def data_received(self, data: bytes) -> None:
        """Wait until an answer is whole."""
        buffer = self._buffer = self._buffer + data if self._buffer else data
        head, found, rest = buffer.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().find(b"content-length:")
        if at < 0 or head[9:12] != b"200":
            self._failed(buffer.decode(errors="replace")[:200])
            return
        if len(rest) < int(head[at + 15 :].split(b"\r\n", 1)[0]):
            return
        self._buffer, self.busy = b"", False
        self.got(rest.decode())


class Client:
    """One client. A dialect says what is asked, and which of what comes is a message.

    Attributes:
        began: set once it is in, and in its room.
        messages: that have come.
        on_message: called for each of them.
    """

    def __init__(self, index: int, target: Mapping[str, Any]) -> None:
        self.index = index
        self.target = target
        self.began = asyncio.Event()
        self.messages = 0
        self.failed = ""
        self.on_message: Callable[[], None] = _nothing
        self.up = Line(self.fail)
        self.down = Line(self.fail)
        self._waiting: list[str] = []

    async def start(self, port: int) -> None:
        """Connect, and wait until it is in.

        Raises:
            CannotRun: it was not let in.
        """
        loop = asyncio.get_running_loop()
        for line in (self.up, self.down):
            await loop.create_connection(lambda line=line: line, "127.0.0.1", port)  # type: ignore[misc]
        self.hello()
        async with asyncio.timeout(10):
            await self.began.wait()
        if self.failed:
            raise CannotRun(self.failed)

    def fail(self, why: str) -> None:
        """Nothing more will come."""
        self.failed = self.failed or why
        self.began.set()

    def send(self, message: str) -> None:
        """Post a message, as soon as the POST before is answered."""
        self._waiting.append(message)
        self.pump()

    def pump(self, _: str = "") -> None:
        """Post what waits."""
        if self._waiting and not self.up.busy:
            waiting, self._waiting = self._waiting, []
            self.up.ask(self.posted(waiting), self.pump)

    def came(self, messages: int) -> None:
        """Count messages."""
        self.messages += messages
        for _ in range(messages):
            self.on_message()

    def hello(self) -> None:
        """Ask to be let in, and go on from there."""
        raise NotImplementedError

    def posted(self, messages: list[str]) -> bytes:
        """Return the POST of these messages."""
        raise NotImplementedError


class Rtcore(Client):
    """`POST /rt/send` up, `POST /rt/poll` down."""

    _session = ""
    _received = _sent = 0

    def hello(self) -> None:
        hello = {"v": 1, "attach": 1, "nonce": f"0123456789abcdef{self.index}", "token": TOKEN}
        self.down.ask(_post("/rt/poll", json.dumps(["hello", hello])), self._welcomed)

    def posted(self, messages: list[str]) -> bytes:
        start, self._sent = self._sent, self._sent + len(messages)
        return _post("/rt/send", "\n".join([f'["send",{{{self._session},"from":{start}}}]', *messages]))

    def _welcomed(self, body: str) -> None:
        fields = json.loads(body.splitlines()[0])[1]
        self._session = json.dumps({key: fields[key] for key in ("session", "secret", "attach")})[1:-1]
        self._poll()
        self.up.ask(self.posted(self.target["init"]), lambda _: self.began.set())

    def _poll(self) -> None:
        self.down.ask(
            _post("/rt/poll", f'["poll",{{{self._session},"received":{self._received}}}]'), self._polled
        )

    def _polled(self, body: str) -> None:
        messages = (body[:1] == "{") + body.count("\n{")
        self._received += messages
        self._poll()
        self.came(messages)


class EngineIo(Client):
    """POST and GET of one path; the packets of a body are separated by 0x1e."""

    _path = "/socket.io/?EIO=4&transport=polling"

    def hello(self) -> None:
        self.down.ask(self._get(), self._opened)

    def posted(self, messages: list[str]) -> bytes:
        return _post(self._path, "\x1e".join(messages))

    def _opened(self, body: str) -> None:
        self._path += "&sid=" + json.loads(body[1:])["sid"]
        self.down.ask(self._get(), self._polled)
        self.send("40")

    def _polled(self, body: str) -> None:
        self.down.ask(self._get(), self._polled)
        packets = body.split("\x1e")
        if "2" in packets:
            self.send("3")
        if not self.began.is_set() and any(packet.startswith("40") for packet in packets):
            self.began.set()
        self.came(sum(packet.startswith("42") for packet in packets))

    def _get(self) -> bytes:
        return f"GET {self._path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


DIALECTS: Final[Mapping[str, type[Client]]] = {"rtcore": Rtcore, "engineio": EngineIo}


class Trips:
    """Each client posts the next message when the one before has come back."""

    def __init__(self, clients: list[Client], target: Mapping[str, Any]) -> None:
        self.took: list[float] = []
        message = target["echo"].replace("@T@", "0")
        for client in clients:
            self._start(client, message)

    def _start(self, client: Client, message: str) -> None:
        begun = time.perf_counter()

        def back() -> None:
            nonlocal begun
            now = time.perf_counter()
            self.took.append(now - begun)
            begun = now
            client.send(message)

        client.on_message = back
        client.send(message)


class Room:
    """One client publishes to all, `WINDOW` messages at a time."""

    def __init__(self, clients: list[Client], target: Mapping[str, Any]) -> None:
        self.took: list[float] = []
        message = target["publish"].replace("@T@", "0").replace("@TEXT@", PAYLOAD.replace('"', "'"))
        publisher = clients[0]
        under_way = [time.perf_counter()] * WINDOW

        def back() -> None:
            now = time.perf_counter()
            self.took.append(now - under_way.pop(0))
            under_way.append(now)
            publisher.send(message)

        publisher.on_message = back
        for _ in range(WINDOW):
            publisher.send(message)


WHAT: Final[Mapping[str, type[Trips | Room]]] = {"trips": Trips, "room": Room}


async def run(target: Mapping[str, Any], port: int, seconds: float, what: str, conns: int) -> dict[str, Any]:
    """Measure for so many seconds, after one to warm up."""
    loop = asyncio.get_running_loop()
    clients = [DIALECTS[target["polling"]](i, target) for i in range(conns)]
    for client in clients:
        await client.start(port)

    def spin() -> None:
        loop.call_soon(spin)

    spin()
    work = WHAT[what](clients, target)
    await asyncio.sleep(1.0)
    before, begun = sum(c.messages for c in clients), time.perf_counter()
    work.took.clear()
    await asyncio.sleep(seconds)
    messages, took = sum(c.messages for c in clients) - before, time.perf_counter() - begun
    times = sorted(work.took) or [0.0]
    return {
        "delivered_per_s": messages / took,
        "p50_us": times[len(times) // 2] * 1e6,
        "p99_us": times[len(times) * 99 // 100] * 1e6,
        "dead": sum(bool(c.failed) for c in clients),
        "note": next((c.failed for c in clients if c.failed), ""),
    }


def measure(what: str, conns: int) -> Callable[[Mapping[str, Any], float], dict[str, Any]]:
    """Measure a target, whose `polling` is the dialect."""

    def measured(target: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        call = [sys.executable, "-m", "benchmarks.polling", json.dumps(target)]
        with server(target) as (port, _):
            done = subprocess.run(
                pinned(1, [*call, str(port), str(seconds), what, str(conns)]),
                check=False,
                capture_output=True,
                text=True,
            )
        if done.returncode:
            raise CannotRun((done.stderr.strip().splitlines() or ["no output"])[-1])
        row: dict[str, Any] = json.loads(done.stdout)
        return row

    return measured


def main() -> None:
    """Run the command."""
    target, port, seconds, what, conns = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(json.dumps(runner.run(run(json.loads(target), int(port), float(seconds), what, int(conns)))))


def loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _post(path: str, body: str) -> bytes:
    data = body.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def _nobody(body: str) -> None:
    """Nobody has asked."""


def _nothing() -> None:
    """Nobody waits."""


if __name__ == "__main__":
    main()
