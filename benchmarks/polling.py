"""Long polling: round trips of clients that post a message and poll for its answer, on one kept-alive connection each.

    python -m benchmarks.polling DIALECT PORT SECONDS [CLIENTS]

`DIALECT` is `rtcore` or `engineio`, the polling of Socket.IO: a POST up, a request down, in either.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, cast

from benchmarks.load import pinned, server

TOKEN: Final = "a-token-of-32-characters-exactly"
PAYLOAD: Final = '{"text":"hello everyone in this room, how are you today?"}'


class Client(asyncio.Protocol):
    """One client. A dialect says what to ask next, given the body of an answer, and counts round trips."""

    transport: asyncio.Transport

    def __init__(self, index: int) -> None:
        self.index = index
        self.trips = 0
        self.took: list[float] = []
        self.begun = 0.0
        self.failed = ""
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast(asyncio.Transport, transport)
        transport.write(self.first())

    def data_received(self, data: bytes) -> None:
        """Ask again as soon as an answer is whole."""
        self._got += data
        head, found, rest = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        at = head.lower().index(b"content-length:") + 15
        length = int(head[at:].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._got = b""
        if head[9:12] != b"200":
            self.failed = rest.decode(errors="replace")[:200]
            self.transport.close()
            return
        self.transport.write(self.next(rest.decode()))

    def done(self) -> None:
        """A round trip is complete."""
        self.trips += 1
        self.took.append(time.perf_counter() - self.begun)

    def first(self) -> bytes:
        """Return the first request."""
        raise NotImplementedError

    def next(self, body: str) -> bytes:
        """Return the request that follows an answer."""
        raise NotImplementedError


def _post(path: str, body: str) -> bytes:
    data = body.encode()
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: text/plain\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


class Rtcore(Client):
    """`POST /rt/send`, then `POST /rt/poll`."""

    received = sent = 0
    session = ""
    polling = True

    def first(self) -> bytes:
        """Say hello."""
        hello = {"v": 1, "attach": 1, "nonce": f"0123456789abcdef{self.index}", "token": TOKEN}
        return _post("/rt/poll", json.dumps(["hello", hello]))

    def next(self, body: str) -> bytes:
        """Post, poll, and post again when the reply is there."""
        if not self.session:
            fields = json.loads(body.splitlines()[0])[1]
            self.session = json.dumps({
                "session": fields["session"], "secret": fields["secret"], "attach": fields["attach"]
            })[1:-1]  # fmt: skip
        elif self.polling:
            messages = sum(line.startswith("{") for line in body.splitlines())
            self.received += messages
            if not messages:
                return self._poll()
            self.done()
        else:
            self.polling = True
            return self._poll()
        self.polling = False
        self.begun = time.perf_counter()
        self.sent += 1
        message = f'{{"type":"echo","id":"17","payload":{PAYLOAD}}}'
        return _post("/rt/send", f'["send",{{{self.session},"from":{self.sent - 1}}}]\n{message}')

    def _poll(self) -> bytes:
        return _post("/rt/poll", f'["poll",{{{self.session},"received":{self.received}}}]')


class EngineIo(Client):
    """POST and GET of one path; the packets of a body are separated by 0x1e."""

    path = "/socket.io/?EIO=4&transport=polling"
    state = "open"

    def first(self) -> bytes:
        """Open a session."""
        return self._get()

    def next(self, body: str) -> bytes:
        """Post, poll, and post again when the reply is there."""
        if self.state == "open":
            self.path += "&sid=" + json.loads(body[1:])["sid"]
            self.state = "posted"
            return _post(self.path, "40")
        if self.state == "posted":
            self.state = "polling"
            return self._get()
        packets = body.split("\x1e")
        if "2" in packets:
            self.state = "posted"
            return _post(self.path, "3")
        if any(packet.startswith("42") for packet in packets):
            self.done()
        elif not any(packet.startswith("40") for packet in packets):
            return self._get()
        self.state = "posted"
        self.begun = time.perf_counter()
        return _post(self.path, f'42["echo",{PAYLOAD}]')

    def _get(self) -> bytes:
        return f"GET {self.path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


DIALECTS: Final[Mapping[str, type[Client]]] = {"rtcore": Rtcore, "engineio": EngineIo}


async def run(dialect: str, port: int, seconds: float, conns: int) -> dict[str, Any]:
    """Let clients make round trips for so many seconds, after one to warm up."""
    loop = asyncio.get_running_loop()
    clients = [DIALECTS[dialect](i) for i in range(conns)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.sleep(1.0)
    before, begun = sum(c.trips for c in clients), time.perf_counter()
    for client in clients:
        client.took.clear()
    await asyncio.sleep(seconds)
    trips, took = sum(c.trips for c in clients) - before, time.perf_counter() - begun
    times = sorted(t for c in clients for t in c.took) or [0.0]
    for client in clients:
        client.transport.abort()
    return {
        "delivered_per_s": trips / took,
        "p50_us": times[len(times) // 2] * 1e6,
        "p99_us": times[len(times) * 99 // 100] * 1e6,
        "dead": sum(bool(c.failed) for c in clients),
        "note": next((c.failed for c in clients if c.failed), ""),
    }


def measure(target: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Measure a target, with its `polling` as the dialect."""
    call = [sys.executable, "-m", "benchmarks.polling", target["polling"]]
    with server(target) as (port, _):
        done = subprocess.run(
            pinned(1, [*call, str(port), str(seconds)]), check=True, stdout=subprocess.PIPE, text=True
        )
    row: dict[str, Any] = json.loads(done.stdout)
    return row


def main() -> None:
    """Run the command."""
    dialect, port, seconds, *conns = sys.argv[1:]
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        print(
            json.dumps(runner.run(run(dialect, int(port), float(seconds), int(conns[0]) if conns else 100)))
        )


def loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    main()
