"""The crowd of one cycle: everybody who comes, talks, listens, is cut off, comes back, or just goes.

Rule: everybody checks what it can. A reply is to its request, numbers that a handler streams to a session are in order
and whole, whatever is cut meanwhile; what is missed is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final, Literal

from rtcore_client import (
    Limits,
    Message,
    NetworkError,
    NotConnected,
    QueueFull,
    RealtimeClient,
    RequestError,
    Timing,
    UnknownOutcome,
)
from rtcore_client import Timeout as ClientTimeout

from benchmarks.polling import TOKEN
from benchmarks.stalled import Peer
from tests.end_to_end.proxy import Proxy

Transport = Literal["websocket", "sse", "polling"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("websocket", "sse", "polling")
CODECS: Final = ("json", "cbor")
ROOMS: Final = ("chat:1", "chat:2", "log:1", "log:2", "cursor:1")
#: What may happen to somebody whose connections are cut all the time.
PASSING: Final = (NetworkError, NotConnected, QueueFull, UnknownOutcome, ClientTimeout)


class Crowd:
    """Everybody, for so many seconds.

    Args:
        port: of the server.
        size: people of each kind at once, where it says nothing else.
        seed: of all chance.

    Attributes:
        did: what happened, and how often: a soak in which nothing happens proves nothing.
        wrong: what must not happen.
    """

    def __init__(self, port: int, *, size: int, seed: int) -> None:
        self.did: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._port = port
        self._size = size
        self._chance = random.Random(seed)
        self._until = 0.0

    async def stay(self, seconds: float) -> None:
        """Let everybody do what they do, then leave."""
        loop = asyncio.get_running_loop()
        self._until = loop.time() + seconds
        async with Proxy(self._port) as proxy:
            proxy.cut_after = lambda: self._chance.randrange(2_000, 150_000)
            visitors = [
                self._again(lambda t=t, c=c: self._visit(proxy, t, c))
                for t in TRANSPORTS
                for c in CODECS
                for _ in range(self._size)
            ]
            passers = [self._again(lambda t=t: self._pass_by(t)) for t in TRANSPORTS]
            slow = [self._again(self._read_slowly) for _ in range(self._size)]
            await asyncio.gather(
                *visitors, *passers, *slow, self._again(self._lurk), self._again(self._shout)
            )
            self.did["cuts"] += proxy.cuts

    async def _again(self, come: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Let one kind of person come again and again."""
        loop = asyncio.get_running_loop()
        while loop.time() < self._until:
            try:
                await come()
            except Exception as error:  # noqa: BLE001 - whatever it is, the soak reports it and goes on
                self.wrong.append(f"{type(error).__name__}: {error}")
                await asyncio.sleep(0.1)

    # -- who there is --------------------------------------------------------------------------------------

    async def _visit(self, proxy: Proxy, transport: Transport, codec: str) -> None:
        """Come with the client, over a network that cuts; move between transports; say goodbye, or not."""
        chance = self._chance
        client = RealtimeClient(
            proxy.url, connection_type=transport, codec=codec, reconnect_delay=0.02, max_reconnect_attempts=50,
            heartbeat_interval=1.0, ping_timeout=2.0, enable_compression=chance.random() < 0.7,
            enable_batching=chance.random() < 0.3, batch_interval=0.01,
            authentication={"token": f"{TOKEN}:visitor-{chance.randrange(50)}"},
            timing=Timing(open=2.0, send=3.0, request=5.0, climb=0.5, max_reconnect_delay=0.2, close=0.5),
            limits=Limits(queue=200),
        )  # fmt: skip
        visit = _Visit(client, self)
        try:
            await client.connect()
            self.did[f"visits by {transport}, {codec}"] += 1
            async with asyncio.timeout(30):
                await visit.stay(min(chance.uniform(0.5, 4.0), self._left))
        except PASSING as error:
            self.did[type(error).__name__] += 1
            if isinstance(error, ClientTimeout) and not visit.excused:
                self.wrong.append(f"{transport}, {codec}: {error}")
        finally:
            if chance.random() < 0.3:
                proxy.cut()  # so that this one, and everybody else who is here, has no connection just now
            await client.close()
            visit.look()

    async def _pass_by(self, transport: Transport) -> None:
        """Come without a client, say hello, and vanish without a word; some come back, the others are waited for."""
        if transport == "websocket":
            peer = Peer(self._port, f"passer-{self._chance.randrange(10**9)}")
            await peer.connect()
            await peer.ask("echo")
            peer.socket.abort()
            if self._chance.random() < 0.5:
                await peer.connect()
                self.did["resumes by hand"] += 1
                peer.socket.abort()
        else:
            leaf = {"sse": "sse", "polling": "poll"}[transport]
            hello = {"v": 1, "attach": 1, "nonce": f"{self._chance.randrange(10**20):020}", "token": TOKEN}
            body = json.dumps(["hello", hello]).encode()
            await self._say(
                b"POST /rt/%s HTTP/1.1\r\nHost: soak\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s"
                % (leaf.encode(), len(body), body),
                wait=1,
            )
        self.did["vanished"] += 1
        await asyncio.sleep(0.02)

    async def _read_slowly(self) -> None:
        """Stop reading for a while; then catch up, or go."""
        peer = Peer(self._port, f"slow-{self._chance.randrange(10**9)}", receive=4096)
        await peer.connect()
        peer.socket.pause_reading()
        await asyncio.sleep(min(self._chance.uniform(0.3, 1.5), self._left))
        self.did["slow readers"] += 1
        if self._chance.random() < 0.5:
            peer.socket.resume_reading()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await peer.until(lambda: bool(peer.told) or peer.gone)
                    self.did["told of a gap"] += bool(peer.told)
        peer.socket.abort()

    async def _lurk(self) -> None:
        """Connect and say nothing, half a sentence, or nonsense."""
        said = self._chance.choice(
            [b"", b"GET /rt/ws HTT", b"GET /nowhere HTTP/1.1\r\nHost: soak\r\n\r\n", b"\0\1\2\3"]
        )
        await self._say(said, wait=self._chance.uniform(0.05, 0.3))
        self.did["lurkers"] += 1

    async def _shout(self) -> None:
        """Speak to everybody."""
        peer = Peer(self._port, "shouter")
        await peer.connect()
        while self._left and not peer.gone:
            text = "x" * self._chance.choice([20, 200, 2000, 20_000])
            peer.socket.send(f'{{"type":"everyone","payload":{{"text":"{text}"}}}}'.encode())
            self.did["broadcasts"] += 1
            await asyncio.sleep(0.02)
        peer.socket.abort()

    # -- what they share -----------------------------------------------------------------------------------

    @property
    def _left(self) -> float:
        return max(0.0, self._until - asyncio.get_running_loop().time())

    async def _say(self, said: bytes, *, wait: float) -> None:
        """Open a connection, say something, wait for an answer for so long, and cut it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(said)
        with contextlib.suppress(TimeoutError, ConnectionError):
            await asyncio.wait_for(reader.read(4096), wait)
        writer.transport.abort()

    @property
    def chance(self) -> random.Random:
        """What is left to chance."""
        return self._chance


class _Visit:
    """One client's stay: requests, rooms, a stream of numbers."""

    def __init__(self, client: RealtimeClient, crowd: Crowd) -> None:
        self._client = client
        self._crowd = crowd
        self._streams: list[list[int]] = []
        self._gaps: list[object] = []
        self._sessions: set[str | None] = set()
        client.subscribe("number", self._number)
        client.on("gap", self._gaps.append)
        for event in ("connect", "reconnect"):
            client.on(event, lambda _info: self._sessions.add(client.get_connection_info().session_id))

    async def stay(self, seconds: float) -> None:
        """Do this and that."""
        crowd, client, chance = self._crowd, self._client, self._crowd.chance
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        for room in chance.sample(ROOMS, 3):
            await client.join_room(room)
        while loop.time() < end:
            await chance.choice(
                [self._echo, self._echo, self._publish, self._think, self._stream, self._move, self._rejoin]
            )()
            crowd.did["deeds"] += 1

    @property
    def excused(self) -> bool:
        """Something may be missing: a session was lost, or a gap was told."""
        return bool(self._gaps) or len(self._sessions) > 1

    def look(self) -> None:
        """Say what was wrong."""
        self._crowd.did["gaps"] += len(self._gaps)
        if not self.excused:
            for numbers in self._streams:
                if numbers != list(range(len(numbers))):
                    self._crowd.wrong.append(f"a stream of numbers: {numbers}")
        self._crowd.did["streams"] += len(self._streams)
        self._crowd.did["sessions lost"] += max(0, len(self._sessions) - 1)

    def _number(self, message: Message) -> None:
        if message.payload == 0:
            self._streams.append([])
        if self._streams:
            self._streams[-1].append(message.payload)

    async def _ask(self, type: str, payload: Any, expected: Any) -> None:
        try:
            answer = await self._client.request(type, payload)
        except RequestError as error:
            if error.code not in {"rate_limited", "cancelled"}:
                raise
            return
        if answer != expected:
            self._crowd.wrong.append(f"{type}: {answer!r:.80} instead of {expected!r:.80}")

    async def _echo(self) -> None:
        payload = {"n": self._crowd.chance.random(), "text": "so " * self._crowd.chance.choice([1, 30, 3000])}
        await self._ask("echo", payload, payload)

    async def _think(self) -> None:
        seconds = round(self._crowd.chance.uniform(0.0, 0.05), 4)
        await self._ask("think", seconds, seconds)

    async def _stream(self) -> None:
        count = self._crowd.chance.choice([10, 60, 200])
        await self._ask("stream", count, count)

    async def _publish(self) -> None:
        rooms = self._client.get_connection_info().rooms
        if rooms:
            room = self._crowd.chance.choice(rooms)
            await self._client.send_to_room(
                room, "said", {"text": "hello " * self._crowd.chance.choice([1, 300])}
            )

    async def _rejoin(self) -> None:
        room = self._crowd.chance.choice(ROOMS)
        await self._client.leave_room(room)
        await self._client.join_room(room, history=5)

    async def _move(self) -> None:
        try:
            await self._client.switch_transport(self._crowd.chance.choice(TRANSPORTS))
        except NetworkError:
            self._crowd.did["moves that failed"] += 1
        else:
            self._crowd.did["moves"] += 1
